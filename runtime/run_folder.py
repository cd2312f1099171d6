"""What a training run leaves behind: weights with their metadata, and the metrics as they came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.files import check_is_file, write_whole
from runtime.extras import extra
from runtime.strict_json import read_json

with extra("train"):
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import save

SPEC = "spec.yaml"
WEIGHTS = "weights.safetensors"
MODEL = "model.onnx"
METRICS = "metrics.jsonl"
PICTURE = "predictions.png"
SAMPLES = "samples"

CLASSES = "archspec.classes"
PREPROCESS = "archspec.preprocess"
DATA = "archspec.data"
TASK = "archspec.task"
STRIDE = "archspec.stride"

CARRIED = (CLASSES, PREPROCESS, TASK, STRIDE)
"""What a model takes over from its weights: what it is asked, the names of what it answers, how it reads a picture, and
how many pixels the positions of its last output are apart."""

Array = npt.NDArray[Any]


def save_weights(path: str | Path, state: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays or CPU tensors by name, and strings by name into the header; the file appears whole or not at all.

    Raises ArchspecError where a weight is not finite, or the file cannot be written.
    """
    arrays = {name: np.asarray(value, order="C") for name, value in state.items()}
    for name, array in arrays.items():
        _check_finite(path, name, array)
    header, body = _order_header(save(arrays, metadata=dict(metadata)))
    with write_whole(path) as temporary, temporary.open("wb") as file:
        file.write(header)
        file.write(body)


def load_weights(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays by name, in the file's order of names, and the header's strings.

    Raises ArchspecError where the file is missing, cut off, of another kind, or holds infinite numbers or NaN.
    """
    check_is_file(path)
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = dict(sorted((file.metadata() or {}).items()))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        raise ArchspecError(f"{path} is not a safetensors file of weights, or it is cut off: {error}") from error
    _check_header(Path(path))
    for name, array in arrays.items():
        _check_finite(path, name, array)
    return arrays, metadata


class MetricsWriter:
    """A file of one JSON object per line, each readable as soon as it is written; an older file is replaced.

    Used as a context manager: `with MetricsWriter(path) as metrics: metrics.write(epoch.to_dict())`.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "w", encoding="utf-8", newline="\n", buffering=1)  # noqa: SIM115
        except OSError as error:
            raise ArchspecError(f"cannot write {path}: {error.strerror or error}") from error

    def write(self, values: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(values, allow_nan=False) + "\n")

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The objects of a metrics file, in order; ArchspecError names a line that is none."""
    check_is_file(path)
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ArchspecError(f"{path} is not UTF-8 text") from error
    return [read_json(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _check_finite(path: str | Path, name: str, array: Array) -> None:
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        raise ArchspecError(f"{path}: the weight '{name}' holds infinite numbers or NaN")


def _order_header(data: bytes) -> tuple[bytes, memoryview]:
    """safetensors writes the metadata in an order that changes from run to run; equal weights must give equal bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    found = json.loads(data[8:end])
    found["__metadata__"] = dict(sorted(found.get("__metadata__", {}).items()))
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, memoryview(data)[end:]


def _check_header(path: Path) -> None:
    """safetensors checks everything but this: a name that stands twice, of which different readers take another one."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        read_json(file.read(length), f"the header of {path}")
