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
    import onnx

    from compiler.onnx_file.inputs import name_axis
    from compiler.onnx_file.skim import skim_model


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs by name, with their extents (a name where one is free: its own, or that of its place), and the
    metadata."""

    inputs: dict[str, tuple[int | str, ...]]
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
    return Signature(list_inputs(model.graph), {item.key: item.value for item in model.metadata_props})


@raising(ModelError)
def read_outputs(path: str | Path) -> dict[str, tuple[int | str, ...] | None]:
    """The extents that a file declares of its outputs; None where it declares none. Raises ArchspecError where it is no
    ONNX model."""
    return list_outputs(skim_model(Path(path)).graph)


def list_inputs(graph: onnx.GraphProto) -> dict[str, tuple[int | str, ...]]:
    """The extents of what has to be fed."""
    weights = {item.name for item in graph.initializer}
    return {item.name: _read_extents(item) for item in graph.input if item.name not in weights}


def list_outputs(graph: onnx.GraphProto) -> dict[str, tuple[int | str, ...] | None]:
    """The extents that are declared of outputs; None where none are."""
    items = graph.output
    return {item.name: _read_extents(item) if item.type.tensor_type.HasField("shape") else None for item in items}


def _read_extents(item: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(
        dim.dim_value if is_fixed(dim) else name_axis(item.name, axis, dim.dim_param)
        for axis, dim in enumerate(item.type.tensor_type.shape.dim)
    )


def is_fixed(dim: onnx.TensorShapeProto.Dimension) -> bool:
    """Whether a file gives an axis one extent. A negative one is none to ONNX Runtime; zero is."""
    return dim.HasField("dim_value") and dim.dim_value >= 0


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
