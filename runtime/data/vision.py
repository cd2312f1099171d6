"""What torchvision's transforms v2 do to a picture, and to a map or positions with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from archspec.arrays import Array, Float64Array
from archspec.errors import InputError
from archspec.extras import extra
from runtime.data.moving import move_target
from runtime.data.preparing import scale_levels
from runtime.data.torchvision_import import import_torchvision
from runtime.pictures.frame import Frame
from runtime.pictures.geometry import NOT_ASKED
from runtime.pictures.preprocess import LEVELS, Preprocess
from runtime.recipes.data import AugmentSection
from runtime.tasks.task import Task

with extra("train"):
    import torch
    from torch import Tensor

SIGMA = 5.0
"""The standard deviation, in pixels, by which the random moves of `elastic` are smoothed: torchvision's."""

LEAST_ELASTIC = 21
"""The fewest pixels along a side of an image for `elastic`: half of the window of that smoothing."""

BLUR, BLUR_SIGMA = 9, (0.1, 2.0)
"""The largest number of pixels along a side of the window of `blur`, and the range of its standard deviation."""

ROUNDS = 20
"""The number of rounds by which it is found where an elastic move takes a point; each at least halves the error for
moves that fold nothing over."""

MOVES = ("rotate", "zoom", "shear", "elastic", "scale", "ratio")
"""The keys of a recipe's augmentation that move pixels otherwise than by whole numbers."""

COLOURS = ("brightness", "contrast", "saturation", "hue", "gray", "auto")
"""The keys that speak of colours, which have one channel or three."""

OTHERS = ("blur", "noise", "erase")
"""The keys that change the values of an image with any channels."""

OF_THREE = ("saturation", "hue", "gray")
"""The keys that do nothing to an image of one channel."""

VisionStep: TypeAlias = Callable[[Tensor, Array], tuple[Tensor, Array]]
"""A function of a picture (C, H, W) and what is stored of it."""


def list_vision_keys(section: AugmentSection) -> list[str]:
    """List the keys of a recipe's augmentation that are torchvision's and are not off."""
    off = AugmentSection()
    return [key for key in (*MOVES, *COLOURS, *OTHERS) if getattr(section, key) != getattr(off, key)]


@lru_cache
def find_fill(preprocess: Preprocess, dtype: np.dtype[Any]) -> Array:
    """Find the value of pixels where there is no picture, (C, 1, ...): that of a letterbox, or else black."""
    whole = LEVELS.get(dtype, 1)
    fill = np.zeros(preprocess.channels) if preprocess.fill is None else np.array(preprocess.fill) * whole
    fill = fill[::-1] if preprocess.order == "bgr" else fill
    return (np.rint(fill) if whole > 1 else fill).astype(dtype).reshape(-1, *(1,) * len(preprocess.size))


class Vision:
    """The part of a recipe's augmentation that is torchvision's. It draws from torch's global generator.

    Pictures of eight bits stay so; of others it makes values in float32. Raises InputError where the section asks for
    what cannot be done with such images, and MissingExtra without torchvision.
    """

    def __init__(self, section: AugmentSection, preprocess: Preprocess, task: Task) -> None:
        self.section, self.preprocess, self.task = section, preprocess, task
        self._check()
        self._v2 = import_torchvision("torchvision.transforms.v2")
        self._tv = import_torchvision("torchvision.tv_tensors")
        self._moves, self._colours = self._list_moves(), self._list_colours()

    def __reduce__(self) -> tuple[type[Vision], tuple[AugmentSection, Preprocess, Task]]:
        """Have it made anew in another process, which has to import torchvision in our way."""
        return type(self), (self.section, self.preprocess, self.task)

    def move(self, image: Array, target: Array) -> tuple[Array, Array]:
        """Move the pixels of an image (C, H, W), and what is stored of it with them."""
        values = _as_tensor(image if image.dtype == np.uint8 else scale_levels(image))
        for step in self._moves:
            values, target = step(values, target)
        return values.numpy(), target

    def colour(self, image: Array) -> Array:
        """Change the values of an image (C, H, W) where they are."""
        if not self._colours:
            return image
        values = _as_tensor(image)
        if values.is_floating_point() and any(key in COLOURS for key in list_vision_keys(self.section)):
            low, high = values.min().item(), values.max().item()
            if low < 0 or high > 1:
                raise InputError(
                    f"augment: colours have values from 0 to 1, and an image has some from {low:.4g} to {high:.4g}"
                )
        for change in self._colours:
            values = change(values)
        return values.numpy()

    def _check(self) -> None:
        used, channels = set(list_vision_keys(self.section)), self.preprocess.channels
        for keys, wanted in ((COLOURS, (1, 3)), (OF_THREE, (3,))):
            bad = [key for key in keys if key in used]
            if bad and channels not in wanted:
                words = " or ".join(map(str, wanted))
                raise InputError(f"augment: {bad[0]} is of pictures of {words} channels, and these have {channels}")
        if "auto" in used and self.task.target != "whole":
            raise InputError(
                f"augment: auto: {self.section.auto} is for labels: it moves pixels, and {self.task.asked} stay where "
                "they were; take rotate, zoom, shear, elastic and brightness, contrast, … instead"
            )

    def _list_moves(self) -> list[VisionStep]:
        section, v2 = self.section, self._v2
        steps: list[VisionStep] = []
        if section.rotate or section.zoom or section.shear:
            self._affine = v2.RandomAffine(section.rotate, scale=section.zoom, shear=section.shear or None)
            steps.append(self._move_affinely)
        if section.elastic:
            self._elastic = v2.ElasticTransform(section.elastic, SIGMA)
            steps.append(self._move_elastically)
        if section.scale or section.ratio:
            given = {key: tuple(getattr(section, key)) for key in ("scale", "ratio") if getattr(section, key)}
            self._crop = v2.RandomResizedCrop(self.preprocess.size, **given)
            steps.append(self._crop_and_resize)
        return steps

    def _list_colours(self) -> list[Callable[[Tensor], Tensor]]:
        section, v2 = self.section, self._v2
        changes: list[Callable[[Tensor], Tensor]] = []
        if section.auto != "none":
            kind = {"rand_augment": v2.RandAugment, "trivial_augment": v2.TrivialAugmentWide}[section.auto]
            changes.append(kind(interpolation=v2.InterpolationMode.BILINEAR))
        jitter = [section.brightness, section.contrast, section.saturation, section.hue]
        if any(jitter):
            changes.append(v2.ColorJitter(*jitter))
        if section.gray:
            changes.append(v2.RandomGrayscale(section.gray))
        if section.blur:
            sides = [min(BLUR, 2 * extent - 1) for extent in self.preprocess.size[::-1]]
            changes.append(v2.RandomApply([v2.GaussianBlur(sides, BLUR_SIGMA)], section.blur))
        if section.noise:
            changes.append(self._add_noise)
        if section.erase:
            changes.append(self._erase)
        return changes

    def _move_affinely(self, image: Tensor, target: Array) -> tuple[Tensor, Array]:
        drawn, extents = self._affine.make_params([image]), image.shape[1:]
        functional = self._v2.functional
        mode = self._mode("nearest" if self.preprocess.interpolation == "nearest" else "bilinear")
        moved = functional.affine(image, **drawn, interpolation=mode, fill=self._fill(image))
        if self.task.target == "map":
            target = self._as_map(functional.affine(self._mask(target), **drawn, fill=NOT_ASKED))
        elif self.task.target == "points":
            target = move_by_matrix(target, find_matrix(**drawn, extents=extents))
        return moved, target

    def _move_elastically(self, image: Tensor, target: Array) -> tuple[Tensor, Array]:
        if min(image.shape[1:]) < LEAST_ELASTIC:
            raise InputError(
                f"augment: elastic needs {LEAST_ELASTIC} pixels along each side, and an image has "
                f"{' by '.join(map(str, image.shape[1:]))}"
            )
        moves, functional = self._elastic.make_params([image])["displacement"], self._v2.functional
        mode = self._mode("nearest" if self.preprocess.interpolation == "nearest" else "bilinear")
        moved = functional.elastic(image, moves, interpolation=mode, fill=self._fill(image))
        if self.task.target == "map":
            target = self._as_map(functional.elastic(self._mask(target), moves, fill=NOT_ASKED))
        elif self.task.target == "points":
            target = undo_moves(target, moves[0].numpy() * np.array(image.shape[:0:-1]) / 2)
        return moved, target

    def _crop_and_resize(self, image: Tensor, target: Array) -> tuple[Tensor, Array]:
        drawn = self._crop.make_params([image])
        mode, size = self._mode(self.preprocess.interpolation), list(self.preprocess.size)
        made = self._v2.functional.resized_crop(image, **drawn, size=size, interpolation=mode, antialias=True)
        own, part = tuple(image.shape[1:]), (drawn["height"], drawn["width"])
        # by our own frames: torchvision takes a map's pixel at the corner, and leaves positions at corners of pixels
        for frame in (
            Frame(own, own, part, (-drawn["top"], -drawn["left"])),
            Frame(part, self.preprocess.size, self.preprocess.size),
        ):
            target = move_target(target, self.task, frame)
        return made, target

    def _add_noise(self, image: Tensor) -> Tensor:
        """Add noise; torchvision's own does so to values alone in its older versions, and rounds levels down."""
        noise = self.section.noise * torch.randn(image.shape)
        return (image + 255 * noise).round_().clamp_(0, 255).to(torch.uint8) if _is_levels(image) else image + noise

    def _erase(self, image: Tensor) -> Tensor:
        """Erase to the mean, which is what networks read as 0."""
        mean = np.array(self.preprocess.mean[:: -1 if self.preprocess.order == "bgr" else 1]) / self.preprocess.scale
        whole = 255 if _is_levels(image) else 1
        values = [round(value) if whole > 1 else value for value in (mean * whole).tolist()]
        erased: Tensor = self._v2.RandomErasing(self.section.erase, value=values)(image)
        return erased

    def _mode(self, word: str) -> Any:
        return self._v2.InterpolationMode(word)

    def _fill(self, image: Tensor) -> list[float]:
        filled: list[float] = find_fill(self.preprocess, image.numpy().dtype).ravel().tolist()
        return filled

    def _mask(self, target: Array) -> Any:
        return self._tv.Mask(_as_tensor(target))

    def _as_map(self, mask: Tensor) -> Array:
        return mask.as_subclass(Tensor).numpy()


def _is_levels(image: Tensor) -> bool:
    return image.dtype == torch.uint8


def _as_tensor(array: Array) -> Tensor:
    """The array as a tensor, of a copy where it is one that cannot be written to, as those of a cache."""
    plain = np.ascontiguousarray(array)
    return torch.from_numpy(plain if plain.flags.writeable else plain.copy())


def find_matrix(
    angle: float, translate: tuple[float, float], scale: float, shear: tuple[float, float], extents: tuple[int, ...]
) -> Float64Array:
    """Find the matrix (2, 3) by which torchvision's `affine` moves the points x, y of a picture (height, width), whole
    at a pixel's centre: about its middle, sheared, turned and scaled (RSS), angles in degrees."""
    turn, across, down = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    first, second = math.cos(turn - down) / math.cos(down), math.sin(turn - down) / math.cos(down)
    linear = scale * np.array(
        [
            [first, -first * math.tan(across) - math.sin(turn)],
            [second, -second * math.tan(across) + math.cos(turn)],
        ]
    )
    middle = (np.array(extents[::-1]) - 1) / 2
    return np.concatenate([linear, (middle + translate - linear @ middle)[:, None]], 1)


def move_by_matrix(points: Array, matrix: Float64Array) -> Array:
    """Move positions (J, 2 or more), x before y, by a matrix (2, 3)."""
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return moved


def undo_moves(points: Array, moves: Array) -> Array:
    """Find where positions (J, 2 or more), x before y, come to lie when each pixel (y, x) of a picture shows what lay
    `moves[y, x]` (height, width, 2), x before y, from it: p of p + moves(p) = position."""
    moved = points.astype(np.float64)
    for _ in range(ROUNDS):
        moved[:, :2] = points[:, :2] - sample_moves(moves, moved[:, :2])
    return moved.astype(points.dtype)


def sample_moves(moves: Array, points: Float64Array) -> Float64Array:
    """Interpolate moves (height, width, 2) linearly at points (J, 2), x before y; beyond the borders as on these."""
    most = np.array(moves.shape[1::-1]) - 1
    inside = np.clip(points, 0, most)
    first = np.minimum(np.floor(inside), np.maximum(most - 1, 0)).astype(np.intp)
    second, share = np.minimum(first + 1, most), inside - first
    left, right = 1 - share[:, :1], share[:, :1]
    above = moves[first[:, 1], first[:, 0]] * left + moves[first[:, 1], second[:, 0]] * right
    below = moves[second[:, 1], first[:, 0]] * left + moves[second[:, 1], second[:, 0]] * right
    return np.asarray(above * (1 - share[:, 1:]) + below * share[:, 1:], np.float64)
