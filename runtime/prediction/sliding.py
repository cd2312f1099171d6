"""A network over a volume that is larger than its input: windows that overlap, blended by a Gaussian, plane by plane.

The windows and their weights are MONAI's (`sliding_window_inference`), as nnU-Net has them, in numpy: a file is run
without torch. What MONAI does not do: an output that is smaller than its window, as valid convolutions leave it, stands
in the window's middle, and what the window sees beyond the volume is its mirror image (Ronneberger et al., 2015, figure
2); and only as many planes lie in memory as a window is deep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float32Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError, ModelError
from archspec.wording import shorten_bytes, write_shape
from runtime.data.volumes.volume import mirror
from runtime.pictures.frame import Frame
from runtime.pictures.resample import find_taps, resample
from runtime.tasks.grid import OutputGrid, write_stride

OVERLAP = 0.5
"""The part of a window that the next one along an axis sees too (nnU-Net's; MONAI's default is 0.25)."""

SIGMA = 0.125
"""The standard deviation of a window's weights, of its extent."""

LEAST_WEIGHT = 1e-3
"""The least weight of a position in a window, of 1 in its middle."""

MAX_SLAB_BYTES = 1 << 32
"""The largest number of bytes of the planes that are blended at a time: classes by a window's depth by the volume's
height and width."""

WindowRun = Callable[[Float32Array], Array]
"""A function of windows (N, C, *window) that gives their outputs (N, K, *extents)."""


@dataclass(frozen=True, slots=True)
class Slide:
    """The windows over a volume of extents `volume`: `grid` is that of an output on one window. `positions` are those
    that all outputs together have along each axis; the first stands for the pixels from -`before` on."""

    volume: tuple[int, ...]
    grid: OutputGrid
    overlap: float = OVERLAP

    def __post_init__(self) -> None:
        if min(self.grid.offsets) < 0:
            apart = f"{write_stride(self.grid.stride)} voxels apart"
            raise ModelError(
                f"an output of {write_shape(self.grid.extents)} positions, {apart}, reaches "
                f"beyond its window of {write_shape(self.grid.image)}: windows need extents that the stride divides"
            )

    @property
    def positions(self) -> tuple[int, ...]:
        """The extents of the blended output."""
        found = zip(self.volume, self.grid.extents, self.grid.strides, strict=True)
        return tuple(max(-(-own // stride), part) for own, part, stride in found)

    @property
    def before(self) -> tuple[int, ...]:
        """The pixels before the volume that the first position stands for, where the volume is smaller than an
        output."""
        found = zip(self.volume, self.grid.extents, self.grid.strides, strict=True)
        return tuple(max(0, stride * part - own) // 2 for own, part, stride in found)

    def list_starts(self) -> list[list[int]]:
        """List along each axis the positions at which outputs begin."""
        starts = []
        for whole, part in zip(self.positions, self.grid.extents, strict=True):
            step = max(1, int(part * (1 - self.overlap)))
            starts.append([*range(0, whole - part, step), whole - part])
        return starts

    def find_pixels(self, start: Sequence[int]) -> tuple[npt.NDArray[np.intp], ...]:
        """Find along each axis the volume's pixels that the window sees whose output begins at `start`; those beyond
        the volume are mirrored at its border."""
        seen = []
        for at, offset, before, window, own, stride in zip(
            start, self.grid.offsets, self.before, self.grid.image, self.volume, self.grid.strides, strict=True
        ):
            first = at * stride - offset - before
            seen.append(mirror(np.arange(first, first + window), own))
        return tuple(seen)

    def to_positions(self, frame: Frame, axis: int) -> npt.NDArray[np.float64]:
        """Find the coordinates of an image's own pixels along an axis among the positions."""
        pixels = frame.from_own(np.arange(frame.own[axis], dtype=np.float64), axis)
        return np.asarray(((pixels + self.before[axis] + 0.5) / self.grid.strides[axis] - 0.5).round(9))


def weigh_window(extents: Sequence[int]) -> Float32Array:
    """Make the weights of an output's positions: a Gaussian around the middle, no less than LEAST_WEIGHT."""
    weights = np.ones((), np.float32)
    for extent in extents:
        places = np.arange(extent, dtype=np.float32) - np.float32((extent - 1) / 2)
        weights = weights[..., None] * np.exp(places**2 / np.float32(-2 * (SIGMA * extent) ** 2))
    return np.maximum(weights, np.float32(max(weights.min(), LEAST_WEIGHT)))


def slide(
    image: Array,
    plan: Slide,
    normalize: Callable[[Array], Float32Array],
    run: WindowRun,
    at_once: int = 1,
    on_step: OnStep = ignore_step,
) -> Iterator[Float32Array]:
    """Give the blended output of a network for an image (C, *volume), in blocks of planes (K, planes, ...) from the
    first on: together (K, *positions).

    `normalize` makes of a window what `run` takes, `at_once` windows at a time. `on_step` hears how many windows are
    done. Raises InputError where the planes of a window are too large for the memory.
    """
    deep, *across = plan.list_starts()
    windows = list(product(*across))
    depth, part = plan.grid.extents[0], plan.grid.extents
    weights, slab = weigh_window(part), None
    sums = np.zeros((depth, *plan.positions[1:]), np.float32)
    for number, first in enumerate(deep):
        for begin in range(0, len(windows), at_once):
            group = windows[begin : begin + at_once]
            found = run(np.stack([normalize(_take(image, plan, (first, *start))) for start in group]))
            slab = _make_slab(found, plan) if slab is None else slab
            for start, output in zip(group, found, strict=True):
                place = tuple(slice(at, at + extent) for at, extent in zip(start, part[1:], strict=True))
                slab[(slice(None), slice(None), *place)] += output * weights
                sums[(slice(None), *place)] += weights
            on_step(number * len(windows) + begin + len(group), len(deep) * len(windows))
        assert slab is not None
        done = (deep[number + 1] if number + 1 < len(deep) else first + depth) - first
        yield slab[:, :done] / sums[:done]
        for kept, axis in ((slab, 1), (sums, 0)):
            _move_up(kept, done, axis)


def decide(
    blocks: Iterator[Float32Array], plan: Slide, frame: Frame, classes: int, dtype: npt.DTypeLike = np.uint8
) -> Array:
    """Find the class of each of the image's own voxels (*own) from the blocks of `slide`, of `classes` channels or one:
    each class's numbers are resampled linearly, and then the first of the largest is taken; one channel's are the
    second class's logits, against 0."""
    taps = []
    for axis, extent in enumerate(plan.positions):
        apart = frame.shown[axis] / frame.own[axis] / plan.grid.strides[axis]
        taps.append(find_taps(plan.to_positions(frame, axis), extent, apart))
    made = np.empty(frame.own, dtype)
    for place, plane in _resample_planes(blocks, taps, frame.own[0]):
        made[place] = plane[..., 0] > 0 if classes == 1 else plane.argmax(-1)
    return made


def _resample_planes(
    blocks: Iterator[Float32Array], taps: Sequence[tuple[Array, Array] | None], count: int
) -> Iterator[tuple[int, Array]]:
    """The numbers of each of `count` own planes, (height, width, K), in order; so many of the output's planes are kept
    as one of them is made of."""
    along, *across = taps
    needed = (
        [(np.array([place]), np.ones(1)) for place in range(count)] if along is None else list(zip(*along, strict=True))
    )
    planes: dict[int, Array] = {}
    arriving = (block[:, number] for block in blocks for number in range(block.shape[1]))
    following = enumerate(np.moveaxis(plane, 0, -1) for plane in arriving)
    for place, (positions, shares) in enumerate(needed):
        used = shares > 0
        while max(positions[used]) not in planes:
            number, plane = next(following)
            planes[number] = resample(plane, across, np.float32)
        for old in [number for number in planes if number < min(positions[used])]:
            del planes[old]
        chosen = zip(positions[used], shares[used], strict=True)
        made: Array = np.zeros_like(planes[max(planes)])
        for position, share in chosen:
            made += np.float32(share) * planes[position]
        yield place, made
    for _ in following:  # so that all windows are told of
        pass


def _take(image: Array, plan: Slide, start: Sequence[int]) -> Array:
    return np.stack([channel[np.ix_(*plan.find_pixels(start))] for channel in image])


def _make_slab(found: Array, plan: Slide) -> Float32Array:
    """Zeros for the planes of a window. Raises ModelError where the outputs are of other extents than planned."""
    if found.shape[2:] != plan.grid.extents:
        planned, given = write_shape(plan.grid.extents), write_shape(found.shape[2:])
        raise ModelError(f"a window gave an output of {given} positions, where {planned} were expected")
    shape = (found.shape[1], plan.grid.extents[0], *plan.positions[1:])
    if 4 * prod(shape) > MAX_SLAB_BYTES:
        raise InputError(
            f"{shape[0]:,} classes of planes of {write_shape(shape[2:])} positions take "
            f"{shorten_bytes(4 * prod(shape))} at a time, more than {shorten_bytes(MAX_SLAB_BYTES)}: cut the volume, "
            "or use windows that are less deep"
        )
    return np.zeros(shape, np.float32)


def _move_up(planes: Array, count: int, axis: int) -> None:
    """Move planes up by `count` along an axis, and clear those behind them."""
    view = np.moveaxis(planes, axis, 0)
    for place in range(len(view) - count):
        view[place] = view[place + count]
    view[len(view) - count :] = 0
