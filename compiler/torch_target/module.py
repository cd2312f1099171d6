"""Graph → nn.Module, through torch.fx: one module for each layer, nested and named as the spec is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from archspec.errors import ArchspecError
from archspec.ops import Input, Op
from compiler.graph import Graph
from compiler.torch_target.initialize import initialize
from compiler.torch_target.rules import RULES, TorchRule

MAX_PARAMETERS = 1 << 33
"""The largest number of weights that a module is built with, 32 GiB in fp32; a spec that asks for more is more likely
wrong than wanted."""

NODE = "node"
"""The key under which a node of the module's graph says which of ours it computes, in `meta`."""

TAKEN = frozenset(("self", "torch", "device", "inf", "nan", "NoneType", "fx_pytree", "pytree"))
"""The names that generated code uses: an input of that name gets an underscore as an argument of `forward`."""


def to_torch(graph: Graph, *, seed: int = 0, rules: Mapping[type[Op], TorchRule] | None = None) -> fx.GraphModule:
    """Build a module whose state dict has the names of `graph.weights`, initialized from `seed`. Nodes that share
    weights share a module.

    It takes the inputs in order, each (N, C, *S), and gives a tensor, or with several outputs a dict by name. `rules`
    are those of a caller's own operations. torch's global random state is neither used nor changed. The module is on
    the CPU, of torch's default type; in another than float32 other numbers are drawn.
    """
    module = lower(graph, rules=rules).to_empty(device="cpu")
    initialize(module, graph, seed)
    return module


def lower(graph: Graph, *, rules: Mapping[type[Op], TorchRule] | None = None) -> fx.GraphModule:
    """Build the module of `to_torch` on the meta device: it says how to compute, and has no numbers."""
    wanted = sum(weight.numel for weight in graph.weights.values())
    if wanted > MAX_PARAMETERS:
        raise ArchspecError(f"{graph.name} has {wanted:,} weights; at most {MAX_PARAMETERS:,} are built")
    table = RULES.extended(rules or {})
    root = nn.Module()
    flow = fx.Graph()
    tracer = fx.proxy.GraphAppendingTracer(flow)
    values: dict[str, fx.Node] = {}
    with torch.device("meta"):
        for node in graph:
            if isinstance(node.op, Input):
                values[node.id] = flow.placeholder(f"{node.id}_" if node.id in TAKEN else node.id)
                continue
            operands = tuple(values[operand] for operand in node.inputs)
            made = table[type(node.op)](node.op, *graph.operands(node))
            if isinstance(made, nn.Module):
                if graph.holds(node):  # one module computes for all that share its weights
                    _attach(root, node.home, made)
                # fx numbers equal names: conv, conv_1, …; the module's path stands beside it in the generated code
                values[node.id] = flow.create_node("call_module", node.home, operands, name=node.op.kind)
            else:
                values[node.id] = _trace(made, operands, tracer)
            values[node.id].meta[NODE] = node.id
    outputs = {name: values[id] for name, id in graph.outputs.items()}
    flow.output(next(iter(outputs.values())) if len(outputs) == 1 else outputs)
    flow.lint()
    return fx.GraphModule(root, flow, class_name=_class_name(graph.name))


def build_module(
    graph: Graph, weights: Mapping[str, Any], *, rules: Mapping[type[Op], TorchRule] | None = None
) -> fx.GraphModule:
    """Build the module of `to_torch` with these weights, by name. Raises ArchspecError where they are not the
    graph's."""
    module = to_torch(graph, rules=rules)
    assign_weights(module, graph, weights)
    return module


def assign_weights(module: nn.Module, graph: Graph, weights: Mapping[str, Any]) -> None:
    """Copy weights by name into a module; every tensor must be there, with its shape. Raises ArchspecError."""
    graph.check_weights({name: tuple(value.shape) for name, value in weights.items()})
    state = {
        name: value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value))
        for name, value in weights.items()
    }
    module.load_state_dict(state, strict=True)


def _trace(merge: Callable[..., Any], operands: tuple[fx.Node, ...], tracer: fx.proxy.TracerBase) -> fx.Node:
    """The node that a merge's function makes when it is called on stand-ins for its operands."""
    node: fx.Node = merge(*(fx.Proxy(operand, tracer) for operand in operands)).node
    return node


def _attach(root: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module at a dotted path, with plain modules above it."""
    *scopes, name = path.split(".")
    for scope in scopes:
        if not hasattr(root, scope):
            root.add_module(scope, nn.Module())
        root = root.get_submodule(scope)
    root.add_module(name, module)


def _class_name(name: str) -> str:
    words = re.sub(r"\W", "_", name)
    return words if words[:1].isalpha() else f"Network_{words}"
