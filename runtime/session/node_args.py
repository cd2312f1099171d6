"""What ONNX Runtime says of a session's inputs and outputs, its NodeArgs: their extents and their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archspec.errors import ModelError
from archspec.extras import extra
from runtime.session.inputs import Extents
from runtime.session.signature import read_outputs

with extra("run"):
    from compiler.onnx_file.extents import name_axes

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def read_extents(items: Sequence[Any]) -> dict[str, Extents]:
    """Extents by name: a free one has its own name, or that of its place."""
    return {item.name: name_axes(item.name, item.shape) for item in items}


def read_output_extents(
    items: Sequence[Any], inputs: Mapping[str, Extents], path: Path, fixed: Mapping[str, int]
) -> dict[str, Extents | None]:
    """The extents that the file in `path` declares of its outputs, where it has `inputs` and free axes are `fixed`;
    None where neither it nor ONNX Runtime says how many axes there are.

    ONNX Runtime puts what it infers in the place of names, and tells an output without a shape as a number; so the file
    is asked where one has no name, and inputs have. Raises ArchspecError where it cannot be read.
    """
    told: dict[str, Extents | None] = dict(read_extents(items))
    free = not all(map(_is_fixed, inputs.values()))
    if not any(extents == () or (free and _is_fixed(extents)) for extents in told.values()):
        return told
    declared = read_outputs(path)
    return {name: _fix(declared.get(name, extents), fixed) for name, extents in told.items()}


def read_dtypes(items: Sequence[Any], path: Path) -> dict[str, np.dtype[Any]]:
    """Types by name. Raises ArchspecError where numpy has no such type."""
    return {item.name: _read_dtype(item, path) for item in items}


def check_are_arrays(items: Sequence[Any], path: Path) -> None:
    """Raises ArchspecError where an output is a sequence, a map, or an optional."""
    for item in items:
        if not item.type.startswith("tensor("):
            raise ModelError(f"{path} gives a {item.type} in '{item.name}', which is no array")


def _is_fixed(extents: Extents | None) -> bool:
    return all(isinstance(extent, int) for extent in extents or ())


def _fix(extents: Extents | None, fixed: Mapping[str, int]) -> Extents | None:
    return None if extents is None else tuple(fixed.get(str(extent), extent) for extent in extents)


def _read_dtype(item: Any, path: Path) -> np.dtype[Any]:
    if item.type not in DTYPES:
        advice = ": export it with --io fp32" if item.type == "tensor(bfloat16)" else ""
        raise ModelError(f"{path}: '{item.name}' is a {item.type}, which no array can hold{advice}")
    return np.dtype(DTYPES[item.type])
