"""The shapes that a model declares of its outputs, held against those that came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock

from archspec.arrays import Array
from archspec.extras import extra
from archspec.files import as_argument
from archspec.log import warn

with extra("run"):
    from compiler.onnx_file.extents import DeclaredExtents


class ShapeWatch:
    """A watch that says once in the log where outputs of the model in `path` have not the shapes that it declares:
    nobody knows what is whose answer then."""

    def __init__(
        self, path: Path, inputs: Mapping[str, DeclaredExtents | None], outputs: Mapping[str, DeclaredExtents | None]
    ) -> None:
        self.path, self.inputs, self.outputs = path, inputs, outputs
        self._untold = Lock()  # for whichever thread takes it, once
        self._last: list[tuple[int, ...]] = []

    def look_at(self, feed: Mapping[str, Array], found: Mapping[str, Array]) -> None:
        """Look at what came in a run; of runs of one size at the first alone."""
        shapes = [array.shape for array in feed.values()]
        if self._untold.locked() or shapes == self._last:
            return
        self._last = shapes
        lie = next(find_lies(self.inputs, self.outputs.items(), feed, found), None)
        if lie and self._untold.acquire(blocking=False):
            warn(f"{self.path}: {lie}: see archspec verify {as_argument(self.path)}")


def find_lies(
    inputs: Mapping[str, DeclaredExtents | None],
    outputs: Iterable[tuple[str, DeclaredExtents | None]],
    feed: Mapping[str, Array],
    found: Mapping[str, Array],
) -> Iterator[str]:
    """Find the outputs whose shape is not the one declared, and write a sentence for each; None declares none.

    A name is what the first input that has it makes it, else what the first output makes it.
    """
    bound: dict[str, tuple[int, str]] = {}
    for name, extents in inputs.items():
        for extent, there in zip(feed[name].shape, extents or (), strict=False):
            if isinstance(there, str):
                bound.setdefault(there, (extent, f"in the input '{name}'"))
    for name, extents in outputs:
        shape = found[name].shape
        if extents is not None and not _agrees(shape, extents, bound, name):
            fed = ", ".join(f"{there} is {extent} {where}" for there, (extent, where) in bound.items())
            where = f" where {fed}" if fed else ""
            yield f"the output '{name}' is {shape}, declared as {tell_extents(extents)}{where}"


def tell_extents(extents: DeclaredExtents | None) -> str:
    """Write extents: `(N, 3, H, ?)`."""
    if extents is None:
        return "of no declared shape"
    return f"({', '.join('?' if extent is None else str(extent) for extent in extents)}{',' * (len(extents) == 1)})"


def _agrees(shape: tuple[int, ...], extents: DeclaredExtents, bound: dict[str, tuple[int, str]], output: str) -> bool:
    """Tell whether each extent is what is declared; a name that is new is bound to what it is here."""
    if len(shape) != len(extents):
        return False
    for extent, there in zip(shape, extents, strict=True):
        if isinstance(there, str):
            there, _ = bound.setdefault(there, (extent, f"in the output '{output}'"))
        if there is not None and there != extent:
            return False
    return True
