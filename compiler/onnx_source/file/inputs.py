"""The inputs of a model: their extents, those that the file leaves open included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from archspec.bounds import MAX_WHOLE
from archspec.errors import ArchspecError, InputError, suggest
from archspec.wording import cut
from compiler.onnx_file.extents import name_axis
from compiler.onnx_file.metadata import read_sizes
from compiler.onnx_file.skim import list_metadata
from compiler.onnx_source.file.types import name_type


@dataclass(frozen=True)
class FileInputs:
    """The inputs by name: their shapes in the file, and the same with the names of extents that it leaves open."""

    batch: int
    shapes: Mapping[str, tuple[int, ...]]
    dims: Mapping[str, tuple[int | str, ...]]
    types: Mapping[str, str]
    sizes: Mapping[str, int]
    """The value of each extent that the file leaves open, the batch included."""

    def resolve(self, shape: onnx.TensorShapeProto) -> tuple[int, ...] | None:
        """Resolve a shape that the file declares, where it says or leaves open nothing but these."""
        extents = [self.sizes.get(dim.dim_param, 0) if dim.dim_param else dim.dim_value for dim in shape.dim]
        return tuple(extents) if all(extent >= 1 for extent in extents) else None


def read_inputs(path: Path, model: onnx.ModelProto, sizes: Mapping[str, int], *, whole: bool) -> FileInputs:
    """Read the inputs at the given sizes, else at those that the file says itself; `whole` where no axis holds samples.
    Raises InputError where a size is missing, or is none of the file's."""
    stored = {tensor.name for tensor in model.graph.initializer}
    declared = {item.name: _read_dims(path, item, sizes) for item in model.graph.input if item.name not in stored}
    if not declared:
        raise ArchspecError(f"{path} has no input that could be followed")
    batches = {dims[0] for dims in declared.values() if dims and isinstance(dims[0], str)}
    batch = 1 if whole else _find_batch(declared.values())
    names = dict.fromkeys(dim for dims in declared.values() for dim in dims if isinstance(dim, str))
    free = [name for name in names if name not in batches]
    for name in sizes:
        if name not in free:
            known = f"; it leaves open {', '.join(free)}" if free else "; it leaves none open"
            raise InputError(f"{path} has no size '{name}'{suggest(name, free) or known}")
    values = {**_read_written(model), **sizes, **dict.fromkeys(batches, batch)}
    missing = [name for name in free if name not in values]
    if missing:
        options = " ".join(f"--size {name}=224" for name in missing[:4])
        raise InputError(f"{path} leaves open {', '.join(missing[:20])}: say which, as in {options}")
    shapes = {
        name: tuple(values[dim] if isinstance(dim, str) else dim for dim in dims) for name, dims in declared.items()
    }
    types = {item.name: name_type(item.type.tensor_type.elem_type) for item in model.graph.input}
    return FileInputs(batch, shapes, declared, types, {name: values[name] for name in names})


def _read_written(model: onnx.ModelProto) -> dict[str, int]:
    """The sizes for which an exported spec was written; none where the file says them in another form."""
    try:
        return {name: rule.value for name, rule in read_sizes(list_metadata(model)).items()}
    except ArchspecError:
        return {}


def _read_dims(path: Path, item: onnx.ValueInfoProto, sizes: Mapping[str, int]) -> tuple[int | str, ...]:
    """The extents of an input; one that is open has its own name, or that of its axis where it has none or is given."""
    what = f"{path}: the input '{cut(item.name, 80)}'"
    if item.type.WhichOneof("value") != "tensor_type" or not item.type.tensor_type.HasField("shape"):
        raise ArchspecError(f"{what} is no tensor whose number of axes is said")
    dims: list[int | str] = []
    for axis, dim in enumerate(item.type.tensor_type.shape.dim):
        place = f"{item.name}.{axis}"
        if not dim.HasField("dim_value"):
            dims.append(place if place in sizes else name_axis(item.name, axis, dim.dim_param))
        elif 1 <= dim.dim_value <= MAX_WHOLE:
            dims.append(dim.dim_value)
        elif axis == 0 and dim.dim_value in (0, -1):  # so some exporters leave the batch open
            dims.append(place)
        else:
            raise ArchspecError(f"{what} has the extent {dim.dim_value} along axis {axis}")
    if len(dims) > 8:
        raise ArchspecError(f"{what} has {len(dims)} axes; at most 8 are read")
    return tuple(dims)


def _find_batch(declared: Iterable[tuple[int | str, ...]]) -> int:
    """The samples in a batch: one, unless the file fixes another number along the first axis of all inputs."""
    firsts = {dims[0] for dims in declared if len(dims) > 1}
    first = firsts.pop() if len(firsts) == 1 else 1
    return first if isinstance(first, int) else 1
