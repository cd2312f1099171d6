"""What TensorRT is told of a model: the shapes to build for, its precision, and where to keep what it built."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from archspec.extras import extra
from compiler.onnx_file.accepted import AcceptedSize
from compiler.onnx_file.metadata import PRECISION
from runtime.session.model_file import ModelFile

with extra("run"):
    from compiler.onnx_file.content import read_fingerprint
    from compiler.onnx_file.extents import NamedExtents

SWITCHES = {"fp16": "trt_fp16_enable", "bf16": "trt_bf16_enable", "int8": "trt_int8_enable"}

BATCHES = (1, 8, 128)
"""The least, the usual and the largest batch of an engine whose batch is free."""

MAX_SCALE = 2
"""The most times that a size of an engine may be the one that the model was written for."""


def choose_tensorrt_options(model: ModelFile, fixed: Mapping[str, int], *, keep: bool = True) -> dict[str, str]:
    """Choose the options of the TensorRT provider for a model, where `fixed` says the extents of free axes that are
    known.

    Engines and timings are kept in the user's cache, a folder for each model, never beside it: an engine is code, and a
    file from elsewhere must not bring its own. It has the weights in it, so that neither what a file says that it is
    does nor a content that another was made to have. Nothing is kept of a model that is not what its file holds
    (`keep`).
    """
    options = build_profiles(model.inputs, model.sizes, fixed)
    switch = SWITCHES.get(PRECISION.read(model.metadata) or "")
    if switch:
        options[switch] = "1"
    return options | (_use_cache(read_fingerprint(model.path)) if keep else {})


def build_profiles(
    inputs: Mapping[str, NamedExtents], sizes: Mapping[str, AcceptedSize], fixed: Mapping[str, int]
) -> dict[str, str]:
    """Write the smallest, usual and largest shape of every input that has a free axis, as `name:1x3x224x224,…`; nothing
    where an axis is free and neither `fixed` nor the model's accepted sizes know it, for then TensorRT follows the
    inputs."""
    shapes: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name, extents in inputs.items():
        if all(isinstance(extent, int) for extent in extents):
            continue
        ranges = [_find_range(extent, axis, fixed, sizes) for axis, extent in enumerate(extents)]
        if None in ranges:
            return {}
        for shape, number in zip(shapes, range(3), strict=True):
            shape.append(f"{name}:{'x'.join(str(found[number]) for found in ranges if found)}")
    words = ("min", "opt", "max")
    return {f"trt_profile_{word}_shapes": ",".join(shape) for word, shape in zip(words, shapes, strict=True) if shape}


def _find_range(
    extent: int | str, axis: int, fixed: Mapping[str, int], sizes: Mapping[str, AcceptedSize]
) -> tuple[int, int, int] | None:
    if isinstance(extent, int):
        return extent, extent, extent
    if extent in fixed:
        return fixed[extent], fixed[extent], fixed[extent]
    if extent in sizes:
        return _spread(sizes[extent])
    return BATCHES if axis == 0 else None


def _spread(rule: AcceptedSize) -> tuple[int, int, int]:
    """The smallest, the usual and the largest value."""
    if not rule.dynamic:
        return rule.value, rule.value, rule.value
    largest = rule.value + (MAX_SCALE - 1) * rule.value // rule.step * rule.step
    return rule.first, rule.value, min(largest, rule.last or largest)


def _use_cache(fingerprint: str) -> dict[str, str]:
    """Say where TensorRT keeps its engines: nothing is kept where the user's cache cannot be written."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "archspec" / "tensorrt" / fingerprint
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    kept = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder)}
    return kept | {"trt_timing_cache_enable": "1", "trt_timing_cache_path": str(folder)}
