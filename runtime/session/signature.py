"""What a model file says of its inputs and of itself, without a session and without reading its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec.errors import InputError, ModelError, raising, tell_value
from archspec.extras import extra
from compiler.onnx_file.metadata import read_sizes
from runtime.session.sizes import check_size, check_together, name_sizes

with extra("run"):
    from compiler.onnx_file.extents import Extents, list_inputs, list_outputs
    from compiler.onnx_file.skim import list_metadata, skim_model


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs by name, with their extents (a name where one is free: its own, or that of its place), and the
    metadata."""

    inputs: dict[str, Extents]
    metadata: dict[str, str]

    @property
    def free(self) -> tuple[str, ...]:
        """The names of free extents."""
        extents = (extent for extents in self.inputs.values() for extent in extents)
        return tuple(dict.fromkeys(extent for extent in extents if isinstance(extent, str)))


@raising(ModelError)
def read_signature(path: str | Path) -> Signature:
    """Raises ArchspecError where the file is no ONNX model."""
    model = skim_model(Path(path))
    return Signature(list_inputs(model.graph), list_metadata(model))


@raising(ModelError)
def read_outputs(path: str | Path) -> dict[str, Extents | None]:
    """The extents that a file declares of its outputs; None where it declares none. Raises ArchspecError where it is no
    ONNX model."""
    return list_outputs(skim_model(Path(path)).graph)


def check_fixed(path: str | Path, fixed: object) -> dict[str, int]:
    """`fixed`, or ArchspecError unless it gives free axes of the model extents that it accepts."""
    if fixed is None:
        return {}
    if not isinstance(fixed, Mapping):
        raise InputError(f"fixed are extents by the names of axes, found {tell_value(fixed)}")
    if not fixed:
        return {}
    signature = read_signature(path)
    sizes = read_sizes(signature.metadata)
    named: dict[Any, Any] = name_sizes(fixed, signature.inputs)
    for name, extent in named.items():
        if not isinstance(name, str) or name not in signature.free:
            known = ", ".join(signature.free) or "none"
            raise InputError(f"{path} has no free axis {tell_value(name)} to fix (free: {known})")
        if type(extent) is not int or extent < 1:
            raise InputError(f"the axis {name} is fixed at a whole number from 1, found {tell_value(extent)}")
        check_size(f"{name} is fixed at {extent}", name, extent, sizes)
    check_together(named, sizes)
    return named
