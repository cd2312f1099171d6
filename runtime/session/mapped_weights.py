"""A model's weights where they lie in its one file, mapped, neither parsed nor copied; or all of them copied, those of
other files too.

ONNX Runtime maps weights that a model keeps in a second file, and parses and copies those in the file itself. For the
one it gets the model without its large weights from memory, and is told that these lie in a second file: the model's
own; for the other, the weights of other files as arrays.
"""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

from archspec.extras import extra
from runtime.session.model_file import ModelFile
from runtime.session.start import FOLDER

with extra("run"):
    import onnx
    import onnxruntime as ort

    from compiler.onnx_file.external import find_external, is_external, list_data, read_external
    from compiler.onnx_file.skim import count_bytes
    from compiler.onnx_file.tensors import FORMS

ALIGNMENT = 64
"""The width of the widest vectors, in bytes, and of the rows in which ONNX Runtime's own memory begins."""


def can_map(model: ModelFile) -> bool:
    """Tell whether all large weights lie in the file, at places from which processors compute.

    Not on Windows, where a file could not be replaced for as long as it is mapped.
    """
    aligned = all(weight.start % ALIGNMENT == 0 for weight in model.weights)
    return os.name != "nt" and aligned and bool(model.weights) and not model.data


def map_weights(model: ModelFile) -> tuple[bytes, dict[str, str]]:
    """Give the model, whose large weights lie in a second file, which is its own; and the entries that say where that
    is.

    The file may be replaced while a session computes from it, as this program does it, but not cut off: the system ends
    a process (SIGBUS) that is at work on it then, as it does for a second file.
    """
    folder, name = os.path.split(os.path.realpath(model.path))
    head = deepcopy(model.head)
    for weight in model.weights:
        tensor = head.graph.initializer.add(name=weight.name, data_type=weight.kind, dims=weight.shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": name, "offset": weight.start, "length": weight.size}.items():
            tensor.external_data.add(key=key, value=str(value))
    return head.SerializeToString(), {FOLDER: folder}


def copy_data(model: ModelFile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Copy the stored tensors that a model has in other files to memory, as values (OrtValue) by name; and name the
    files that ONNX Runtime maps nevertheless (for weights of subgraphs)."""
    stored = [tensor for tensor in model.head.graph.initializer if is_external(tensor) and count_bytes(tensor)]
    taken = {tensor.name: _read_data(tensor, model.path.parent) for tensor in stored}
    return taken, list_data(item for item in find_external(model.head) if item.name not in taken)


def _read_data(tensor: onnx.TensorProto, folder: Path) -> Any:
    """A tensor's numbers as an OrtValue, from the other file that was checked to hold them."""
    array = read_external(tensor, folder, FORMS[tensor.data_type][1])
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, tensor.data_type)
