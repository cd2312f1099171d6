"""Each operation in ONNX, valid from opset 17 to 22, in the form that stays on ONNX Runtime's fast path."""

from compiler.onnx_target.rules import (
    adaptive,
    attention,
    combine,
    deform,
    layers,
    layout,
    lookup,
    moves,
    partition,
    pointwise,
    recurrent,
    rescaling,
    resize,
    windows,
)
from compiler.onnx_target.rules.table import RULES, OnnxRule

__all__ = [
    "RULES",
    "OnnxRule",
    "adaptive",
    "attention",
    "combine",
    "deform",
    "layers",
    "layout",
    "lookup",
    "moves",
    "partition",
    "pointwise",
    "recurrent",
    "rescaling",
    "resize",
    "windows",
]
