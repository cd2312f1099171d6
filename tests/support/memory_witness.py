"""Witnesses of memory: what torch's autograd keeps of a forward pass, and what lives in a run of a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from archspec.api import elaborate, load, to_torch
from archspec.ops import Mean
from archspec.ops.merge import Repeating
from compiler.analysis.memory.memory import measure_memory
from compiler.graph import Graph, Node


def saved_bytes(module: nn.Module, inputs: list[Tensor], dtype: torch.dtype | None = None) -> int:
    """The bytes that autograd keeps of a forward pass, each storage once, without the module's own tensors."""
    stored = {tensor.untyped_storage().data_ptr() for tensor in [*module.parameters(), *module.buffers()]}
    kept: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in stored:
            kept[storage.data_ptr()] = storage
        return tensor

    cast = torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), cast:
        module.train()(*inputs)
    return sum(storage.nbytes() for storage in kept.values())


def draw_inputs(graph: Graph, batch: int) -> list[Tensor]:
    return [
        torch.randint(graph.rows[id], (batch, *node.shape)) if id in graph.rows else torch.rand(batch, *node.shape)
        for id, node in graph.inputs.items()
    ]


class Padding(TorchDispatchMode):
    """Keeps what torch pads, which it does in a step of its own where a layer's two sides differ."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.padded: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.constant_pad_nd.default:
            self.padded.append(result)
        return result


class Holding(fx.Interpreter):
    """Runs a module step by step, drops each value after its last reader, and notes what lives at each step."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.timeline: list[int] = []

    def run_node(self, n: fx.Node) -> Any:
        with Padding() as padding:
            result = super().run_node(n)
        if n.op != "output":
            workspace = n.op == "call_module" and isinstance(self.fetch_attr(str(n.target)), nn.LocalResponseNorm)
            values = [*self.env.values(), *([] if workspace else padding.padded), result]
            self.timeline.append(
                sum({v.untyped_storage().data_ptr(): v.untyped_storage().nbytes() for v in values}.values())
            )
        return result


def count_steps(graph: Graph, node: Node) -> int:
    """In how many steps the module computes a node: sums and products are taken two by two."""
    pairs = isinstance(node.op, Repeating | Mean)
    return len(node.inputs) - 1 + isinstance(node.op, Mean) if pairs else int(bool(node.inputs))


def compare_timelines(graph: Graph, batch: int) -> Iterator[tuple[str, int, int]]:
    """For each node the bytes that we find, and the most that live in a run while it is computed; inputs are all there
    from the start."""
    inputs = draw_inputs(graph, batch)
    runner = Holding(to_torch(graph).eval())
    with torch.no_grad():
        runner.run(*inputs)
    held = iter(runner.timeline[len(inputs) :])
    for moment in measure_memory(graph, batch=batch).inference.timeline:
        steps = [next(held) for _ in range(count_steps(graph, graph[moment.node]))]
        if steps:
            yield moment.node, moment.bytes, max(steps)


def shrink(name: str) -> Graph:
    """A network of the zoo, at the smaller sizes that it takes."""
    graph = elaborate(load(name))
    wanted = {size: 64 for size, value in graph.sizes.items() if value >= 128}
    return graph.resize(wanted)
