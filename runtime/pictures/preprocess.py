"""What becomes of a picture or a volume before a network reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from math import prod
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float32Array, Float64Array
from archspec.errors import ArchspecError, ModelError, raising, suggest, tell_value
from archspec.strict_json import check_integer, check_keys, check_number, read_json
from archspec.wording import write_shape

Resize = Literal["exact", "shorter", "letterbox", "none"]
Interpolation = Literal["bilinear", "bicubic", "nearest"]
ColourOrder = Literal["rgb", "bgr"]
Scale = Literal[1, 255]

MAX_EXTENT = 1 << 15
"""The largest number of pixels along a side of a picture, and of what is measured along it."""

MAX_NUMBERS = 1 << 26
"""The largest number of values in an input, 256 MiB: a file may say any extents, and their product takes memory."""

MAX_AXES = 3
"""The largest number of axes of an image, channels not counted."""

SIDES = ("height", "width")
"""The keys of the extents of a picture; those of another number of axes stand under `size`."""

LEVELS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""The level that is white, by the type of an image in levels."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """The way in which an image becomes a network's input, of `channels` and the extents `size`: one to three, as
    (height, width) or (depth, height, width).

    `resize` says how it comes to that size, with `interpolation` (antialiased):

    - `exact`: each axis to its extent, whatever becomes of the aspect ratio; or each to `resize_to`, and of that the
      centre;
    - `shorter`: its shorter side to `resize_to` (by default the largest extent), and of that the centre;
    - `letterbox`: as large as fits, in the middle; around it is `fill`, for each channel a value in [0, 1], in the
      network's order (by default the mean);
    - `none`: not at all. A network that takes no other extents than `size` sees the centre.

    `window` is of volumes, whose values have no white: for each channel the least and the largest value, which become 0
    and 1; what lies beyond is cut. `each`: those of each volume alone, its percentiles 0.5 and 99.5.

    After that, values in [0, `scale`], with the colours in `order`, become (value - mean) / std; mean and std are those
    of the network's channels. `spacing`, in millimetres, is that of a volume's voxels along each axis, to which it is
    resampled first.

    Raises ArchspecError where these do not go together: an extent or a std that is not positive, as many means or stds
    as there are no channels, numbers too many for the memory or too large for float32, or a field that the way of
    resizing does not read.

    >>> preprocess = archspec.Preprocess(1, (8, 8), (0.5,), (0.25,))
    >>> float(preprocess.normalize([[[1.0]]])[0, 0, 0])
    2.0
    """

    channels: int
    size: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    _: KW_ONLY
    resize: Resize = "exact"
    resize_to: int | None = None
    fill: tuple[float, ...] | None = None
    interpolation: Interpolation = "bilinear"
    order: ColourOrder = "rgb"
    scale: Scale = 1
    spacing: tuple[float, ...] | None = None
    window: tuple[tuple[float, float], ...] | Literal["each"] | None = None

    def __post_init__(self) -> None:
        check_integer(self.channels, _name("channels"), most=MAX_EXTENT)
        self._check_size()
        for name in ("mean", "std"):
            self._set_numbers(name, self.channels)
        self._check_words()
        self._check_resize()
        self._check_window()
        if min(self.std) <= 0:
            raise ArchspecError(f"{_name('std')} must be positive, found {min(self.std)}")
        largest = max((self.scale + abs(mean)) / std for mean, std in zip(self.mean, self.std, strict=True))
        if not largest < float(np.finfo(np.float32).max):
            raise ArchspecError("preprocessing: 'mean' and 'std' make numbers that float32 cannot hold")

    @property
    def shape(self) -> tuple[int, ...]:
        """The channels, and the extents behind them."""
        return self.channels, *self.size

    @property
    def slides(self) -> bool:
        """True if the images are volumes of any extents, of which the network sees windows of `size`."""
        return len(self.size) == 3 and self.window is not None

    @property
    def height(self) -> int:
        """The extent of the last axis but one."""
        return self.size[-2]

    @property
    def width(self) -> int:
        """The extent of the last axis."""
        return self.size[-1]

    def normalize(self, values: npt.ArrayLike) -> Float32Array:
        """Make of an image, (..., C, *extents), what the network reads, in float32: its colours in the network's
        order, and of each value (scale · value - mean) / std. Levels (uint8, uint16) are shares of 255 and of 65,535;
        other values lie in [0, 1]."""
        array = np.asarray(values)
        if array.dtype == np.uint8:
            return self._look_up(array)
        whole = LEVELS.get(array.dtype, 1)
        ordered = self._order(np.asarray(array, np.float64)) / whole * self.scale
        return ((ordered - self._column(self.mean)) / self._column(self.std)).astype(np.float32)

    def find_bounds(self) -> tuple[Float32Array, Float32Array]:
        """Find the least and the largest number that each channel of a picture can have, (C) and (C)."""
        ones = (1,) * len(self.size)
        darkest, brightest = (self.normalize(np.full((self.channels, *ones), end)).ravel() for end in (0.0, 1.0))
        return darkest, brightest

    def restore(self, images: npt.ArrayLike) -> Float32Array:
        """The inverse of `normalize`, for showing what the network saw: values in [0, 1], and red first."""
        with np.errstate(over="ignore"):
            values = np.asarray(images, dtype=np.float64) * self._column(self.std) + self._column(self.mean)
            return self._order(values / self.scale).astype(np.float32)

    def to_json(self) -> str:
        """Write the text that `from_json` reads: the extents, means and stds, and what else is not the default."""
        said: dict[str, Any] = {"channels": self.channels}
        said |= dict(zip(SIDES, self.size, strict=True)) if len(self.size) == 2 else {"size": self.size}
        others = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("channels", "size")
        }
        defaults = {field.name: field.default for field in fields(self)}
        return json.dumps(said | {name: value for name, value in others.items() if value != defaults[name]})

    @classmethod
    @raising(ModelError)
    def from_json(cls, text: str) -> Preprocess:
        """Read a file's metadata. Raises ModelError for anything but its keys with finite values of the right kind and
        number."""
        return cls.from_dict(read_json(text, "preprocessing"))

    @classmethod
    def from_dict(cls, found: object) -> Preprocess:
        """Make it of what a file says, with the extents under `size`, or `height` and `width`. Raises ArchspecError as
        `from_json` does."""
        sides = ("size",) if isinstance(found, dict) and "size" in found else SIDES
        optional = [field.name for field in fields(cls) if field.kw_only]
        given = dict(check_keys(found, "preprocessing", ["channels", *sides, "mean", "std"], optional))
        for name in {"size", "mean", "std", "fill", "spacing"} & given.keys():
            if not isinstance(given[name], list):
                raise ArchspecError(f"{_name(name)} must be a list of numbers")
            given[name] = tuple(given[name])
        if isinstance(given.get("window"), list):
            given["window"] = tuple(tuple(pair) if isinstance(pair, list) else pair for pair in given["window"])
        if sides == SIDES:
            given["size"] = tuple(check_integer(given.pop(side), _name(side), most=MAX_EXTENT) for side in SIDES)
        return cls(**given)

    def _check_size(self) -> None:
        if not 1 <= len(self.size) <= MAX_AXES:
            raise ArchspecError(f"{_name('size')} needs one to {MAX_AXES} extents, found {len(self.size)}")
        names = SIDES if len(self.size) == 2 else ("size",) * len(self.size)
        size = tuple(
            check_integer(extent, _name(name), most=MAX_EXTENT) for extent, name in zip(self.size, names, strict=True)
        )
        object.__setattr__(self, "size", size)
        if self.channels * prod(size) > MAX_NUMBERS:
            extents = write_shape(self.shape)
            raise ArchspecError(f"preprocessing: an input of {extents} has more than {MAX_NUMBERS:,} numbers")

    def _set_numbers(self, name: str, count: int) -> None:
        """Take the values of a field as floats, one for each of `count`."""
        values = getattr(self, name)
        if len(values) != count:
            raise ArchspecError(f"{_name(name)} needs {count} values, found {len(values)}")
        object.__setattr__(self, name, tuple(check_number(item, _name(name)) for item in values))

    def _check_words(self) -> None:
        for name, words in (("resize", Resize), ("interpolation", Interpolation), ("order", ColourOrder)):
            found, known = getattr(self, name), get_args(words)
            if not isinstance(found, str):
                raise ArchspecError(f"{_name(name)} must be one of {', '.join(known)}, found {tell_value(found)}")
            if found not in known:
                raise ArchspecError(f"{_name(name)} is no '{found}'{suggest(found, known)} (known: {', '.join(known)})")
        if isinstance(self.scale, bool) or self.scale not in get_args(Scale):
            raise ArchspecError(f"{_name('scale')} must be 1 or 255, found {tell_value(self.scale)}")
        if self.order == "bgr" and self.channels != 3:
            raise ArchspecError(f"{_name('order')} is of three channels, and there are {self.channels}")

    def _check_resize(self) -> None:
        """Check what only some ways of resizing read, and take the defaults of those."""
        every = {"resize_to": ("shorter", "exact"), "fill": ("letterbox",), "spacing": ("none",)}
        for name, ways in every.items():
            if getattr(self, name) is not None and self.resize not in ways:
                readers = " or ".join(f'"{way}"' for way in ways)
                raise ArchspecError(f'{_name(name)} is read by "resize": {readers} alone, found "{self.resize}"')
        if self.resize == "shorter" and self.resize_to is None:
            object.__setattr__(self, "resize_to", max(self.size))
        if self.resize_to is not None:
            side = check_integer(self.resize_to, _name("resize_to"), most=MAX_EXTENT)
            if side < max(self.size):
                raise ArchspecError(f"{_name('resize_to')} is {side}, less than the {max(self.size)} that are cut out")
        if self.resize == "letterbox":
            if self.fill is None:
                object.__setattr__(self, "fill", tuple(min(max(mean / self.scale, 0), 1) for mean in self.mean))
            self._set_numbers("fill", self.channels)
            if not all(0 <= value <= 1 for value in self.fill or ()):
                raise ArchspecError(f"{_name('fill')} must lie in [0, 1], found {self.fill}")
        if self.spacing is not None:
            self._set_numbers("spacing", len(self.size))
            if min(self.spacing) <= 0:
                raise ArchspecError(f"{_name('spacing')} must be positive, found {min(self.spacing)}")

    def _check_window(self) -> None:
        if self.window is None or self.window == "each":
            return
        what = (
            f"{_name('window')} must be 'each', or for each of {self.channels} channels the least and the largest value"
        )
        pairs: Any = self.window if type(self.window) is tuple else ()
        found: list[Any] = [pair for pair in pairs if isinstance(pair, tuple) and len(pair) == 2]
        if len(found) != self.channels or len(found) != len(pairs):
            raise ArchspecError(f"{what}, found {tell_value(self.window)}")
        checked = tuple(
            (check_number(low, _name("window")), check_number(high, _name("window"))) for low, high in found
        )
        if not all(0 < high - low < float(np.finfo(np.float32).max) for low, high in checked):
            raise ArchspecError(f"{what}, the least first, found {checked}")
        object.__setattr__(self, "window", checked)

    def _order(self, values: Array) -> Array:
        """Give the channels in the network's order, or from that back."""
        return np.flip(values, -1 - len(self.size)) if self.order == "bgr" else values

    def _look_up(self, levels: Array) -> Float32Array:
        """Find what `normalize` makes of levels of 255 in a table of each channel's 256."""
        every = (np.arange(256) / 255 * self.scale - np.array(self.mean)[:, None]) / np.array(self.std)[:, None]
        table, channels = every.astype(np.float32), self._column(range(self.channels)).astype(np.intp)
        return np.asarray(table[channels, self._order(levels)])

    def _column(self, values: Sequence[float]) -> Float64Array:
        return np.asarray(values, dtype=np.float64).reshape(-1, *(1,) * len(self.size))


def _name(field: str) -> str:
    return f"preprocessing: '{field}'"
