"""What ONNX Runtime says of a session's inputs and outputs, its NodeArgs: their extents and their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archspec.errors import ModelError
from archspec.extras import extra
from runtime.session.model_file import ModelFile

with extra("run"):
    from compiler.onnx_file.extents import NamedExtents, name_axes

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True, slots=True)
class Interface:
    """A session's inputs and outputs: extents by name (None for an output of which nobody says how many axes it has),
    the types of inputs, and the metadata of what was loaded."""

    inputs: dict[str, NamedExtents]
    outputs: dict[str, NamedExtents | None]
    dtypes: dict[str, np.dtype[Any]]
    metadata: dict[str, str]


def read_interface(session: Any, model: ModelFile, fixed: Mapping[str, int]) -> Interface:
    """Read the interface of an onnxruntime.InferenceSession on a model whose free axes are `fixed`.

    Raises ModelError where a name is no text, a type none of numpy's, or an output no array.
    """
    try:
        taken, given = session.get_inputs(), session.get_outputs()
        inputs = list_extents(taken)
        outputs = read_output_extents(given, inputs, model, fixed)
        check_are_arrays(given, model.path)
        metadata = dict(session.get_modelmeta().custom_metadata_map)
        return Interface(inputs, outputs, read_dtypes(taken, model.path), metadata)
    except UnicodeDecodeError as error:
        raise ModelError(f"{model.path} holds a name or metadata that is not UTF-8 text") from error


def list_extents(items: Sequence[Any]) -> dict[str, NamedExtents]:
    """List extents by name: a free one has its own name, or that of its place."""
    return {item.name: name_axes(item.name, item.shape) for item in items}


def read_output_extents(
    items: Sequence[Any], inputs: Mapping[str, NamedExtents], model: ModelFile, fixed: Mapping[str, int]
) -> dict[str, NamedExtents | None]:
    """Read the extents that a model declares of its outputs, where it has `inputs` and free axes are `fixed`; None
    where neither its file nor ONNX Runtime says how many axes there are.

    ONNX Runtime puts what it infers in the place of names, and tells an output without a shape as a number; so the file
    is asked where one has no name, and inputs have.
    """
    told: dict[str, NamedExtents | None] = dict(list_extents(items))
    free = not all(map(_is_fixed, inputs.values()))
    if not any(extents == () or (free and _is_fixed(extents)) for extents in told.values()):
        return told
    return {name: _fix(model.outputs.get(name, extents), fixed) for name, extents in told.items()}


def read_dtypes(items: Sequence[Any], path: Path) -> dict[str, np.dtype[Any]]:
    """Read the types of inputs or outputs by name. Raises ModelError where numpy has no such type."""
    return {item.name: _read_dtype(item, path) for item in items}


def check_are_arrays(items: Sequence[Any], path: Path) -> None:
    """Raise ModelError where an output is a sequence, a map, or an optional."""
    for item in items:
        if not item.type.startswith("tensor("):
            raise ModelError(f"{path} gives a {item.type} in '{item.name}', which is no array")


def _is_fixed(extents: NamedExtents | None) -> bool:
    return all(isinstance(extent, int) for extent in extents or ())


def _fix(extents: NamedExtents | None, fixed: Mapping[str, int]) -> NamedExtents | None:
    return None if extents is None else tuple(fixed.get(str(extent), extent) for extent in extents)


def _read_dtype(item: Any, path: Path) -> np.dtype[Any]:
    if item.type not in DTYPES:
        advice = ": export it with --io fp32" if item.type == "tensor(bfloat16)" else ""
        raise ModelError(f"{path}: '{item.name}' is a {item.type}, which no array can hold{advice}")
    return np.dtype(DTYPES[item.type])
