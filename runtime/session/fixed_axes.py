"""Free axes without a name at extents that are fixed. ONNX Runtime takes those of named axes as an option; the others
are written into the model, which it then gets from memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.extras import extra
from runtime.session.mapped import FOLDER
from runtime.session.model_file import ModelFile, check_unwritten

with extra("run"):
    import onnx

    from compiler.onnx_file.extents import NAMELESS, is_fixed, name_axis
    from compiler.onnx_file.external import gather_data

Nameless = dict[tuple[str, int], int]
"""Extents by the input and the axis that has no name."""


def find_nameless(model: onnx.ModelProto, fixed: Mapping[str, int]) -> Nameless:
    """Those of the extents in `fixed` whose axes have only a place, as in {"x.2": 8}."""
    return {
        (value.name, axis): fixed[place]
        for value in (model.graph.input if fixed else ())
        for axis, dim in enumerate(value.type.tensor_type.shape.dim)
        if not is_fixed(dim)
        and dim.dim_param in NAMELESS
        and (place := name_axis(value.name, axis, dim.dim_param)) in fixed
    }


def fix_nameless(path: str | Path, model: ModelFile, nameless: Nameless, options: Any) -> bytes:
    """The checked model with these axes fixed, for a session with these options, which learn where its other files are.

    Raises ArchspecError where the file is no longer the one that was checked.
    """
    fixed = onnx.load(os.fspath(path), load_external_data=False)
    check_unwritten(path, model.state)
    inputs = {value.name: value for value in fixed.graph.input}
    for (name, axis), extent in nameless.items():
        inputs[name].type.tensor_type.shape.dim[axis].dim_value = extent
    folder = gather_data(fixed, Path(path))
    if folder is not None:
        options.add_session_config_entry(FOLDER, folder)
    written: bytes = fixed.SerializeToString()
    return written
