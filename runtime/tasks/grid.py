"""The grid of an output: where its positions lie on the image that it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archspec.errors import ArchspecError
from archspec.wording import write_shape
from runtime.pictures.frame import Coordinates

if TYPE_CHECKING:
    from compiler.graph import Graph

DIVISIBLE_STEPS = 2**6 * 3**3
"""A number of steps that any usual stride divides, so that over so many an output grows without rounding."""


@dataclass(frozen=True, slots=True)
class OutputGrid:
    """The positions of an output on an image: along each axis, position i stands for the pixels offset + i·stride to
    offset + i·stride + stride - 1.

    `image` and `extents` are those of the image and of the output, without batch and channels. What the positions leave
    over of the image is shared between both sides, an odd pixel behind; where they reach beyond it, as padded strides
    on an odd image do, so is that, an odd pixel before. Pixel centres have whole numbers.
    """

    image: tuple[int, ...]
    extents: tuple[int, ...]
    stride: int = 1

    @property
    def offsets(self) -> tuple[int, ...]:
        """The first pixel of the first position, along each axis; below zero where positions reach beyond the image."""
        return tuple(
            (image - self.stride * extent) // 2 for image, extent in zip(self.image, self.extents, strict=True)
        )

    def cut(self) -> tuple[slice, ...]:
        """Find along each axis the pixel in the middle of each position (of an even stride, the one behind the
        middle)."""
        middle = self.stride // 2
        starts = [offset + middle for offset in self.offsets]
        return tuple(
            slice(start, start + self.stride * (extent - 1) + 1, self.stride)
            for start, extent in zip(starts, self.extents, strict=True)
        )

    def to_pixel(self, position: Coordinates, axis: int) -> Coordinates:
        """The pixel coordinate of an output's position; a position's centre is that of its pixels."""
        return self.offsets[axis] + (position + 0.5) * self.stride - 0.5

    def from_pixel(self, pixel: Coordinates, axis: int) -> Coordinates:
        """The inverse of `to_pixel`."""
        return (pixel - self.offsets[axis] + 0.5) / self.stride - 0.5


def place_output(image: Sequence[int], output: Sequence[int], stride: int | None = None) -> OutputGrid:
    """Find the grid of an output on an image, both given by their spatial extents.

    Without a stride: a whole ratio of the extents, the same along each axis, is one; an output that is smaller in
    another way is the image's centre at stride 1, as valid convolutions leave it. Raises ArchspecError where the output
    does not fit.
    """
    if len(image) != len(output) or not output:
        raise ArchspecError(
            f"an output of {_times(output)} positions does not lie on an image of {_times(image)} pixels"
        )
    if stride is None:
        stride = _find_ratio(image, output) or 1
    if any(stride * (extent - 1) >= pixels for pixels, extent in zip(image, output, strict=True)):
        raise ArchspecError(
            f"an output of {_times(output)} positions, {stride} pixels apart, is larger than the image, {_times(image)}"
        )
    return OutputGrid(tuple(image), tuple(output), stride)


def measure_strides(graph: Graph) -> dict[str, int]:
    """Measure how many pixels more of the image give one position more of each output with a dynamic extent.

    That tells a stride of two from an output that is a half of its image by accident, as valid convolutions may leave
    it. Outputs whose extents are fixed, or whose stride is no whole number, are left out.
    """
    from compiler.sizes.accepted_sizes import accepted_sizes

    strides: dict[str, set[float]] = {}
    for name, rule in accepted_sizes(graph).items():
        if not rule.dynamic:
            continue
        first, *_, last = rule.sample(rule.first, DIVISIBLE_STEPS + 1)
        growth = last - first
        small, large = (graph.infer({name: size}) for size in (first, last))
        for output, id in graph.outputs.items():
            for before, after in zip(small[id].space, large[id].space, strict=True):
                if after > before:
                    strides.setdefault(output, set()).add(growth / (after - before))
    return {name: int(min(found)) for name, found in strides.items() if len(found) == 1 and min(found).is_integer()}


def _find_ratio(image: Sequence[int], output: Sequence[int]) -> int | None:
    ratios = {divmod(pixels, extent) for pixels, extent in zip(image, output, strict=True)}
    if len(ratios) != 1:
        return None
    ratio, rest = ratios.pop()
    return ratio if ratio and not rest else None


def _times(extents: Sequence[int]) -> str:
    return write_shape(extents, "no")
