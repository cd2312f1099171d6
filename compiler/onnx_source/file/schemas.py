"""What onnx knows of operations, and the name of the domain that theirs are in."""

from __future__ import annotations

from functools import lru_cache

import onnx
import onnx.defs

from compiler.onnx_file.nodes import list_nodes

WRITTEN_OUT = "ai.onnx"
"""ONNX's own domain, which most files leave without a name, as onnx's registry of schemas does."""


def shorten_domains(model: onnx.ModelProto) -> None:
    """Leave ONNX's own domain without a name everywhere in the model."""
    imports = [item for function in model.functions for item in function.opset_import]
    for item in (*model.opset_import, *imports, *list_nodes(model)):
        if item.domain == WRITTEN_OUT:
            item.domain = ""


@lru_cache(maxsize=1024)
def find_schema(kind: str, domain: str, opset: int) -> onnx.defs.OpSchema | None:
    """Find the schema of an operation at an opset; None where onnx has none."""
    try:
        return onnx.defs.get_schema(kind, max_inclusive_version=opset, domain=domain)
    except onnx.defs.SchemaError:
        return None
