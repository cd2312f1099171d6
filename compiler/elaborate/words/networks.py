"""Networks of other specs as blocks: their nodes, below the name of the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from typing import Any

from pydantic_core import PydanticCustomError

from archspec.errors import BlockCall, Place, SpecError
from archspec.ops import Input
from archspec.spec.blocks import Block
from archspec.spec.body import CallNode
from archspec.spec.definitions import check_value
from archspec.spec.expressions import lookup_of
from archspec.spec.inputs import is_size
from archspec.spec.params import explain_mismatch
from archspec.spec.spec import Spec
from compiler.elaborate.bodies import MAX_PATH, stop_too_deep
from compiler.elaborate.build import build_graph
from compiler.elaborate.reporter import NODE, SkipNode
from compiler.elaborate.scope import MaybeNode, Scope, Step
from compiler.elaborate.walk import Walk
from compiler.graph import Graph, Node, NodeSource
from compiler.scope_tree import scopes_around

MAX_LIKE = 2000
"""The largest number of names among which one is looked for that a slip may have meant."""


def run_network(
    walk: Walk, node: CallNode, step: Step, block: Block, inside: Scope
) -> tuple[MaybeNode, dict[str, MaybeNode]]:
    """Put in what another spec's network computes of the value that comes in, and of those that are handed over by the
    names of its other inputs.

    What goes on is the last value that the block gives, or the network's first output; what feeds none of those that
    are given is left out. The second part are the values that are given, by name.
    """
    spec = _choose_params(walk, step, block, inside)
    first, *others = spec.inputs
    values = {first: step.value, **{name: inside.taps[name] for name in others}}
    graph = _build_at(walk, node, step, spec, values, inside)
    wanted = _find_given(walk, block, spec, graph, inside) or {"": next(iter(graph.outputs.values()))}
    nodes = _copy_nodes(
        walk, step, graph, {name: value for name, value in values.items() if value}, set(wanted.values()), inside.calls
    )
    given: dict[str, MaybeNode] = {name: nodes[id] for name, id in wanted.items()}
    return [*given.values()][-1], given if block.gives else {}


def _choose_params(walk: Walk, step: Step, block: Block, inside: Scope) -> Spec:
    """The block's spec with the params that the block chooses for it."""
    spec: Spec = block.spec
    chosen = {}
    for name, written in block.params.items():
        value = walk.evaluator.evaluate(step.within(inside), written, "params", name, of=block)
        try:
            problem = explain_mismatch(name, check_value(value), spec.params, f"the params of {spec.name}")
        except PydanticCustomError as error:
            problem = f"`{name}` {error.message()}"
        if problem:
            known = name in spec.params
            place = block.place_of("params", name, key=not known)
            walk.reporter.fail("bad-param" if known else "unknown-param", problem, place, inside.calls)
        chosen[name] = value
    try:
        return spec.with_params(chosen) if chosen else spec
    except SpecError as error:
        for mistake in error.diagnostics:
            walk.reporter.report(mistake.code, mistake.message, block.place_of("params"), inside.calls)
        raise SkipNode from None


def _build_at(
    walk: Walk, node: CallNode, step: Step, spec: Spec, values: Mapping[str, MaybeNode], inside: Scope
) -> Graph:
    """The graph of a spec at the extents of the values that come in. What is wrong in it is told with the call."""
    sizes: dict[str, int] = {}
    for name, entries in spec.inputs.items():
        value = values[name]
        if value is None:
            raise SkipNode
        lookup = lookup_of(spec.names)
        wanted = [walk.evaluator.compute(entry, lookup, inside.calls, spec, "inputs", name) for entry in entries]
        if not _bind(wanted, value, sizes):
            taken = "×".join(f"{entry}" for entry in wanted)
            message = f"the network {spec.name} takes {taken} as its input '{name}', found {value.shape}"
            place = step.place() if name == next(iter(spec.inputs)) else step.place(name)
            walk.reporter.fail("shape-mismatch", message, place, step.calls)
        if value.holds_integers != (entries.type == "int"):
            taken, found = ("whole", "any") if entries.type == "int" else ("any", "whole")
            message = f"the network {spec.name} takes {taken} numbers as its input '{name}', found {found} ones"
            walk.reporter.fail("wrong-numbers", message, step.place(), step.calls)
    room = max(walk.reporter.max_nodes - walk.reporter.spent // NODE, 0)
    inner, graph = build_graph(spec, sizes, room, walk.extensions, inside.depth)
    walk.reporter.spend(inner.reporter.spent, node, step.calls)
    _fix_sizes(walk, spec, values, inner.sizes.fixed)
    for mistake in inner.reporter.mistakes:
        walk.reporter.report(mistake.code, mistake.message, mistake.place, (*mistake.calls, *inside.calls))
    if graph is None:
        raise SkipNode
    return graph


def _bind(entries: Sequence[Any], value: Node, sizes: dict[str, int]) -> bool:
    """Give the dynamic sizes of an input the extents of a value; False where these are not of its shape."""
    fits = len(entries) == len(value.shape)
    for entry, extent in zip(entries, value.shape, strict=False):
        fits = fits and (sizes.setdefault(entry, extent) if is_size(entry) else entry) == extent
    return fits


def _fix_sizes(walk: Walk, spec: Spec, values: Mapping[str, MaybeNode], fixed: Mapping[str, Place]) -> None:
    """Fix the sizes that the extents follow which the network has as its own fixed sizes."""
    for name, entries in spec.inputs.items():
        value = values[name]
        for axis, entry in enumerate(entries):
            if entry in fixed and value is not None:
                walk.sizes.keep(walk.find_sizes(value, axis), fixed[entry])


def _find_given(walk: Walk, block: Block, spec: Spec, graph: Graph, inside: Scope) -> dict[str, str]:
    """The nodes that the block gives, by the names under which it does."""
    found = {}
    for key, id, place in walk.evaluator.list_given(block, spec.names, inside.calls):
        node = _find_node(graph, id)
        if node is None:
            message = f"the network {spec.name} has no node '{id}'{_suggest_node(graph, id)}"
            walk.reporter.fail("unknown-value", message, place, inside.calls)
        found[key] = node
    return found


def _find_node(graph: Graph, id: str) -> str | None:
    """The node of this id, or the last one in the scope of this name, such as a turn of a loop."""
    return (
        id
        if id in graph.nodes
        else next((name for name in reversed([*graph.nodes]) if name.startswith(f"{id}.")), None)
    )


def _suggest_node(graph: Graph, id: str) -> str:
    """Suggest which node may be meant, as the end of a message: an output's, or those of a like name."""
    if id in graph.outputs:
        return f"; its output of this name is '{graph.outputs[id]}'"
    scopes = {scope: None for name in graph.nodes for scope in (*scopes_around(name), name)}
    near = get_close_matches(id, islice(scopes, MAX_LIKE), n=3, cutoff=0.6)
    listing = " or ".join(f"'{name}'" for name in near)
    last = [*graph.nodes][-1]
    return f"; did you mean {listing}?" if near else f"; its last one is '{last}', and `archspec show` lists all"


def _copy_nodes(
    walk: Walk, step: Step, graph: Graph, values: Mapping[str, Node], wanted: set[str], calls: tuple[BlockCall, ...]
) -> dict[str, Node]:
    """Put in the nodes on which the wanted ones depend, below the name of the call, and give them by their own ids."""
    for node in reversed([*graph]):
        if node.id in wanted:
            wanted.update(node.inputs)
    copies: dict[str, Node] = {}
    for node in graph:
        if isinstance(node.op, Input):
            copies[node.id] = values[node.id]
        elif node.id in wanted:
            if len(step.id) + len(node.id) > MAX_PATH:
                stop_too_deep(walk, step)
            source = NodeSource(node.source.place, (*node.source.calls, *calls))
            operands = tuple(copies[id].id for id in node.inputs)
            body = None if node.body is None else f"{step.id}.{node.body}"
            home = _find_home(step, node)
            copy = replace(node, id=f"{step.id}.{node.id}", inputs=operands, source=source, body=body, shared=home)
            copies[node.id] = walk.builder.keep_copy(step, copy)
    return copies


def _find_home(step: Step, node: Node) -> str | None:
    """The path under which the weights of a copy are named where it shares them: with other calls, or in its spec."""
    if step.home is not None:
        return f"{step.home}.{node.home}"
    return None if node.shared is None else f"{step.id}.{node.shared}"
