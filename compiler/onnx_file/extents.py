"""The extents that a model declares of its inputs and outputs, with names for those that it leaves open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import onnx

NamedExtents: TypeAlias = tuple[int | str, ...]
"""The extents of a value: a number along each axis that is fixed, a name along each that is free."""

DeclaredExtents: TypeAlias = tuple[int | str | None, ...]
"""The extents of a value as a file declares them: None where a free axis has no name."""

NAMELESS = ("", "?")
"""The names that exporters give an extent without one; some give several the same."""


def name_axis(value: str, axis: int, own: str | None) -> str:
    """Name an extent that is open: by its own name, or by its place, as in `x.2`, where it has none."""
    return f"{value}.{axis}" if own is None or own in NAMELESS else own


def is_fixed(dim: onnx.TensorShapeProto.Dimension) -> bool:
    """True if a file gives an axis one extent. A negative one is none to ONNX Runtime; zero is."""
    return dim.HasField("dim_value") and dim.dim_value >= 0


def read_extents(item: onnx.ValueInfoProto) -> DeclaredExtents | None:
    """Read the extents that are declared of a value; None where none are."""
    if not item.type.tensor_type.HasField("shape"):
        return None
    axes = item.type.tensor_type.shape.dim
    return tuple(axis.dim_value if is_fixed(axis) else axis.dim_param or None for axis in axes)


def name_axes(value: str, extents: Iterable[int | str | None]) -> NamedExtents:
    """Give each free axis of a value a name."""
    return tuple(it if isinstance(it, int) else name_axis(value, axis, it) for axis, it in enumerate(extents))


def list_inputs(graph: onnx.GraphProto, elsewhere: Iterable[str] = ()) -> dict[str, NamedExtents]:
    """List the extents of what has to be fed: of inputs that are no stored tensor, in the graph or `elsewhere`."""
    stored = {tensor.name for tensor in graph.initializer}.union(elsewhere)
    fed = {item.name: read_extents(item) or () for item in graph.input if item.name not in stored}
    return {name: name_axes(name, extents) for name, extents in fed.items()}


def list_outputs(graph: onnx.GraphProto) -> dict[str, NamedExtents | None]:
    """List the extents that are declared of outputs; None where none are."""
    found = {item.name: read_extents(item) for item in graph.output}
    return {name: None if extents is None else name_axes(name, extents) for name, extents in found.items()}
