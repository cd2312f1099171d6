"""The data sets by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType

from archspec.errors import InputError, suggest
from compiler.onnx_file.metadata import CLASSES, DATA, PREPROCESS, TASK
from runtime.data.canvases import load_digit_maps, load_digit_points
from runtime.data.dataset import Dataset
from runtime.data.digits import load_digits
from runtime.data.known import KNOWN

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


def describe_data(data: Dataset) -> dict[str, str]:
    """Write down the data that weights are trained on, and what a model needs to answer for pictures, as their
    metadata. A folder is written with its whole path."""
    facts = CLASSES.write(data.classes) | PREPROCESS.write(data.preprocess.to_json()) | TASK.write(data.task)
    return DATA.write(write_word(data.name)) | facts


def write_word(word: str) -> str:
    """Write the word of `--data` so that it names the same data from anywhere.

    >>> write_word("digits")
    'digits'
    """
    if word in (*DATASETS, *KNOWN):
        return word
    kind, colon, folder = word.partition(":")
    return f"{kind}:{os.path.abspath(folder)}" if colon and kind in KNOWN else os.path.abspath(word)
