"""The sections of a recipe that speak of images: how they are split, read, prepared and varied."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runtime.recipes.section import Decimal, NonNegative, Number, Part, Positive, Section, Share


class DataSection(Section):
    """How the images of a folder become parts, and how they are prepared.

    `size` are the extents at which the network is trained (None: the spec's own, else what the data have). `fold` is
    `K/N`: part K of N, counted from 1, is held out. `test` and `validation` are shares that are split off by `seed`
    where the data do not say which images these are.

    Of volumes, `size` are the extents of the patches that are cut out of them, `patches` of each in an epoch; `spacing`
    is that of their voxels, (depth, height, width) in the files' unit, to which they are resampled; `window` are the
    values that become 0 and 1: the percentiles 0.5 and 99.5 of the training volumes, those of each volume alone, or two
    numbers.
    """

    test: Share = 0.2
    validation: Share = 0.0
    fold: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}/[1-9][0-9]{0,3}$")] | None = None
    seed: NonNegative = 0
    size: list[Positive] | None = None
    resize: Literal["exact", "shorter", "letterbox", "none"] = "exact"
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    normalize: Literal["measured", "imagenet", "none"] = "measured"
    spacing: list[Annotated[float, Field(gt=0, strict=False)]] | None = None
    window: Literal["measured", "each"] | Annotated[list[Decimal], Field(min_length=2, max_length=2)] = "measured"
    patches: Positive = 1
    skip_bad: bool = False
    cache: Literal["ram", "disk", "off"] = "ram"
    workers: NonNegative = 0


class AugmentSection(Section):
    """How training images are varied, each by a generator of its own. Everything is off unless it is written.

    `flip` mirrors with probability 1/2; `shift`, `pad_crop` are in pixels; `rotate` in degrees; `scale` and `ratio` are
    the ranges of RandomResizedCrop's area and aspect; `brightness` … `hue` are ColorJitter's; `blur`, `noise` and
    `erase` are probabilities; `elastic` is ElasticTransform's alpha, in pixels.
    """

    flip: Literal["none", "horizontal", "vertical", "both", "all"] = "none"
    shift: NonNegative = 0
    pad_crop: NonNegative = 0
    rotate: Annotated[float, Field(ge=0, le=180, strict=False)] = 0.0
    zoom: Annotated[list[Annotated[float, Field(gt=0, strict=False)]], Field(min_length=2, max_length=2)] | None = None
    shear: Annotated[float, Field(ge=0, lt=90, strict=False)] = 0.0
    scale: Annotated[list[Part], Field(min_length=2, max_length=2)] | None = None
    ratio: Annotated[list[Annotated[float, Field(gt=0, strict=False)]], Field(min_length=2, max_length=2)] | None = None
    elastic: Number = 0.0
    brightness: Number = 0.0
    contrast: Number = 0.0
    saturation: Number = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5, strict=False)] = 0.0
    gray: Part = 0.0
    blur: Part = 0.0
    noise: Number = 0.0
    erase: Part = 0.0
    auto: Literal["none", "rand_augment", "trivial_augment"] = "none"
    patch: list[Positive] | None = None
    foreground: Part = 1 / 3
