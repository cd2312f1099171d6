"""Rows of tables, by whole numbers."""

from __future__ import annotations

import numpy as np

from archspec.ops import Embedding
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule


@rule(Embedding)
def embedding(op: Embedding, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a table: rows are found with their channels last, and laid out with them first unless rows are wanted."""
    numbers = emit.op("Squeeze", [x, emit.constant("axis", [1], np.int64)])
    found = emit.lead(emit.op("Gather", [emit.weight("weight"), numbers]))
    rank = emit.before.rank
    return found if emit.rows or not rank else emit.op("Transpose", [found], perm=[0, rank + 1, *range(1, rank + 1)])
