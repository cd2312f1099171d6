"""Random ONNX models, read into graphs, against ONNX Runtime: shapes, types, stored numbers, multiply-accumulates; and
every analysis of them ends."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from random import Random

import numpy as np
import onnx
import onnxruntime

from compiler.analysis.compare.diff import diff_graphs
from compiler.analysis.outline import fold_tree
from compiler.analysis.report import analyze
from compiler.draw.picture import draw_graph
from compiler.draw.svg import write_svg
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.differential.harness import Disagreement, Outcome
from tests.differential.model_writer import ModelWriter

Shapes = Mapping[str, tuple[int, ...]]
WEIGHTS = {"Conv", "ConvTranspose", "Gemm", "LSTM", "GRU", "RNN"}
"""Whose stored operands count, be they of one number."""
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def examine(seed: int) -> Outcome:
    """What disagrees about the model of a seed; nothing where ONNX Runtime refuses it."""
    model = ModelWriter(Random(seed)).write()
    outcome = Outcome(words=Counter(node.op_type for node in model.graph.node))
    if not model.graph.node:
        return outcome
    try:
        values = run(model)
    except Exception:  # whatever its C++ raises
        return Outcome(words=Counter(["(refused by ONNX Runtime)"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(model.SerializeToString())
        graph = verify(read_graph(path))
    samples = values["x"].shape[0] if any("for one sample" in note for note in graph.notes) else 1
    outcome.words.update([f"(batch of {samples})"] if samples > 1 else [])
    outcome.disagreements += compare(graph, model, values, samples)
    outcome.disagreements += analyze_all(graph)
    return outcome


def run(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Every value of a model, as ONNX Runtime computes it without optimizing."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output]
    del twin.graph.output[:]
    twin.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(twin.SerializeToString(), options, providers=["CPUExecutionProvider"])
    extents = [extent if isinstance(extent, int) else 1 for extent in session.get_inputs()[0].shape]
    x = np.random.default_rng(0).uniform(0.1, 1, extents).astype(np.float32)
    return {"x": x, **dict(zip(names, session.run(names, {"x": x}), strict=True))}


def compare(
    graph: Graph, model: onnx.ModelProto, values: Mapping[str, np.ndarray], samples: int
) -> Iterator[Disagreement]:
    """Each node's last result, and the totals, against what ONNX Runtime gave and the file stores."""
    computed = (node for node in graph if node.inputs and not node.id.startswith(f"{node.inputs[0]}.transpose"))
    last = {node.source.place.line: node for node in computed}
    for line, node in last.items():
        written = model.graph.node[line - 1]
        value = values[written.output[0]]
        if len(written.output) == 1 and node.shape.elements * samples != value.size:
            yield Disagreement(f"shape: {written.op_type}", f"{node.id}: {node.shape} of {samples}, {value.shape}")
        if len(written.output) == 1 and node.type != value.dtype.name:
            yield Disagreement(f"type: {written.op_type}", f"{node.id}: {node.type}, {value.dtype.name}")
    cost = analyze(graph).cost
    stored, macs = count_stored(model), count_macs(model, values)
    found = cost.parameters + cost.buffers
    if found != stored:
        yield Disagreement("parameters", f"{found}, stored {stored}")
    if cost.macs["flops"] // 2 * samples != macs:  # products of two values too
        yield Disagreement("macs", f"{cost.macs['flops'] // 2} of {samples}, expected {macs}")


def count_stored(model: onnx.ModelProto) -> int:
    """The stored numbers that operations use: single ones only where weights stand."""
    kernels = {name for node in model.graph.node if node.op_type in WEIGHTS for name in node.input[1:]}
    used = {name for node in model.graph.node for name in node.input}
    total = 0
    for item in model.graph.initializer:
        alone = prod(item.dims) == 1 and item.name not in kernels
        total += prod(item.dims) if item.data_type == onnx.TensorProto.FLOAT and item.name in used and not alone else 0
    return total


def count_macs(model: onnx.ModelProto, values: Mapping[str, np.ndarray]) -> int:
    """By the definition of each operation, of all samples."""
    shapes = {name: value.shape for name, value in values.items()}
    shapes |= {item.name: tuple(item.dims) for item in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        out, *reads = (shapes[name] for name in (node.output[0], *filter(None, node.input)))
        if node.op_type == "Conv":
            total += prod(out) * prod(reads[1][1:])
        elif node.op_type == "ConvTranspose":
            total += prod(reads[0]) * prod(reads[1][1:])
        elif node.op_type in ("Gemm", "MatMul"):
            total += prod(out) * reads[0][-1]
        elif node.op_type in GATES:
            steps, batch, inner = reads[0]
            hidden = reads[2][-1]
            total += reads[1][0] * steps * batch * GATES[node.op_type] * hidden * (inner + hidden)
    return total


def analyze_all(graph: Graph) -> Iterator[Disagreement]:
    """What every command asks of a file comes to an end, and sums up to the same."""
    cost = analyze(graph, wanted=("receptive_field", "memory", "lint")).cost
    tree = fold_tree(graph)
    if (tree.parameters, tree.macs) != (cost.parameters + cost.frozen, cost.macs["conv-linear"]):
        yield Disagreement("tree", f"{tree.parameters}, {tree.macs}")
    if not diff_graphs(graph, graph).equal:
        yield Disagreement("diff", "of a graph and itself")
    write_svg(draw_graph(graph))
