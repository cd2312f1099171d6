"""The rules by which each operation of ONNX becomes part of the graph."""

from collections.abc import Mapping

from compiler.onnx_source.call import NodeRule
from compiler.onnx_source.rules import (
    attention,
    combine,
    layers,
    layout,
    lookup,
    padding,
    pointwise,
    recurrent,
    reductions,
    resampling,
    windows,
)
from compiler.onnx_source.rules.quantized import read_quantized

_PLAIN: Mapping[str, NodeRule] = {
    **windows.RULES,
    **layers.RULES,
    **pointwise.RULES,
    **combine.RULES,
    **layout.RULES,
    **lookup.RULES,
    **padding.RULES,
    **reductions.RULES,
    **resampling.RULES,
    **recurrent.RULES,
    **attention.RULES,
}

RULES: Mapping[str, NodeRule] = {**_PLAIN, **read_quantized(_PLAIN)}
"""The rule of each operation by its name, with its domain where that is not ONNX's own."""
