"""Data sets that lie inside installed packages, or are made of them: nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError, suggest
from archspec.extras import extra
from runtime.data.canvases import Lay, lay_maps, lay_points
from runtime.pictures.preprocess import Preprocess
from runtime.training.run import DATA, PREPROCESS

with extra("train"):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

SPLIT_SEED = 0
TEST_FRACTION = 0.2
TRAIN_CANVASES, TEST_CANVASES = 480, 120


@dataclass(frozen=True, eq=False)
class Split:
    """Images (N, C, H, W) in float32, normalized, and what is asked of them.

    Labels are, by task: classes (N,) in int64; maps of classes (N, H, W) in int64, with 255 where no class is asked;
    positions of joints (N, J, 2) in float32, x and y in pixels (whole at a pixel's centre), NaN where there is none.
    """

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images in a training part and a held-out part, and how they were normalized.

    `task` is a name in `runtime.tasks.task`; `classes` are the names of its classes, or of its joints.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    preprocess: Preprocess
    task: str = "labels"


def load_data(name: str) -> Dataset:
    """The data set of that name; ArchspecError lists what is available where there is none."""
    if name not in DATASETS:
        raise ArchspecError(f"no data set '{name}'{suggest(name, DATASETS)} (available: {', '.join(DATASETS)})")
    return DATASETS[name]()


def load_data_of(metadata: Mapping[str, str], path: Path) -> Dataset:
    """The data set that weights were trained on, by the metadata of their file. Raises ArchspecError where it does not
    say, or says that the images were prepared otherwise."""
    for key in (DATA, PREPROCESS):
        if key not in metadata:
            raise ArchspecError(f"{path} does not say '{key}': `archspec train` did not write it")
    data = load_data(metadata[DATA])
    if Preprocess.from_json(metadata[PREPROCESS]) != data.preprocess:
        raise ArchspecError(f"{path} was trained on other {data.name}: the preprocessing is not the same")
    return data


def _load_digits() -> Dataset:
    """1,797 handwritten digits of 8×8 pixels in 17 shades (UCI, inside scikit-learn): 1,437 to train, 360 held out."""
    digits = load_digits()
    values = digits.images[:, None] / 16
    labels = digits.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_FRACTION, stratify=labels, random_state=SPLIT_SEED
    )
    preprocess = measure_preprocess(values[train])
    images = preprocess.normalize(values)
    return Dataset(
        name="digits",
        train=Split(images[train], labels[train]),
        test=Split(images[test], labels[test]),
        classes=tuple(map(str, digits.target_names)),
        preprocess=preprocess,
    )


def _load_digit_maps() -> Dataset:
    """600 canvases of 32×32 pixels with three to five digits on each, 480 of them to train; the class of each pixel.

    A pixel is the digit's whose stroke it is. The faint ones around a stroke, below a quarter of full ink, are not
    asked: in 17 shades nobody knows where a stroke ends.
    """
    return _lay_out("digit_maps", "maps", ("background", *map(str, range(10))), lay_maps)


def _load_digit_points() -> Dataset:
    """600 colour canvases of 64×64 pixels with a zero, a one and a two on each, twice as large as they were, 480 of
    them to train; the centre of mass of each digit's ink is a joint."""
    return _lay_out("digit_points", "joints", ("zero", "one", "two"), lay_points)


def _lay_out(name: str, task: str, classes: tuple[str, ...], lay: Lay) -> Dataset:
    """A data set of canvases; those held out are made of digits that are held out."""
    digits = _load_digits()
    parts = []
    for part, count, seed in ((digits.train, TRAIN_CANVASES, 1), (digits.test, TEST_CANVASES, 2)):
        ink = digits.preprocess.restore(part.images)[:, 0]
        parts.append(lay(np.rint(16 * ink) / 16, part.labels, count, np.random.default_rng(seed)))
    preprocess = measure_preprocess(parts[0][0])
    train, test = (Split(preprocess.normalize(values), labels) for values, labels in parts)
    return Dataset(name, train, test, classes, preprocess, task)


def measure_preprocess(values: npt.NDArray[np.float64]) -> Preprocess:
    """Mean and std of the training images alone, to six digits, so that every machine writes the same ones."""
    _, channels, height, width = values.shape
    mean, std = values.mean(axis=(0, 2, 3)), values.std(axis=(0, 2, 3))
    return Preprocess(
        channels, height, width, tuple(round(float(m), 6) for m in mean), tuple(round(float(s), 6) for s in std)
    )


DATASETS: Mapping[str, Callable[[], Dataset]] = MappingProxyType(
    {"digits": _load_digits, "digit_maps": _load_digit_maps, "digit_points": _load_digit_points}
)
