"""Files of public data sets in their formats, with images at random, and the real ones where they are."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from runtime.data.known import find_known
from tests.support.folders import draw_pixels

needs_fashion_mnist = pytest.mark.skipif(
    find_known("fashion_mnist") is None, reason="Fashion-MNIST is not here (apt-get install dataset-fashion-mnist)"
)


def write_idx(path: Path, values: np.ndarray, *, packed: bool = False) -> Path:
    """Bytes with a header of IDX, by struct."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def write_mnist(folder: Path, counts: tuple[int, int] = (20, 10), *, packed: bool = False) -> dict[str, np.ndarray]:
    """The four files of a small MNIST, with images of 6×5; what is in them, by their names."""
    written = {}
    for seed, (part, count) in enumerate(zip(("train", "t10k"), counts, strict=True)):
        written[f"{part}-images-idx3-ubyte"] = draw_pixels((count, 6, 5), seed)
        written[f"{part}-labels-idx1-ubyte"] = (np.arange(count) % 10).astype(np.uint8)
    for name, values in written.items():
        write_idx(folder / (f"{name}.gz" if packed else name), values, packed=packed)
    return written


def write_cifar(folder: Path, records: int = 3, *, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The binary files of a small CIFAR: images (N, 3, 32, 32) and labels, those of the test file last."""
    files = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    files = files if classes == 10 else ["train.bin", "test.bin"]
    images = draw_pixels((len(files) * records, 3, 32, 32))
    labels = np.random.default_rng(1).integers(0, classes, len(images)).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(files):
        rows = b""
        for index in range(number * records, (number + 1) * records):
            coarse = b"" if classes == 10 else b"\x07"
            rows += coarse + bytes([labels[index]]) + images[index].tobytes()
        (folder / name).write_bytes(rows)
    return images, labels
