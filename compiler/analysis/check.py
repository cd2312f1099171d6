"""The mistakes of a spec, and what it expects of its network and does not find."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.bounds import MAX_NODES
from archspec.errors import Diagnostic, Place, SpecError
from archspec.ops import Op
from archspec.spec.load import read_spec
from archspec.spec.spec import Spec
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph


class Checked(tuple[Diagnostic, ...]):
    """The mistakes of a spec, and what is to be known of a sound one: `notes`, a sentence each."""

    notes: tuple[str, ...] = ()


def check(
    source: str | Path,
    params: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    *,
    max_nodes: int = MAX_NODES,
    extensions: Mapping[str, type[Op]] | None = None,
) -> Checked:
    """List every mistake in a spec, in the order of their places; empty where it is sound. `notes` of the result tell
    which sizes of a sound one are fixed.

    >>> archspec.check("residual_mlp")
    ()
    >>> [mistake.message for mistake in archspec.check("residual_mlp", params={"widht": 8})]
    ["the spec has no `widht` in params; did you mean 'width'?"]
    """
    try:
        spec = read_spec(source, params)
        graph = elaborate(spec, sizes, max_nodes=max_nodes, extensions=extensions)
    except SpecError as error:
        # a library has no network, and nothing else may be wrong with it
        return Checked(item for item in error.diagnostics if item.code != "block-library")
    found = Checked(check_expectations(graph, spec))
    found.notes = graph.notes
    return found


def check_expectations(graph: Graph, spec: Spec | None) -> tuple[Diagnostic, ...]:
    """List what a spec expects of its network and does not find. It speaks of the network as written: what a caller
    makes of it by other params or sizes is not held against it."""
    if (
        spec is None
        or not spec.expect
        or any(spec.sizes.get(name) != size for name, size in {**graph.sizes, **graph.fixed_sizes}.items())
    ):
        return ()
    checked = (_check_one(graph, spec, text, place) for text, place in spec.expect)
    return tuple(mistake for mistake in checked if mistake is not None)


def _check_one(graph: Graph, spec: Spec, text: str, place: Place) -> Diagnostic | None:
    from compiler.analysis.compare.conditions import check_conditions, parse_condition
    from compiler.analysis.compare.units import ConditionError

    try:
        (verdict,) = check_conditions(graph, [parse_condition(text)], spec)
    except ConditionError as error:
        return Diagnostic("bad-expectation", f"{error}", place)
    if verdict.holds is None:
        return Diagnostic("bad-expectation", f"{verdict.undecided}", place)
    found = ", ".join(f"{number:,}" for number in verdict.found[:8])
    message = f"the network should have {text}, and has {found}"
    return None if verdict.holds else Diagnostic("unmet-expectation", message, place)
