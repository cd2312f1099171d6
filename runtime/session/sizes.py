"""The sizes that an exported model accepts, as its metadata `archspec.sizes` says them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archspec.errors import InputError, ModelError, raising
from archspec.strict_json import check_integer, check_keys, read_json
from compiler.onnx_file.accepted import Accepted

KEY = "archspec.sizes"
NUMBERS = ("value", "first", "step", "last")


@raising(ModelError)
def read_sizes(metadata: Mapping[str, str]) -> dict[str, Accepted]:
    """The sizes by name; none where the model says none. Raises ArchspecError where what it says is malformed."""
    if KEY not in metadata:
        return {}
    found = read_json(metadata[KEY], f"the metadata '{KEY}'")
    names = found if isinstance(found, dict) else ()
    written = check_keys(found, f"the metadata '{KEY}'", names)
    numbers = {name: _read_numbers(name, value) for name, value in written.items()}
    values = {name: row["value"] for name, row in numbers.items()}
    return {
        name: Accepted(
            row["value"],
            row.get("first", row["value"]),
            row.get("step", 0),
            row.get("last"),
            _read_beside(name, written[name], values),
        )
        for name, row in numbers.items()
    }


def list_values(rule: Accepted) -> str:
    """`8, 12, 16, … (written for 8)`."""
    if not rule.dynamic:
        return f"only {rule.value}"
    few = [size for size in range(rule.first, rule.first + 3 * rule.step, rule.step) if size in rule]
    more = ", …" if few[-1] != rule.last else ""
    end = f", {rule.last}" if more and rule.last else ""
    kept = " and ".join(f"{name} is {value}" for name, value in rule.beside.items())
    return f"{', '.join(map(str, few))}{more}{end} (written for {rule.value}){f' while {kept}' if kept else ''}"


def name_sizes(given: Mapping[str, int], inputs: Mapping[str, Sequence[int | str]]) -> dict[str, int]:
    """Extents by the names of free axes, for extents by these or by the places of axes, as in `x.2` for the third of
    the input `x`; others stay as they are. Raises ArchspecError where an axis is given two extents."""
    names = {extent for extents in inputs.values() for extent in extents if isinstance(extent, str)}
    places = {f"{name}.{axis}": extent for name, extents in inputs.items() for axis, extent in enumerate(extents)}
    found: dict[str, int] = {}
    for said, extent in given.items():
        own = said if said in names else places.get(said, said)
        name = own if isinstance(own, str) else said
        if found.setdefault(name, extent) != extent:
            raise InputError(f"the size {name} is given as {found[name]} and, as '{said}', as {extent}")
    return found


def check_size(said: str, name: str, extent: int, sizes: Mapping[str, Accepted]) -> None:
    """Raises ArchspecError, which begins as `said`, where the model has a size of this name and does not take it."""
    if name in sizes and extent != sizes[name].value and extent not in sizes[name]:
        raise InputError(f"{said}; the model takes {list_values(sizes[name])}")


def check_together(extents: Mapping[str, int], sizes: Mapping[str, Accepted]) -> None:
    """Raises ArchspecError where two sizes that depend on each other differ from those that the model was written
    for."""
    moved = [name for name, extent in extents.items() if name in sizes and extent != sizes[name].value]
    for name in moved:
        for other in set(moved) & sizes[name].beside.keys():
            kept = f"{name} is {sizes[name].value} or {other} is {sizes[other].value}"
            raise InputError(
                f"{name} is {extents[name]} and {other} is {extents[other]}; the model takes them where {kept}"
            )


def _read_numbers(name: str, found: object) -> dict[str, int]:
    what = f"the metadata '{KEY}': {name}"
    fixed = not (isinstance(found, dict) and ("first" in found or "step" in found))
    keys = check_keys(found, what, ("value",) if fixed else NUMBERS[:3], () if fixed else (NUMBERS[3], "beside"))
    return {key: check_integer(keys[key], f"{what}: {key}") for key in NUMBERS if key in keys}


def _read_beside(name: str, found: Mapping[str, object], values: Mapping[str, int]) -> dict[str, int]:
    what = f"the metadata '{KEY}': {name}: beside"
    names = found.get("beside", [])
    if not isinstance(names, list) or not all(isinstance(other, str) and other in values for other in names):
        raise ModelError(f"{what} must be a list of other sizes")
    return {other: values[other] for other in names}
