"""What leaves ONNX Runtime's fast path on CPUs, found in the graph.

Its CPU provider keeps maps of two spatial axes in blocks of 16 channels (with AVX-512; 8 without) and has its fastest
convolutions for those. A node that has no form in that layout takes its operands out of it, and what follows takes them
back in: two copies, and nothing fused across. The rules are those of the layout transformer of ONNX Runtime 1.31; tests
hold them against models that it optimized itself. They take it that extents which are equal here are known to be: where
the runtime cannot prove it for dynamic sizes, a product may leave the layout too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from archspec import ops
from archspec.ops import Op
from archspec.ops.fields import along
from compiler.graph import Graph, Node
from compiler.onnx_target.rows import choose_rows
from compiler.passes.split_kernels import AxisConv

BLOCK = 16
ALIGNED = 4
"""The number that the copies into and out of the layout want channels to be a multiple of."""

RANK = 2

IN_ROWS = "it is written in rows, where no layout is better"


@dataclass(frozen=True, slots=True)
class SlowNode:
    """A node off the fast path: its operation, why, and its multiply-accumulates for one sample."""

    node: str
    kind: str
    reason: str
    macs: int

    def to_dict(self) -> dict[str, Any]:
        return {"node": self.node, "kind": self.kind, "reason": self.reason, "macs": self.macs}


def find_slow_nodes(graph: Graph) -> list[SlowNode]:
    """Find the nodes of a graph, as it is written after all passes, that leave the blocked layout, in order.

    These are the convolutions that have no blocked form, and whatever else reads a blocked map and gives a plain one.
    """
    return list(_walk(graph))


def _walk(graph: Graph) -> Iterator[SlowNode]:
    blocked: set[str] = set()
    rows = choose_rows(graph)
    for node in graph:
        reason = IN_ROWS if node.id in rows else _find_reason(graph, node, blocked)
        if reason is None:
            blocked.add(node.id)
        elif (isinstance(node.op, ops.Conv | ops.ConvTranspose) and node.id not in rows) or (
            _is_map(node) and not blocked.isdisjoint(node.data_inputs)
        ):
            yield SlowNode(node.id, node.op.kind, reason, node.op.macs(*graph.operands(node)))


def _is_map(node: Node) -> bool:
    return prod(node.shape.space) > 1


def _find_reason(graph: Graph, node: Node, blocked: set[str]) -> str | None:
    """Find why a node's result is in plain layout; None where it is blocked."""
    if node.shape.rank != RANK:
        return f"its result has {node.shape.rank} spatial axes, and only maps of {RANK} are blocked"
    check = BLOCKED.get(type(node.op))
    return check(graph, node, blocked) if check else _tell_unknown(node.op)


def _check_conv(graph: Graph, node: Node, blocked: set[str]) -> str | None:
    channels = graph[node.inputs[0]].shape.channels
    return _check_groups(node.op, channels) if isinstance(node.op, ops.Conv) else _check_input(channels)


def _check_pool(graph: Graph, node: Node, blocked: set[str]) -> str | None:
    if isinstance(node.op, ops.AvgPool) and node.op.ceil:
        return "avg_pool with ceil has no blocked form"
    return _check_block(node)


def _check_follower(graph: Graph, node: Node, blocked: set[str]) -> str | None:
    """Check what stays in the layout of its operand."""
    if isinstance(node.op, ops.Gelu) and node.op.approximate == "tanh":
        return "gelu by tanh has no blocked form"
    return _find_plain(node, blocked)


def _check_upsample(graph: Graph, node: Node, blocked: set[str]) -> str | None:
    """Check an upsampling: by whole numbers, of which each value is made of no more than two along an axis."""
    assert isinstance(node.op, ops.Upsample)
    if node.op.mode == "cubic":
        return "upsample by cubic means has no blocked form"
    if any(isinstance(scale, float) for scale in along(node.op.scale, node.shape, "scale")):
        return "upsample by a fraction has no blocked form"
    return _find_plain(node, blocked)


def _check_part(graph: Graph, node: Node, blocked: set[str]) -> str | None:
    """Check what has a blocked form only as a part of the convolution before it."""
    before = graph[node.inputs[0]]
    fused = isinstance(before.op, ops.Conv) and graph.readers[before.id] == (node.id,)
    alone = None if fused else f"{node.op.kind} has a blocked form only as the single reader of a convolution"
    return _find_plain(node, blocked) or alone


def _check_product(graph: Graph, node: Node, blocked: set[str]) -> str | None:
    return _find_plain(node, blocked) or _find_smaller(graph, node)


def _check_concat(graph: Graph, node: Node, blocked: set[str]) -> str | None:
    narrow = (reason for operand in node.inputs if (reason := _check_block(graph[operand])))
    return next(narrow, None) or _find_plain(node, blocked)


def _check_groups(op: ops.Conv, channels: int) -> str | None:
    if op.groups == 1:
        return _check_input(channels)
    width, out = channels // op.groups, op.out // op.groups
    if op.out % ALIGNED:
        return f"{op.out} output channels in groups are no multiple of {ALIGNED}"
    if width == out == 1:
        return None
    if width % BLOCK or out % BLOCK:
        given = f"{width}" if width == out else f"{width} input and {out} output"
        return f"groups of {given} channels are no multiples of {BLOCK}"
    return None


def _check_input(channels: int) -> str | None:
    """Check the operand: fewer channels than a block are read from the plain layout."""
    wrong = channels >= BLOCK and channels % ALIGNED
    return f"{channels} input channels are no multiple of {ALIGNED}" if wrong else None


def _check_block(node: Node) -> str | None:
    channels = node.shape.channels
    return f"the {channels} channels of {node.id} are no multiple of {BLOCK}" if channels % BLOCK else None


def _find_plain(node: Node, blocked: set[str]) -> str | None:
    return next((f"{operand} is in plain layout" for operand in node.inputs if operand not in blocked), None)


def _find_smaller(graph: Graph, node: Node) -> str | None:
    """An operand with one position, which is repeated at all of the others'."""
    small = (operand for operand in node.inputs if graph[operand].shape != node.shape)
    return next((f"{operand} of {graph[operand].shape} is repeated over the map" for operand in small), None)


def _tell_unknown(op: Op) -> str:
    return f"{op.kind} has no blocked form"


BLOCKED: Mapping[type[Op], Callable[[Graph, Node, set[str]], str | None]] = {
    **dict.fromkeys((ops.Conv, AxisConv), _check_conv),
    **dict.fromkeys((ops.MaxPool, ops.AvgPool, ops.GlobalAvgPool, ops.GlobalMaxPool), _check_pool),
    **dict.fromkeys((ops.Relu, ops.Sigmoid, ops.HardSigmoid, ops.HardSwish, ops.Tanh), _check_follower),
    **dict.fromkeys((ops.Silu, ops.Gelu, ops.BatchNorm), _check_follower),
    ops.Upsample: _check_upsample,
    **dict.fromkeys((ops.Relu6, ops.HardTanh, ops.Clip, ops.LeakyRelu), _check_part),
    **dict.fromkeys((ops.Add, ops.Mul), _check_product),
    ops.Concat: _check_concat,
}
"""The operations that ONNX Runtime has a blocked form of, and when a node of each is in it."""
