"""The data that weights were trained on, by what their file says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from archspec.errors import ModelError
from compiler.onnx_file.metadata import CLASSES, DATA, PREPROCESS, SETTINGS, TASK
from runtime.data.adapting import adapt_images
from runtime.data.dataset import Dataset
from runtime.data.opening import open_data
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import DataSection
from runtime.recipes.problems import tell_problems


def load_data_of(metadata: Mapping[str, str], path: Path) -> Dataset:
    """Open the data set that weights were trained on, split and prepared as then, by the metadata of their file.

    Raises ModelError where these do not say, or the images have become others, and InputError where the data are no
    longer there.
    """
    for key in (DATA, PREPROCESS):
        if key not in metadata:
            raise ModelError(f"{path} does not say '{key}': `archspec train` did not write it")
    section, preprocess = _read_section(metadata, path), Preprocess.from_json(metadata[PREPROCESS])
    data = open_data(metadata[DATA], section, TASK.read(metadata, path))
    data = adapt_images(data, preprocess.channels, preprocess.size, section)
    if data.preprocess != preprocess:
        raise ModelError(f"{path} was trained on other {data.name}: the preprocessing is not the same")
    classes = CLASSES.read(metadata, path)
    if classes is not None and classes != data.classes:
        raise ModelError(f"{path} was trained on other {data.name}: its {len(classes)} classes are not the same")
    return data


def _read_section(metadata: Mapping[str, str], path: Path) -> DataSection:
    """The part of the recipe that says how the data were split and prepared; the defaults in files that say none."""
    found = (SETTINGS.read(metadata, path) or {}).get("data", {})
    try:
        return DataSection.model_validate(found)
    except ValidationError as error:
        problems = tell_problems(error, DataSection)
        raise ModelError(f"{path}: '{SETTINGS}' says of its data what no recipe says: {'; '.join(problems)}") from None
