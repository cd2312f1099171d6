"""Data sets that lie inside installed packages: nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError, suggest
from runtime.extras import extra
from runtime.preprocess import Preprocess

with extra("train"):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

SPLIT_SEED = 0
TEST_FRACTION = 0.2


@dataclass(frozen=True, eq=False)
class Split:
    """Images (N, C, H, W) in float32, normalized, and their labels (N,) in int64."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images in a training part and a held-out part, and how they were normalized."""

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    preprocess: Preprocess


def load_data(name: str) -> Dataset:
    """The data set of that name; ArchspecError lists what is available where there is none."""
    if name not in DATASETS:
        raise ArchspecError(f"no data set '{name}'{suggest(name, DATASETS)} (available: {', '.join(DATASETS)})")
    return DATASETS[name]()


def _load_digits() -> Dataset:
    """1,797 handwritten digits of 8×8 pixels in 17 shades (UCI, inside scikit-learn): 1,437 to train, 360 held out."""
    digits = load_digits()
    values = digits.images[:, None] / 16
    labels = digits.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_FRACTION, stratify=labels, random_state=SPLIT_SEED
    )
    preprocess = _measure(values[train])
    images = preprocess.normalize(values)
    return Dataset(
        name="digits",
        train=Split(images[train], labels[train]),
        test=Split(images[test], labels[test]),
        classes=tuple(map(str, digits.target_names)),
        preprocess=preprocess,
    )


def _measure(values: npt.NDArray[np.float64]) -> Preprocess:
    """Mean and std of the training images alone, to six digits, so that every machine writes the same ones."""
    _, channels, height, width = values.shape
    mean, std = values.mean(axis=(0, 2, 3)), values.std(axis=(0, 2, 3))
    return Preprocess(
        channels, height, width, tuple(round(float(m), 6) for m in mean), tuple(round(float(s), 6) for s in std)
    )


DATASETS: Mapping[str, Callable[[], Dataset]] = MappingProxyType({"digits": _load_digits})
