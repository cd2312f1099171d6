"""The sizes that a caller gives, against those that the model accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archspec.errors import InputError
from compiler.onnx_file.accepted import AcceptedSize


def name_sizes(given: Mapping[str, int], inputs: Mapping[str, Sequence[int | str]]) -> dict[str, int]:
    """Give extents by the names of free axes, for extents by these or by the places of axes, as in `x.2` for the third
    of the input `x`; others stay as they are. Raises InputError where an axis is given two extents."""
    names = {extent for extents in inputs.values() for extent in extents if isinstance(extent, str)}
    places = {f"{name}.{axis}": extent for name, extents in inputs.items() for axis, extent in enumerate(extents)}
    found: dict[str, int] = {}
    for said, extent in given.items():
        own = said if said in names else places.get(said, said)
        name = own if isinstance(own, str) else said
        if found.setdefault(name, extent) != extent:
            raise InputError(f"the size {name} is given as {found[name]} and, as '{said}', as {extent}")
    return found


def check_size(said: str, name: str, extent: int, sizes: Mapping[str, AcceptedSize]) -> None:
    """Raise InputError, which begins as `said`, where the model has a size of this name and does not take it."""
    if name in sizes and extent != sizes[name].value and extent not in sizes[name]:
        raise InputError(f"{said}; the model takes {sizes[name].list_values()}")


def check_together(extents: Mapping[str, int], sizes: Mapping[str, AcceptedSize]) -> None:
    """Raise InputError where two sizes that depend on each other differ from those that the model was written for."""
    moved = [name for name, extent in extents.items() if name in sizes and extent != sizes[name].value]
    for name in moved:
        for other in set(moved) & sizes[name].beside.keys():
            kept = f"{name} is {sizes[name].value} or {other} is {sizes[other].value}"
            raise InputError(
                f"{name} is {extents[name]} and {other} is {extents[other]}; the model takes them where {kept}"
            )
