"""Attention, as the matrix products and the softmax that it is."""

from __future__ import annotations

from math import sqrt

import numpy as np

from archspec.ops import Attention
from archspec.ops.attention import MAX_LOGIT_SCALE
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.formats import FLOAT32
from compiler.onnx_target.rules.attention_layout import HeadLayout
from compiler.onnx_target.rules.attention_terms import add_terms, hide_later, read_bias
from compiler.onnx_target.rules.table import rule
from compiler.passes.fuse_attention import AttentionKernel


@rule(Attention)
def attention(op: Attention, emit: Emitter, *operands: OnnxValue) -> OnnxValue:
    """Lay all out by window and head, multiply, and lay the result out as a map again.

    In rows, without a window or where windows are samples, these are the nodes that ONNX Runtime's optimizer for
    transformers looks for.
    """
    q, k, v = (HeadLayout(op, emit, x, place) for place, x in enumerate(operands))
    scores = add_terms(op, emit, HeadLayout(op, emit, operands[0], 0, as_map=True), _compare(op, emit, q, k))
    if op.causal:
        scores = hide_later(emit, scores)
    means = emit.op("MatMul", [emit.op("Softmax", [scores], axis=-1), v.by_position()])
    return v.join(means, q)


@rule(AttentionKernel)
def attention_kernel(op: AttentionKernel, emit: Emitter, *operands: OnnxValue) -> OnnxValue:
    """Lower attention to one node where it is in rows, which that takes."""
    if not emit.rows:
        return attention(op, emit, *operands)
    q, k, v = (HeadLayout(op, emit, x, place) for place, x in enumerate(operands))
    terms = [emit.constant("bias", read_bias(op, emit, q)[None])] if op.bias != "none" else []
    means = emit.op(
        "com.microsoft.MultiHeadAttention",
        [q.in_one_row(), k.in_one_row(), v.in_one_row(), *([None, None, *terms] if terms else [])],
        num_heads=op.heads,
        scale=op.scale if op.scale is not None else 1 / sqrt(q.width),
        unidirectional=int(op.causal),
    )
    return q.restore(means, v.shape.channels) if q.shape.rank > 1 else means


def _compare(op: Attention, emit: Emitter, q: HeadLayout, k: HeadLayout) -> OnnxValue:
    """The scores, without their terms. In half precision the query is scaled, since products may be too large for it;
    and where windows are samples, since the optimizer takes biases of its Attention in that form alone. It takes the
    scale for 1/√d then, so where there is another, the key is scaled."""
    rows, columns = q.by_position(), k.by_channel()
    if op.similarity == "cosine":
        rows = emit.op("LpNormalization", [rows], axis=-1, p=2)
        columns = emit.op("LpNormalization", [columns], axis=-2, p=2)
        factor = np.exp(np.minimum(np.asarray(emit.array("logit_scale"), np.float64), MAX_LOGIT_SCALE))
        return emit.op("MatMul", [emit.op("Mul", [rows, emit.constant("factor", factor[:, None, None])]), columns])
    if emit.float_type == FLOAT32 and op.scale is None and not emit.windows:
        return emit.op("Div", [emit.op("MatMul", [rows, columns]), emit.constant("root", sqrt(q.width))])
    scale = emit.constant("scale", 1 / sqrt(q.width) if op.scale is None else op.scale)
    if emit.windows and op.scale is not None:
        return emit.op("MatMul", [rows, emit.op("Mul", [columns, scale])])
    return emit.op("MatMul", [emit.op("Mul", [rows, scale]), columns])
