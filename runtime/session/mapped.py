"""A session whose weights stay where they lie in the model's one file, mapped, neither parsed nor copied; or whose
weights are all copied, those of other files too.

ONNX Runtime maps weights that a model keeps in a second file, and parses and copies those in the file itself. For the
one it gets the model without its large weights from memory, and is told that these lie in a second file: the model's
own; for the other, the weights of other files as arrays.
"""

from __future__ import annotations

import os
from copy import deepcopy
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from archspec.errors import ModelError
from archspec.extras import extra
from runtime.session.model_file import ModelFile, check_unwritten

with extra("run"):
    import onnx
    import onnxruntime as ort

    from compiler.onnx_file.external import find_external, is_external, list_data, read_place
    from compiler.onnx_file.skim import WIDTHS, count_bytes

ALIGNMENT = 64
"""Bytes of the widest vectors, and where ONNX Runtime's own memory begins."""

FOLDER = "session.model_external_initializers_file_folder_path"
"""The key of the setting that says where a model from memory has its second files."""


def can_map(model: ModelFile) -> bool:
    """Whether all large weights lie in the file, at places from which processors compute.

    Not on Windows, where a file could not be replaced for as long as it is mapped.
    """
    aligned = all(weight.start % ALIGNMENT == 0 for weight in model.weights)
    return os.name != "nt" and aligned and bool(model.weights) and not model.data


def create_mapped(path: str | Path, model: ModelFile, options: Any) -> Any:
    """An onnxruntime.InferenceSession on the CPU.

    The file may be replaced while it is in use, as this program does it, but not cut off: the system ends a process
    (SIGBUS) that is at work on it then, as it does for a second file. Raises ArchspecError where the file is not the
    one that was checked.
    """
    folder, name = os.path.split(os.path.realpath(path))
    options.add_session_config_entry(FOLDER, folder)
    session = ort.InferenceSession(
        _write_head(model, name), options, providers=["CPUExecutionProvider"], enable_fallback=0
    )
    check_unwritten(path, model.state)
    return session


def copy_data(path: str | Path, model: ModelFile, options: Any) -> tuple[list[Any], tuple[str, ...]]:
    """Give a session that is to be made the weights that a model has in other files, from memory: what has to live as
    long as the session, and the names of the files that it maps nevertheless (for weights of subgraphs)."""
    stored = [tensor for tensor in model.head.graph.initializer if is_external(tensor) and count_bytes(tensor)]
    taken = {tensor.name: _read_data(tensor, Path(path).parent) for tensor in stored}
    if taken:
        options.add_external_initializers(list(taken), list(taken.values()))
    return list(taken.values()), list_data(item for item in find_external(model.head) if item.name not in taken)


def _read_data(tensor: onnx.TensorProto, folder: Path) -> Any:
    """A tensor's numbers as an OrtValue, from the other file that was checked to hold them."""
    place = read_place(tensor)
    count, width = prod(tensor.dims), WIDTHS[tensor.data_type]
    array = np.fromfile(folder / place["location"], f"u{width}", count, offset=int(place.get("offset", "0")))
    if array.size != count:
        raise ModelError(f"{folder / place['location']} is too short for '{tensor.name}'")
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.reshape(tensor.dims), tensor.data_type)


def _write_head(model: ModelFile, name: str) -> bytes:
    """The model, whose large weights lie in the file of that name."""
    head = deepcopy(model.head)
    for weight in model.weights:
        tensor = head.graph.initializer.add(name=weight.name, data_type=weight.kind, dims=weight.shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": name, "offset": weight.start, "length": weight.size}.items():
            tensor.external_data.add(key=key, value=str(value))
    written: bytes = head.SerializeToString()
    return written
