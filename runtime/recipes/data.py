"""The sections of a recipe that speak of images: how they are split, read, prepared and varied."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from runtime.recipes.section import (
    Count,
    Decimal,
    Magnitude,
    Natural,
    OpenPart,
    Part,
    PositiveDecimal,
    RecipeSection,
    refuse,
    told,
)

Range: TypeAlias = Annotated[list[PositiveDecimal], Field(min_length=2, max_length=2)]
"""The least and the largest of something."""
ImageExtents: TypeAlias = Annotated[list[Count], Field(min_length=1, max_length=3)]


class DataSection(RecipeSection):
    """How the images of a folder become parts, and how they are prepared."""

    test: OpenPart = Field(0.2, description="share that is held out, where the data do not say which images are")
    validation: OpenPart = Field(
        0.0, description="share on which training is judged, where the data do not say which images are"
    )
    fold: Annotated[
        Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}/[1-9][0-9]{0,3}$")] | None,
        told("a part of several as K/N, such as '2/5', or null"),
    ] = Field(None, description="`K/N`: part K of N, counted from 1, is held out instead of a share")
    seed: Natural = Field(0, description="chooses the parts")
    size: ImageExtents | None = Field(
        None, description="extents at which the network is trained, of volumes those of a patch; null: the spec's"
    )
    resize: Literal["exact", "shorter", "letterbox", "none"] = Field("exact", description="how images get that size")
    interpolation: Literal["bilinear", "bicubic", "nearest"] = Field("bilinear", description="how they are resized")
    normalize: Literal["measured", "imagenet", "none"] = Field(
        "measured", description="mean and deviation of channels that become 0 and 1"
    )
    spacing: Annotated[list[PositiveDecimal], Field(min_length=1, max_length=3)] | None = Field(
        None, description="spacing of voxels (depth, height, width) to which volumes are brought, in the files' unit"
    )
    window: Annotated[
        Literal["measured", "each"] | Annotated[list[Decimal], Field(min_length=2, max_length=2)],
        told("`measured`, `each`, or a list of two numbers"),
    ] = Field(
        "measured",
        description="values of volumes that become 0 and 1: two numbers, or the percentiles 0.5 and 99.5 of the "
        "training volumes (`measured`) or of `each` alone",
    )
    patches: Count = Field(1, description="patches of the size `size` that an epoch cuts out of each volume")
    ground: Annotated[
        Annotated[str, Field(pattern=r"^(white|black|#[0-9a-fA-F]{6})$")] | None,
        told("white, black, a colour such as '#204060', or null"),
    ] = Field(None, description="what pictures lie on that are transparent in places; null: these are refused")
    skip_bad: bool = Field(False, description="whether files that cannot be read are left out, and counted")
    cache: Literal["ram", "disk", "off"] = Field("ram", description="where prepared images are kept")
    workers: Natural = Field(0, description="processes that load images beside the one that trains")

    @model_validator(mode="after")
    def _check_parts(self) -> DataSection:
        problems = []
        if self.fold is not None:
            part, parts = map(int, self.fold.split("/"))
            if part > parts or parts < 2:
                problems.append(("fold", f"has `fold: {self.fold}`: in K/N, K is from 1 to N, and N from 2 on"))
        if isinstance(self.window, list) and self.window[0] >= self.window[1]:
            low, high = self.window
            problems.append(("window", f"has `window: [{low:g}, {high:g}]`: write the least first"))
        if self.test + self.validation >= 1:
            ends = f"{self.test:g} as `test` and {self.validation:g} as `validation`"
            problems.append(("validation", f"holds out {ends}: nothing is left to train on"))
        refuse(problems)
        return self


class AugmentSection(RecipeSection):
    """How training images are varied, each by a generator of its own. Everything but `foreground` is off unless it is
    written."""

    flip: Literal["none", "horizontal", "vertical", "both", "all"] = Field(
        "none",
        description="axes along which images are mirrored, each with probability 1/2; `all` is for volumes, whose "
        "depth is one too",
    )
    shift: Natural = Field(0, description="largest move along each axis, in pixels")
    pad_crop: Natural = Field(0, description="border that is added before a crop of the old size, in pixels")
    rotate: Annotated[float, Field(ge=0, le=180)] = Field(0.0, description="largest turn, in degrees")
    zoom: Range | None = Field(None, description="least and largest factor of the size")
    shear: Annotated[float, Field(ge=0, lt=90)] = Field(0.0, description="largest shear, in degrees")
    scale: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2, max_length=2)] | None = Field(
        None, description="least and largest share of the area that RandomResizedCrop keeps"
    )
    ratio: Range | None = Field(None, description="least and largest aspect of RandomResizedCrop; null: 3/4 to 4/3")
    elastic: Magnitude = Field(0.0, description="alpha of ElasticTransform; pixels move by a 60th of it (deviation)")
    brightness: Magnitude = Field(0.0, description="ColorJitter's brightness")
    contrast: Magnitude = Field(0.0, description="ColorJitter's contrast")
    saturation: Magnitude = Field(0.0, description="ColorJitter's saturation")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(0.0, description="ColorJitter's hue")
    gray: Part = Field(0.0, description="probability of no colours")
    blur: Part = Field(0.0, description="probability of a Gaussian blur")
    noise: Magnitude = Field(0.0, description="deviation of Gaussian noise, of values in [0, 1]")
    erase: Part = Field(0.0, description="probability of RandomErasing")
    auto: Literal["none", "rand_augment", "trivial_augment"] = Field(
        "none", description="torchvision's policy; for labels"
    )
    foreground: Part = Field(1 / 3, description="share of a volume's patches whose middle is not background")

    @model_validator(mode="after")
    def _check_ranges(self) -> AugmentSection:
        ranges = {name: getattr(self, name) for name in ("zoom", "scale", "ratio")}
        problems = [
            (name, f"has `{name}: [{ends[0]:g}, {ends[1]:g}]`: write the least first")
            for name, ends in ranges.items()
            if ends is not None and ends[0] > ends[1]
        ]
        if self.ratio is not None and self.scale is None:
            problems.append(("ratio", "has `ratio`, which is RandomResizedCrop's: write its `scale` too"))
        refuse(problems)
        return self
