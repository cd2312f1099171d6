"""What a model file says of its inputs and of itself, without a session and without reading its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from archspec.errors import ArchspecError
from runtime.extras import extra
from runtime.sizes import check_size, check_together, read_sizes

with extra("run"):
    from compiler.onnx_source.skim import skim_model


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs by name, with their extents (a name where one is free, None where not even that), and the metadata."""

    inputs: dict[str, tuple[int | str | None, ...]]
    metadata: dict[str, str]

    @property
    def free(self) -> tuple[str, ...]:
        """The names of free extents."""
        extents = (extent for extents in self.inputs.values() for extent in extents)
        return tuple(dict.fromkeys(extent for extent in extents if isinstance(extent, str)))


def read_signature(path: str | Path) -> Signature:
    """Raises ArchspecError where the file is no ONNX model."""
    model = skim_model(Path(path))
    weights = {item.name for item in model.graph.initializer}
    inputs = {
        item.name: tuple(dim.dim_value or dim.dim_param or None for dim in item.type.tensor_type.shape.dim)
        for item in model.graph.input
        if item.name not in weights
    }
    return Signature(inputs, {item.key: item.value for item in model.metadata_props})


def check_fixed(path: str | Path, fixed: Mapping[str, int]) -> None:
    """Raises ArchspecError unless `fixed` gives free axes of the model extents that it accepts."""
    signature = read_signature(path)
    sizes = read_sizes(signature.metadata)
    for name, extent in fixed.items():
        if name not in signature.free:
            known = ", ".join(signature.free) or "none"
            raise ArchspecError(f"{path} has no free axis '{name}' to fix (free: {known})")
        if type(extent) is not int or extent < 1:
            raise ArchspecError(f"the axis {name} is fixed at a whole number from 1, found {extent!r}")
        check_size(f"{name} is fixed at {extent}", name, extent, sizes)
    check_together(fixed, sizes)
