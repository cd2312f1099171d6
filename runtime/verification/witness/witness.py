"""A second opinion on a model file: onnx's reference implementation where that is quick, else ONNX Runtime with all its
optimizations off."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError
from archspec.extras import extra
from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph
from runtime.verification.model.inside import ModelInside
from runtime.verification.witness.comparator import WitnessOutputs
from runtime.verification.witness.node_work import LOOPS, count_loops

with extra("run"):
    import onnx
    from onnx import version_converter
    from onnx.reference import ReferenceEvaluator

    from compiler.onnx_file.extents import name_axis
    from compiler.onnx_file.nodes import find_captured, find_graphs, list_nodes, read_constant, read_opset, walk_nodes
    from compiler.onnx_source.read import read_graph

REFERENCE, PLAIN = "onnx.reference", "ONNX Runtime without its optimizations"
SAME_TWIN = "the same twin without ONNX Runtime's optimizations"
"""The witness where the file itself is not run, see `inside.open_runnable`."""

FROM_19, CONVERTED = ("QuantizeLinear", "DequantizeLinear"), 21
"""The operations that the reference implementation has from opset 19 on, and the opset to which onnx converts such a
file for it."""

MAX_MACS = 2_000_000_000
"""The most multiply-accumulates for which the reference implementation is asked: it does them in a few seconds."""
MAX_BYTES = 1 << 29
"""The largest total size, in bytes, of weights for which it is asked: it holds them a second time."""

FIRST_RIGHT: Mapping[str, int] = {"BatchNormalization": 14, "Softmax": 13, "LogSoftmax": 13, "Hardmax": 13}
"""The opset from which on the reference implementation computes an operation as ONNX defines it. Before, it normalizes
with the statistics of the batch, and along the last axis alone."""

KEEP_VOTES = frozenset({"Cast", "Sum", "Mul", "Identity"})
"""The operations that leave votes what they are, or make shares of them."""


class Witness:
    """A second way to run a file. `doubts` says why it cannot be onnx.reference, if it cannot."""

    def __init__(self, inside: ModelInside) -> None:
        self.inside = inside
        stored = sum(array.nbytes for array in inside.weights.values())
        if stored > MAX_BYTES:
            self.doubts: str | None = f"its weights are {stored:,} bytes"
        elif inside.dtype == "bfloat16":
            self.doubts = "it computes in bfloat16"
        else:
            self.doubts = find_fault(inside.model)

    def run(self, feed: Mapping[str, Array]) -> WitnessOutputs:
        """The name of the witness and its outputs. Raises ArchspecError where it fails."""
        if self.doubts is None and self.count_work(feed) <= MAX_MACS:
            try:
                with np.errstate(all="ignore"):
                    found = self._reference.run(self.inside.outputs, dict(feed))
            except Exception as error:  # of whatever kind an operation of numpy raises
                self.doubts = f"{type(error).__name__} in onnx.reference"
            else:
                said = dict(zip(self.inside.outputs, found, strict=True))
                odd = next(
                    (name for name, value in said.items() if not isinstance(value, np.ndarray | np.generic)), None
                )
                if odd is None:
                    return REFERENCE, said
                self.doubts = f"onnx.reference gives no array for '{odd}'"
        return self.run_plain(feed)

    def run_plain(self, feed: Mapping[str, Array]) -> WitnessOutputs:
        """The name and the outputs of ONNX Runtime without its optimizations."""
        notes = [note for note in (self.inside.twin and f"on {self.inside.twin}", self.doubts) if note]
        who = f"{PLAIN} ({'; '.join(notes)})" if notes else PLAIN
        return SAME_TWIN if self.inside.dtype == "bfloat16" else who, self.inside.read(
            self.inside.outputs, feed, optimized=False
        )

    def count_work(self, feed: Mapping[str, Array]) -> int:
        """Count multiply-accumulates, and what the reference implementation does in Python, if there is time for the
        rest. Of a file that does not run without optimizations that is not known, and left out."""
        macs = self.count_macs(feed)
        makers = {node.output[0]: node for node in self.inside.model.graph.node if node.op_type in LOOPS}
        if macs > MAX_MACS or not makers:
            return macs
        try:
            read = self.inside.read(list(makers), feed, optimized=False)
        except ArchspecError:
            return macs
        return macs + sum(count_loops(node, read[name].size, self._find_kernel(node)) for name, node in makers.items())

    def _find_kernel(self, node: onnx.NodeProto) -> Sequence[int]:
        """The extents of the second operand of a node, where it is stored."""
        tensor = self.inside.tensors.get(node.input[1]) if len(node.input) > 1 else None
        return () if tensor is None else tuple(tensor.dims)

    def count_macs(self, feed: Mapping[str, Array]) -> int:
        """Count multiply-accumulates for these inputs; of branches and loops, and of a file that cannot be read as a
        graph, as many as if each stored number were multiplied at every position of the largest input."""
        batch = max((len(array) for array in feed.values() if array.ndim), default=1)
        graph = self._read_graph(self._name_sizes(feed))
        positions = max((math.prod(array.shape[2:]) for array in feed.values()), default=1)
        if graph is not None:
            return batch * (int(measure_cost(graph).macs["conv-linear"]) + self._held * positions)
        stored = sum(math.prod(tensor.dims) for tensor in self.inside.tensors.values())
        return int(batch * stored * positions)

    @cached_property
    def _held(self) -> int:
        """The stored numbers that branches and loops hold or read, of which a graph counts none."""
        holding = [node for node in self.inside.model.graph.node if find_graphs(node)]
        read = {name for node in holding for name in find_captured(node)} & self.inside.tensors.keys()
        inner = [
            *(tensor for node in walk_nodes(holding) for _, tensor in read_constant(node)),
            *(tensor for node in walk_nodes(holding) for graph in find_graphs(node) for tensor in graph.initializer),
        ]
        return sum(math.prod(tensor.dims) for tensor in (*map(self.inside.tensors.__getitem__, read), *inner))

    def _name_sizes(self, feed: Mapping[str, Array]) -> dict[str, int]:
        """The extents of free axes, but for the batch, by their names."""
        declared = {item.name: item.type.tensor_type.shape.dim for item in self.inside.inputs}
        return {
            name_axis(name, number, axis.dim_param or None): extent
            for name, array in feed.items()
            for number, (axis, extent) in enumerate(zip(declared[name], array.shape, strict=True))
            if number and not axis.HasField("dim_value")
        }

    def _read_graph(self, sizes: dict[str, int]) -> Graph | None:
        try:
            return read_graph(self.inside.path, sizes=sizes)
        except ArchspecError:
            return None

    @cached_property
    def _reference(self) -> Any:
        model = onnx.load(os.fspath(self.inside.path))
        if any(node.op_type in FROM_19 for node in model.graph.node):
            model = version_converter.convert_version(model, CONVERTED)
        return ReferenceEvaluator(model)


def find_fault(model: onnx.ModelProto) -> str | None:
    """Find what onnx's reference implementation computes otherwise than ONNX defines it, if a file has such: measured
    with onnx 1.23, see docs/export/runtimes.md."""
    opset = read_opset(model)
    for node in list_nodes(model):
        if node.op_type == "Loop" and not (len(node.input) > 1 and node.input[1]):
            return "onnx.reference is wrong on loops without a condition"
        if node.op_type in FIRST_RIGHT and opset < FIRST_RIGHT[node.op_type]:
            return f"onnx.reference is wrong on {node.op_type} before opset {FIRST_RIGHT[node.op_type]}"
        if node.op_type == "AveragePool" and any(item.name == "ceil_mode" and item.i for item in node.attribute):
            return "onnx.reference is wrong on average pools that round up"
        if node.op_type == "GlobalMaxPool" and _has_other_ranks(model):
            return "onnx.reference pools over two axes alone"
    return None


def _has_other_ranks(model: onnx.ModelProto) -> bool:
    """Tell whether an input has another number of axes than a batch of images has."""
    return any(len(item.type.tensor_type.shape.dim) != 4 for item in model.graph.input)


def find_votes(model: onnx.ModelProto) -> set[str]:
    """The outputs that count in how many operands a channel is the largest: rounding decides what is nearly even."""
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    counts: set[str] = set()
    for node in model.graph.node:
        computed = [name for name in node.input if name in makers]
        compares = node.op_type == "Equal" and any(makers[name] == "ArgMax" for name in computed)
        if compares or (node.op_type in KEEP_VOTES and computed and counts.issuperset(computed)):
            counts.update(node.output)
    return {item.name for item in model.graph.output if item.name in counts}
