"""The images from which an int8 export learns the ranges of its values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.ops import Input
from compiler.graph import Graph
from runtime.array_file import map_array, read_numbers
from runtime.preprocess import Preprocess, load_image
from runtime.run_folder import PREPROCESS
from runtime.sizes import check_size, read_sizes

Floats = npt.NDArray[np.float32]

PICTURES = frozenset({".png", ".jpg", ".jpeg"})

MOST_IMAGES = 1000
"""Of a larger set so many are taken, spread evenly over it: ranges do not change much beyond a few hundred."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Images that gave no ranges, (N, C, *extents), and the labels and the task by which their answers are judged;
    `names` is how many classes or joints there are."""

    images: Floats
    labels: npt.NDArray[np.generic]
    task: str
    names: int


@dataclass(frozen=True, eq=False)
class CalibrationData:
    """Preprocessed images of one shape, (C, *extents), read by their numbers when they are needed.

    `numbers` are those that are taken. `held_out` is there where the images have labels.
    """

    name: str
    shape: tuple[int, ...]
    numbers: tuple[int, ...]
    read: Callable[[Sequence[int]], Floats]
    held_out: HeldOut | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def first(self, count: int) -> CalibrationData:
        """The first of them, up to `count`."""
        return replace(self, numbers=self.numbers[:count])

    def batches(self, size: int) -> Iterator[Floats]:
        """The images, (N, C, *extents) with N up to `size`. Raises ArchspecError where one cannot be read."""
        for start in range(0, len(self), size):
            yield self.read(self.numbers[start : start + size])


def open_calibration_data(where: str | Path, graph: Graph, metadata: Mapping[str, str]) -> CalibrationData:
    """The images of a data set by name, of a folder of PNG and JPEG files, or of a .npy (N, C, *extents) of
    preprocessed numbers, for a network and the metadata of its model.

    Raises ArchspecError where there are none, they do not fit the network, or its metadata does not say how pictures
    become its input.
    """
    path = Path(where)
    if os.path.isdir(path):  # of a name that is too long, Path.is_dir raises
        data = _open_folder(path, metadata)
    elif path.suffix.lower() == ".npy":
        data = _open_array(path)
    elif os.path.exists(path) or len(path.parts) > 1:
        raise ArchspecError(
            f"{path} is no calibration data: give a folder of pictures, a .npy or the name of a data set"
        )
    else:
        data = _open_dataset(str(where), metadata)
    _check_shape(data, graph, metadata)
    return data


def _open_dataset(name: str, metadata: Mapping[str, str]) -> CalibrationData:
    from runtime.data import load_data  # here, since it needs scikit-learn

    dataset = load_data(name)
    if PREPROCESS in metadata and Preprocess.from_json(metadata[PREPROCESS]) != dataset.preprocess:
        raise ArchspecError(f"the model was trained on images that were not prepared as those of {name}")
    images = dataset.train.images
    return CalibrationData(
        name=name,
        shape=images.shape[1:],
        numbers=_spread(len(images)),
        read=lambda numbers: images[list(numbers)],
        held_out=HeldOut(dataset.test.images, dataset.test.labels, dataset.task, len(dataset.classes)),
    )


def _open_folder(folder: Path, metadata: Mapping[str, str]) -> CalibrationData:
    if PREPROCESS not in metadata:
        raise ArchspecError(
            f"the weights do not say how pictures become the network's input ('{PREPROCESS}'), so those of {folder} "
            "cannot be read: give a .npy of preprocessed numbers"
        )
    preprocess = Preprocess.from_json(metadata[PREPROCESS])
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise ArchspecError(f"{folder} holds no pictures: expected PNG or JPEG files")

    def read(numbers: Sequence[int]) -> Floats:
        return np.stack([load_image(paths[number], preprocess) for number in numbers])

    return CalibrationData(str(folder), preprocess.shape, _spread(len(paths)), read)


def _open_array(path: Path) -> CalibrationData:
    images = map_array(path)
    if images.ndim < 2 or not images.size:
        raise ArchspecError(f"{path} has shape {images.shape}; calibration data is (N, C, ...), and not empty")
    return CalibrationData(
        str(path), images.shape[1:], _spread(len(images)), lambda numbers: read_numbers(images[list(numbers)], path)
    )


def _spread(count: int) -> tuple[int, ...]:
    taken = min(count, MOST_IMAGES)
    return tuple(number * count // taken for number in range(taken))


def _check_shape(data: CalibrationData, graph: Graph, metadata: Mapping[str, str]) -> None:
    """Raises ArchspecError unless the network takes images of that shape."""
    if len(graph.inputs) != 1:
        raise ArchspecError(f"{graph.name} has several inputs ({', '.join(graph.inputs)}); calibration data feeds one")
    op = next(iter(graph.inputs.values())).op
    assert isinstance(op, Input)
    sizes, bound = read_sizes(metadata), dict[str, int]()
    if len(data.shape) != len(op.dims):
        raise ArchspecError(f"{_tell_misfit(data, graph, op)}: {len(data.shape)} axes, not {len(op.dims)}")
    for axis, (extent, wanted) in enumerate(zip(data.shape, op.dims, strict=True)):
        fits = extent == wanted if isinstance(wanted, int) else bound.setdefault(wanted, extent) == extent
        if isinstance(wanted, str):
            check_size(f"{_tell_misfit(data, graph, op)}: {wanted} is {extent}", wanted, extent, sizes)
        if not fits:
            raise ArchspecError(f"{_tell_misfit(data, graph, op)}: axis {axis} is {extent}")


def _tell_misfit(data: CalibrationData, graph: Graph, op: Input) -> str:
    found, taken = (", ".join(map(str, shape)) for shape in (data.shape, op.dims))
    return f"the calibration data {data.name} has images ({found}); {graph.name} takes ({taken})"
