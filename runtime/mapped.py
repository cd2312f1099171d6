"""A session whose weights stay where they lie in the model's one file: mapped, neither parsed nor copied.

ONNX Runtime maps weights that a model keeps in a second file, and parses and copies those in the file itself. Here it
gets the model without its large weights from memory, and is told that these lie in a second file: the model's own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError
from runtime.extras import extra
from runtime.model_file import ModelFile, read_state

with extra("run"):
    import onnx
    import onnxruntime as ort

ALIGNMENT = 64
"""Bytes of the widest vectors, and where ONNX Runtime's own memory begins."""

FOLDER = "session.model_external_initializers_file_folder_path"
"""The key of the setting that says where a model from memory has its second files."""


def can_map(model: ModelFile) -> bool:
    """Whether all large weights lie in the file, at places from which processors compute.

    Not on Windows, where a file could not be replaced for as long as it is mapped.
    """
    aligned = all(weight.start % ALIGNMENT == 0 for weight in model.weights)
    return os.name != "nt" and aligned and bool(model.weights) and not model.external


def create_mapped(path: str | Path, model: ModelFile, options: Any) -> Any:
    """An onnxruntime.InferenceSession on the CPU.

    The file may be replaced while it is in use, as this program does it, but not cut off: the system then ends the
    process (SIGBUS), as it does for a second file. Raises ArchspecError where the file is not the one that was checked.
    """
    folder, name = os.path.split(os.path.realpath(path))
    options.add_session_config_entry(FOLDER, folder)
    session = ort.InferenceSession(
        _write_head(model, name), options, providers=["CPUExecutionProvider"], enable_fallback=0
    )
    if read_state(path) != model.state:
        raise ArchspecError(f"{path} was written while it was read")
    return session


def _write_head(model: ModelFile, name: str) -> bytes:
    """The model, whose large weights lie in the file of that name."""
    head = onnx.ModelProto()
    head.CopyFrom(model.head)
    for weight in model.weights:
        tensor = head.graph.initializer.add(name=weight.name, data_type=weight.kind, dims=weight.shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": name, "offset": weight.start, "length": weight.size}.items():
            tensor.external_data.add(key=key, value=str(value))
    written: bytes = head.SerializeToString()
    return written
