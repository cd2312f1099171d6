"""A walk through a whole spec, from its inputs to the graph."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.errors import SpecError
from archspec.ops import Op
from archspec.spec.spec import Spec
from compiler.elaborate.bodies import run_body
from compiler.elaborate.scope import Scope
from compiler.elaborate.sharing import find_unequal
from compiler.elaborate.walk import Walk
from compiler.graph import Graph


def build_graph(
    spec: Spec, sizes: Mapping[str, int], max_nodes: int, extensions: Mapping[str, type[Op]], depth: int = 0
) -> tuple[Walk, Graph | None]:
    """Walk through a spec, once more where an expression reads a size or something depends on the number of its
    residuals; the graph is None where the walk has met mistakes. `depth` is the number of levels of nodes around it,
    where it is part of another."""
    walk = Walk(spec, sizes, max_nodes, extensions)
    graph = walk_through(walk, depth)
    while walk.sizes.read or (graph is not None and walk.residuals.wants_total):
        total = walk.residuals.met if graph is not None else None
        walk = Walk(spec, sizes, max_nodes, extensions, total, {**walk.sizes.fixed, **walk.sizes.read})
        graph = walk_through(walk, depth)
    return walk, graph


def walk_through(walk: Walk, depth: int = 0) -> Graph | None:
    """The graph of a walk, or None where there are mistakes."""
    try:
        inputs = walk.put_inputs()
        scope = Scope({**walk.sizes.list_names(), **walk.spec.names}, inputs, depth=depth)
        last = run_body(walk, walk.spec.network, next(iter(inputs.values())), scope)
    except SpecError as stop:  # a bound was reached: nothing after it means anything
        walk.reporter.mistakes = [*walk.reporter.mistakes, *stop.diagnostics]
        return None
    if not walk.outputs and last is not None:
        walk.outputs["output"] = last.id
    for name, id in walk.outputs.items():
        if walk.builder.nodes[id].holds_integers:
            message = f"the output '{name}' is the input '{id}' of type int, with which nothing was computed"
            walk.reporter.report("wrong-numbers", message, walk.builder.nodes[id].source.place)
    if walk.reporter.mistakes or not walk.outputs:
        return None
    sizes = walk.sizes
    graph = Graph(
        walk.spec.name, walk.builder.nodes, walk.outputs, sizes.free, fixed_sizes=sizes.values, notes=sizes.tell()
    )
    for mistake in find_unequal(graph) if walk.builder.shares else ():
        walk.reporter.report(mistake.code, mistake.message, mistake.place, mistake.calls)
    return None if walk.reporter.mistakes else graph
