"""The data sets by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from archspec.errors import InputError, ModelError, suggest
from compiler.onnx_file.metadata import CLASSES, DATA, PREPROCESS, TASK
from runtime.data.canvases import load_digit_maps, load_digit_points
from runtime.data.dataset import Dataset
from runtime.data.digits import load_digits
from runtime.pictures.preprocess import Preprocess

DATASETS: Mapping[str, Callable[[], Dataset]] = MappingProxyType(
    {"digits": load_digits, "digit_maps": load_digit_maps, "digit_points": load_digit_points}
)


def load_data(name: str) -> Dataset:
    """Load the data set of that name; InputError lists what is available where there is none.

    >>> from runtime.data.registry import load_data
    >>> data = load_data("digits")
    >>> data.training.images.shape, len(data.test), data.classes[:3]
    ((1437, 1, 8, 8), 360, ('0', '1', '2'))
    """
    if name not in DATASETS:
        raise InputError(f"no data set '{name}'{suggest(name, DATASETS)} (available: {', '.join(DATASETS)})")
    return DATASETS[name]()


def load_data_of(metadata: Mapping[str, str], path: Path) -> Dataset:
    """Load the data set that weights were trained on, by the metadata of their file. Raises ModelError where it does
    not say, or says that the images were prepared otherwise."""
    for key in (DATA, PREPROCESS):
        if key not in metadata:
            raise ModelError(f"{path} does not say '{key}': `archspec train` did not write it")
    data = load_data(metadata[DATA])
    if Preprocess.from_json(metadata[PREPROCESS]) != data.preprocess:
        raise ModelError(f"{path} was trained on other {data.name}: the preprocessing is not the same")
    return data


def describe_data(data: Dataset) -> dict[str, str]:
    """Write down the data that weights are trained on, and what a model needs to answer for pictures, as their
    metadata."""
    facts = CLASSES.write(data.classes) | PREPROCESS.write(data.preprocess.to_json()) | TASK.write(data.task)
    return DATA.write(data.name) | facts
