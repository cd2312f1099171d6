"""Preprocessing that a user wrote down, in YAML or JSON, or that timm did, in the `config.json` beside its weights."""

from __future__ import annotations

import re
from math import floor
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, Diagnostic, Place, SpecError
from archspec.spec.marked import Table, place_in
from archspec.spec.text import Language, read_sound_file
from runtime.pictures.preprocess import SIDES, Preprocess

PAGE = Language("file of preprocessing")

TIMM = "pretrained_cfg"
"""The key of timm's file below which it says how pictures are prepared."""

SHARE = 0.875
"""The part of a resized picture that timm sees where nothing is said."""


def read_preprocess_file(path: str | Path) -> Preprocess:
    """Read preprocessing from a file: the keys of `Preprocess.to_json`, in YAML or JSON, or timm's `config.json`.

    Raises SpecError, with the place of what is wrong.
    """
    name = str(path)
    data = read_sound_file(Path(path), name, PAGE).data
    of_timm = isinstance(data, Table) and isinstance(data.get(TIMM), Table)
    data = data[TIMM] if of_timm else data
    start = data.at if isinstance(data, Table) else Place(name, 1)
    try:
        return Preprocess.from_dict(_translate(data) if of_timm else data)
    except ArchspecError as error:
        raise SpecError([Diagnostic("bad-preprocessing", str(error), _find_place(data, str(error), start))]) from error


def _translate(said: Table) -> dict[str, Any]:
    """Translate what timm says: it resizes to more than the network sees, and cuts out the middle."""
    size, share, mode = said.get("input_size"), said.get("crop_pct", SHARE), said.get("crop_mode", "center")
    if not isinstance(size, list) or len(size) != 3 or not all(isinstance(extent, int) for extent in size):
        raise ArchspecError("preprocessing: 'input_size' must be three integers: channels, height, width")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ArchspecError("preprocessing: 'crop_pct' must be a number above 0, up to 1")
    if mode not in ("center", "squash") or size[1] != size[2]:
        raise ArchspecError("preprocessing: 'crop_mode' must be center or squash, of a square, to be said in our words")
    channels, *extents = size
    resized = floor(max(extents) / share)
    made: dict[str, Any] = {"channels": channels, "size": extents}
    made |= {name: said[name] for name in ("mean", "std") if name in said}
    made |= {"interpolation": said.get("interpolation") or "bicubic"}
    if mode == "center":
        return made | {"resize": "shorter", "resize_to": resized}
    return made if resized == max(extents) else made | {"resize_to": resized}


def _find_place(data: Any, message: str, start: Place) -> Place:
    """The place of the first key that a message names, or of all there is."""
    if not isinstance(data, Table):
        return start
    named = ["size" if key in SIDES and key not in data else key for key in re.findall("'([^']+)'", message)]
    keys = [key for key in named if key in data]
    return place_in(data, (keys[0],), start, key="unknown key" in message) if keys else start
