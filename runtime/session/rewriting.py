"""A model that is changed in memory on its way to ONNX Runtime; its file stays as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeAlias

from archspec.extras import extra
from runtime.session.model_file import ModelFile
from runtime.session.start import FOLDER

with extra("run"):
    import onnx

    from compiler.onnx_file.external import gather_data

Rewrite: TypeAlias = Callable[["onnx.ModelProto"], object]
"""A function that changes a model, which it gets without the numbers that lie in other files."""


def rewrite_model(model: ModelFile, rewrites: Iterable[Rewrite]) -> tuple[bytes, dict[str, str]]:
    """Give the model as `rewrites` change it, one after the other, and the entries that say where its other files are.

    Raises ModelError where the file is no longer the one that was opened.
    """
    changed = onnx.load(os.fspath(model.path), load_external_data=False)
    model.check_unwritten()
    folder = gather_data(changed, model.path)
    for rewrite in rewrites:
        rewrite(changed)
    written: bytes = changed.SerializeToString()
    return written, {} if folder is None else {FOLDER: folder}
