"""The grid of an output: where its positions lie on the image that it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from archspec.errors import ArchspecError
from archspec.wording import write_shape
from runtime.pictures.frame import Coordinates

if TYPE_CHECKING:
    from compiler.graph import Graph

Stride: TypeAlias = int | tuple[int, ...]
"""The number of pixels that positions are apart, along all axes or along each."""

DIVISIBLE_STEPS = 2**6 * 3**3
"""A number of steps that any usual stride divides, so that over so many an output grows without rounding."""


@dataclass(frozen=True, slots=True)
class OutputGrid:
    """The positions of an output on an image: along each axis, position i stands for the pixels offset + i·stride to
    offset + i·stride + stride - 1.

    `stride` is that along each axis, or along all of them where they are equal: a tuple of equal ones becomes one.
    `image` and `extents` are those of the image and of the output, without batch and channels. What the positions leave
    over of the image is shared between both sides, an odd pixel behind; where they reach beyond it, as padded strides
    on an odd image do, so is that, an odd pixel before. Pixel centres have whole numbers.
    """

    image: tuple[int, ...]
    extents: tuple[int, ...]
    stride: Stride = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "stride", join_strides(self.stride))

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride along each axis."""
        return self.stride if isinstance(self.stride, tuple) else (self.stride,) * len(self.extents)

    @property
    def offsets(self) -> tuple[int, ...]:
        """The first pixel of the first position, along each axis; below zero where positions reach beyond the image."""
        rows = zip(self.image, self.extents, self.strides, strict=True)
        return tuple((image - stride * extent) // 2 for image, extent, stride in rows)

    def cut(self) -> tuple[slice, ...]:
        """Find along each axis the pixel in the middle of each position (of an even stride, the one behind the
        middle)."""
        starts = [offset + stride // 2 for offset, stride in zip(self.offsets, self.strides, strict=True)]
        return tuple(
            slice(start, start + stride * (extent - 1) + 1, stride)
            for start, extent, stride in zip(starts, self.extents, self.strides, strict=True)
        )

    def to_pixel(self, position: Coordinates, axis: int) -> Coordinates:
        """The pixel coordinate of an output's position; a position's centre is that of its pixels."""
        return self.offsets[axis] + (position + 0.5) * self.strides[axis] - 0.5

    def from_pixel(self, pixel: Coordinates, axis: int) -> Coordinates:
        """The inverse of `to_pixel`."""
        return (pixel - self.offsets[axis] + 0.5) / self.strides[axis] - 0.5


def place_output(image: Sequence[int], output: Sequence[int], stride: Stride | None = None) -> OutputGrid:
    """Find the grid of an output on an image, both given by their spatial extents.

    Without a stride: whole ratios of the extents are that, unless the output is smaller by the same number of pixels
    along each axis, and not by the same ratio. That, and an output that is smaller in yet another way, is the image's
    centre at stride 1, as valid convolutions leave it. Raises ArchspecError where the output does not fit.
    """
    if len(image) != len(output) or not output:
        raise ArchspecError(
            f"an output of {_times(output)} positions does not lie on an image of {_times(image)} pixels"
        )
    grid = OutputGrid(tuple(image), tuple(output), _find_ratios(image, output) if stride is None else stride)
    if any(step * (extent - 1) >= pixels for pixels, extent, step in zip(image, output, grid.strides, strict=True)):
        apart = f"{write_stride(grid.stride)} pixels apart"
        raise ArchspecError(
            f"an output of {_times(output)} positions, {apart}, is larger than the image, {_times(image)}"
        )
    return grid


def join_strides(stride: Stride) -> Stride:
    """Give one stride for equal ones along all axes, and others as they are."""
    return stride[0] if isinstance(stride, tuple) and len(set(stride)) == 1 else stride


def write_stride(stride: Stride) -> str:
    """Write a stride, as `2` or, along each axis, `1, 2 and 2`."""
    return str(stride) if isinstance(stride, int) else f"{', '.join(map(str, stride[:-1]))} and {stride[-1]}"


def measure_strides(graph: Graph) -> dict[str, Stride]:
    """Measure how many pixels more of the image give one position more of each output with a dynamic extent.

    That tells a stride of two from an output that is a half of its image by accident, as valid convolutions may leave
    it. Outputs whose extents are all fixed, or whose stride is no whole number, are left out, and so are those of which
    some are fixed, unless the others have one stride.
    """
    from compiler.sizes.accepted_sizes import accepted_sizes

    strides: dict[str, list[set[float]]] = {}
    for name, rule in accepted_sizes(graph).items():
        if not rule.dynamic:
            continue
        first, *_, last = rule.sample(rule.first, DIVISIBLE_STEPS + 1)
        growth = last - first
        small, large = (graph.infer({name: size}) for size in (first, last))
        for output, id in graph.outputs.items():
            found = strides.setdefault(output, [set() for _ in small[id].space])
            for axis, (before, after) in enumerate(zip(small[id].space, large[id].space, strict=True)):
                if after > before:
                    found[axis].add(growth / (after - before))
    joined = {name: _join_measured(found) for name, found in strides.items()}
    return {name: stride for name, stride in joined.items() if stride is not None}


def _join_measured(found: Sequence[set[float]]) -> Stride | None:
    """The stride of an output with those that were found along each axis; None where they say none."""
    every = set().union(*found)
    if not every or not all(stride.is_integer() for stride in every):
        return None
    if len(every) == 1:
        return int(min(every))
    return tuple(int(min(along)) for along in found) if all(len(along) == 1 for along in found) else None


def _find_ratios(image: Sequence[int], output: Sequence[int]) -> Stride:
    pairs = list(zip(image, output, strict=True))
    ratios = [divmod(pixels, extent) for pixels, extent in pairs]
    same = len({pixels / extent for pixels, extent in pairs}) == 1
    cut = len({pixels - extent for pixels, extent in pairs}) == 1
    if any(rest or not ratio for ratio, rest in ratios) or (cut and not same):
        return 1
    return tuple(ratio for ratio, _ in ratios)


def _times(extents: Sequence[int]) -> str:
    return write_shape(extents, "no")
