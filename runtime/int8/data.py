"""The images from which an int8 export learns the ranges of its values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError, suggest
from archspec.ops import Input, OpError
from archspec.wording import list_some
from compiler.graph import INTEGERS, Graph
from compiler.onnx_file.metadata import DATA, PREPROCESS, read_sizes
from runtime.data.dataset import Dataset
from runtime.data.registry import DATASETS, load_data
from runtime.pictures.file import Ground
from runtime.pictures.folder import find_pictures
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import load_image
from runtime.session.array_file import map_array, read_numbers
from runtime.session.sizes import check_size, check_together

WANTED = "give a folder of pictures, a .npy or the name of a data set"

MAX_IMAGES = 1000
"""The largest number of images of a calibration, spread evenly over a larger set: ranges change little beyond a few
hundred."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Images that gave no ranges, (N, C, *extents), and the labels and the task by which their answers are judged;
    `names` is the number of classes or joints."""

    images: Array
    labels: npt.NDArray[np.generic]
    task: str
    names: int


@dataclass(frozen=True, eq=False)
class CalibrationData:
    """Preprocessed images of one shape, (C, *extents), read by their numbers when they are needed.

    `numbers` are those that are taken. `held_out` is there where the images have labels. `bounds` are the numbers that
    the darkest and the brightest pixel become in each channel, where the weights say how pictures are prepared. `sizes`
    are the network's, by name, on images of that shape. `notes` say what is odd about where the images come from.
    """

    name: str
    shape: tuple[int, ...]
    numbers: tuple[int, ...]
    read: Callable[[Sequence[int]], Array]
    held_out: HeldOut | None = None
    bounds: tuple[Array, Array] | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def sample(self, count: int) -> CalibrationData:
        """Choose up to `count` of the images, spread evenly."""
        return self.take(_spread(len(self), count))

    def take(self, places: Sequence[int]) -> CalibrationData:
        """Choose the images of some places."""
        return replace(self, numbers=tuple(self.numbers[place] for place in places))

    def batches(self, size: int) -> Iterator[Array]:
        """Yield the images, (N, C, *extents) with N up to `size`. Raises InputError where one cannot be read."""
        for start in range(0, len(self), size):
            yield self.read(self.numbers[start : start + size])


def open_calibration_data(
    where: str | Path, graph: Graph, metadata: Mapping[str, str], ground: Ground | None = None
) -> CalibrationData:
    """Open the images of a data set by name, of a folder of PNG and JPEG files, or of a .npy (N, C, *extents) of
    preprocessed numbers, or (C, *extents) of one image, for a network and the metadata of its model. Transparent
    pictures lie on `ground`.

    Raises InputError where there are none, they do not fit the network, or its metadata does not say how pictures
    become its input.
    """
    path = Path(where)
    if ground is not None and not os.path.isdir(path):
        raise InputError(f"{where} is no folder of pictures, and a ground is read for these alone")
    if os.path.isdir(path):  # of a name that is too long, Path.is_dir raises
        data = _open_folder(path, metadata, ground)
    elif path.suffix.lower() == ".npy":
        data = _open_array(path, graph)
    elif os.path.exists(path) or len(path.parts) > 1:
        raise InputError(f"{path} is no calibration data: {WANTED}")
    else:
        data = _open_dataset(str(where), metadata)
    return replace(data, sizes=_find_sizes(data, graph, metadata), bounds=_find_bounds(data, metadata))


def take_training_images(dataset: Dataset, graph: Graph, metadata: Mapping[str, str]) -> CalibrationData:
    """Take the training images of a data set, read and prepared when they are needed, for a network and the metadata of
    its model. Raises InputError where they do not fit the network."""
    data = CalibrationData(
        name=dataset.name,
        shape=dataset.preprocess.shape,
        numbers=_spread(len(dataset.train), MAX_IMAGES),
        read=lambda numbers: dataset.prepare(dataset.train, numbers).images,
    )
    prepared = {**metadata, str(PREPROCESS): dataset.preprocess.to_json()}
    return replace(data, sizes=_find_sizes(data, graph, metadata), bounds=_find_bounds(data, prepared))


def _open_dataset(name: str, metadata: Mapping[str, str]) -> CalibrationData:
    if name not in DATASETS:
        there = f"no folder and no data set is called '{name}'{suggest(name, DATASETS)}"
        raise InputError(f"{there}: {WANTED} ({', '.join(DATASETS)})")
    dataset = load_data(name)
    if PREPROCESS in metadata and Preprocess.from_json(metadata[PREPROCESS]) != dataset.preprocess:
        own = f" of {metadata[DATA]}" if DATA in metadata else ""
        raise InputError(f"the model was trained on images{own} that were not prepared as those of {name}")
    images = dataset.training.images
    return CalibrationData(
        name=name,
        shape=images.shape[1:],
        numbers=_spread(len(images), MAX_IMAGES),
        read=lambda numbers: images[list(numbers)],
        held_out=HeldOut(dataset.held_out.images, dataset.held_out.labels, dataset.task, len(dataset.classes)),
    )


def _open_folder(folder: Path, metadata: Mapping[str, str], ground: Ground | None) -> CalibrationData:
    if PREPROCESS not in metadata:
        raise InputError(
            f"the weights do not say how pictures become the network's input ('{PREPROCESS}'), so those of {folder} "
            "cannot be read: give a .npy of preprocessed numbers"
        )
    preprocess = Preprocess.from_json(metadata[PREPROCESS])
    found = find_pictures(folder)
    paths = found.paths

    def read(numbers: Sequence[int]) -> Array:
        try:
            return np.stack([load_image(paths[number], preprocess, ground) for number in numbers])
        except ArchspecError as error:
            raise InputError(_tell_broken(folder, paths, preprocess, ground)) from error

    numbers = _spread(len(paths), MAX_IMAGES)
    return CalibrationData(str(folder), preprocess.shape, numbers, read, notes=found.notes)


def _tell_broken(folder: Path, paths: Sequence[Path], preprocess: Preprocess, ground: Ground | None) -> str:
    """Tell what is wrong with the pictures of a folder, all of which are read for it."""
    broken = []
    for path in paths:
        try:
            load_image(path, preprocess, ground)
        except ArchspecError as error:
            broken.append(str(error))
    some = f"{len(broken)} of the {len(paths)} pictures of {folder} cannot be read"
    return f"{some}: {list_some(broken)}; mend them or take them out"


def _open_array(path: Path, graph: Graph) -> CalibrationData:
    type = INTEGERS if graph.rows else "float32"
    images = map_array(path, type)
    if len(graph.inputs) == 1 and images.ndim == 1 + next(iter(graph.inputs.values())).shape.rank:
        images = images[None]  # one image, as `run` takes it
    if images.ndim < 2 or not images.size:
        raise InputError(f"{path} has shape {images.shape}; calibration data is (N, C, ...), and not empty")
    numbers = _spread(len(images), MAX_IMAGES)
    read = partial(read_numbers, path=path, dtype=type)
    return CalibrationData(str(path), images.shape[1:], numbers, lambda taken: read(images[list(taken)]))


def _spread(count: int, most: int) -> tuple[int, ...]:
    taken = min(count, most)
    return tuple(number * count // taken for number in range(taken))


def _find_bounds(data: CalibrationData, metadata: Mapping[str, str]) -> tuple[Array, Array] | None:
    if PREPROCESS not in metadata:
        return None
    preprocess = Preprocess.from_json(metadata[PREPROCESS])
    return preprocess.find_bounds() if preprocess.channels == data.shape[0] else None


def _find_sizes(data: CalibrationData, graph: Graph, metadata: Mapping[str, str]) -> dict[str, int]:
    """The sizes of the network on the images. Raises InputError unless it takes images of that shape."""
    if len(graph.inputs) != 1:
        raise InputError(f"{graph.name} has several inputs ({', '.join(graph.inputs)}); calibration data feeds one")
    op = next(iter(graph.inputs.values())).op
    assert isinstance(op, Input)
    misfit, sizes, bound = _tell_misfit(data, graph, op), read_sizes(metadata), dict[str, int]()
    if len(data.shape) != len(op.dims):
        raise InputError(f"{misfit}: {len(data.shape)} axes, not {len(op.dims)}")
    for axis, (extent, wanted) in enumerate(zip(data.shape, op.dims, strict=True)):
        if extent != (wanted if isinstance(wanted, int) else bound.setdefault(wanted, extent)):
            raise InputError(f"{misfit}: axis {axis} is {extent}")
    try:
        for name, extent in bound.items():
            check_size(f"{misfit}: {name} is {extent}", name, extent, sizes)
        check_together(bound, sizes)
    except ArchspecError as error:
        raise InputError(f"{error}{_advise_sizes(graph, bound)}") from error
    return bound


def _advise_sizes(graph: Graph, sizes: Mapping[str, int]) -> str:
    """Tell how to export the network for images of other sizes, where it takes them at all."""
    try:
        graph.infer(sizes)
    except OpError:
        return ""
    options = " ".join(f"--size {name}={extent}" for name, extent in sizes.items())
    return f"; {options} exports it for these, where its weights fit"


def _tell_misfit(data: CalibrationData, graph: Graph, op: Input) -> str:
    found, taken = (", ".join(map(str, shape)) for shape in (data.shape, op.dims))
    return f"the calibration data {data.name} has images ({found}); {graph.name} takes ({taken})"
