"""Random specs, with norms that leave channels last put in at random: memory against what torch keeps and holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random

import torch

from archspec.api import to_torch
from archspec.ops import GroupNorm, InstanceNorm, LayerNorm, Normalization, Op, Softmax
from archspec.ops.scalar import Activation
from archspec.precision import FloatPrecision
from compiler.analysis.memory.memory import measure_memory
from compiler.graph import Graph, Node
from tests.differential.documents import write_spec
from tests.differential.harness import Disagreement, Outcome
from tests.differential.specs import compile_spec
from tests.support.memory_witness import compare_timelines, draw_inputs, saved_bytes

BATCH = 2
TYPES: Mapping[FloatPrecision | None, torch.dtype | None] = {None: None, "bf16": torch.bfloat16, "fp16": torch.float16}
OTHERS: list[Op] = [
    *[LayerNorm(over="channels")] * 2,
    *[LayerNorm(), InstanceNorm(), GroupNorm(groups=1), Softmax()],
]


def examine(seed: int) -> Outcome:
    graph = write_graph(Random(seed))
    return Outcome([*compare(graph)], Counter({node.op.kind for node in graph}))


def write_graph(random: Random) -> Graph:
    """A spec's graph in which every second activation or normalization of maps may be another."""
    graph = compile_spec(write_spec(random))
    return replace(graph, nodes={id: _swap(node, random) for id, node in graph.nodes.items()})


def _swap(node: Node, random: Random) -> Node:
    stays = not node.shape.rank or not isinstance(node.op, Activation | Normalization) or random.random() < 0.5
    return node if stays else replace(node, op=random.choice(OTHERS))


def compare(graph: Graph) -> Iterator[Disagreement]:
    if measure_memory(graph).marks:
        return
    module, inputs = to_torch(graph), draw_inputs(graph, BATCH)
    for precision, dtype in TYPES.items():
        found = measure_memory(graph, batch=BATCH, precision=precision).training.saved
        kept = saved_bytes(module, inputs, dtype)
        if found != kept:
            yield Disagreement(f"saved in {precision or 'fp32'}", f"{found:,} B, torch {kept:,} B")
    read = {id for id, readers in graph.readers.items() if readers} | {*graph.outputs.values()}
    if read >= set(graph.nodes):  # the run does not drop what nobody reads
        for id, found, held in compare_timelines(graph, BATCH):
            if found != held:
                yield Disagreement("live at inference", f"at {id} {found:,} B, torch {held:,} B")
                break
