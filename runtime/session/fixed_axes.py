"""Free axes at extents that are fixed. ONNX Runtime takes those of named axes as an option; those without a name are
written into the model, which it then gets from memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.errors import InputError, tell_value
from archspec.extras import extra
from runtime.session.model_file import ModelFile
from runtime.session.sizes import check_size, check_together, name_sizes

with extra("run"):
    import onnx

    from compiler.onnx_file.extents import NAMELESS, is_fixed, name_axis

Nameless = dict[tuple[str, int], int]
"""Extents by the input and the axis that has no name."""


def check_fixed(model: ModelFile, fixed: object) -> dict[str, int]:
    """Give `fixed` by the names of axes. Raises InputError unless it gives free axes of the model extents that it
    accepts."""
    given = {} if fixed is None else fixed
    if not isinstance(given, Mapping):
        raise InputError(f"fixed are extents by the names of axes, found {tell_value(given)}")
    named: dict[Any, Any] = name_sizes(given, model.inputs)
    for name, extent in named.items():
        if not isinstance(name, str) or name not in model.free:
            known = ", ".join(model.free) or "none"
            raise InputError(f"{model.path} has no free axis {tell_value(name)} to fix (free: {known})")
        if type(extent) is not int or extent < 1:
            raise InputError(f"the axis {name} is fixed at a whole number from 1, found {tell_value(extent)}")
        check_size(f"{name} is fixed at {extent}", name, extent, model.sizes)
    check_together(named, model.sizes)
    return named


def find_nameless(model: ModelFile, fixed: Mapping[str, int]) -> Nameless:
    """Find those of the extents in `fixed` whose axes have only a place, as in {"x.2": 8}."""
    return {
        (value.name, axis): fixed[place]
        for value in (model.head.graph.input if fixed else ())
        for axis, dim in enumerate(value.type.tensor_type.shape.dim)
        if not is_fixed(dim)
        and dim.dim_param in NAMELESS
        and (place := name_axis(value.name, axis, dim.dim_param)) in fixed
    }


def fix_nameless(nameless: Nameless, model: onnx.ModelProto) -> None:
    """Fix these axes in a model: a `Rewrite`, for extents that are given first."""
    inputs = {value.name: value for value in model.graph.input}
    for (name, axis), extent in nameless.items():
        inputs[name].type.tensor_type.shape.dim[axis].dim_value = extent
