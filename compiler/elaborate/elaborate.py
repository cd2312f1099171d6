"""Elaboration compiles a spec to a graph for chosen sizes, with every mistake in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import compiler.elaborate.words  # noqa: F401  (what each word does is found by its import)
from archspec.bounds import MAX_NODES, MAX_WHOLE
from archspec.errors import Diagnostic, Place, SpecError, tell_value
from archspec.ops import Op
from archspec.spec.inputs import is_size, path_of_entry
from archspec.spec.spec import Spec
from compiler.elaborate.build import build_graph, walk_through
from compiler.elaborate.reporter import NODE
from compiler.elaborate.walk import Walk
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.sizes.accepted_sizes import drop_idle_fits, find_whole_row
from compiler.sizes.nearest_sizes import find_changes

MAX_TRIED_NODES = 100_000
"""The number of nodes that are unrolled in search of sizes that fit, before none is proposed."""
MAX_DISTANCE = 128
"""The largest distance from the wanted sizes, in positions, at which others are looked for that fit."""


def elaborate(
    spec: Spec,
    sizes: Mapping[str, int] | None = None,
    *,
    max_nodes: int = MAX_NODES,
    extensions: Mapping[str, type[Op]] | None = None,
) -> Graph:
    """Compile a spec for given values of its dynamic sizes (by default the spec's own).

    `max_nodes` bounds the nodes and loop turns that the spec may expand to; `extensions` are operations that `ext`
    nodes may use, by name. Raises SpecError with every independent mistake, those of reading the spec included.

    >>> graph = archspec.elaborate(archspec.load("resnet_digits"), sizes={"H": 16})
    >>> print(graph["image"].shape, graph["linear_0"].shape)
    1×16×8 10
    """
    chosen, mistakes = _choose_sizes(spec, sizes or {})
    allowed = {**spec.extensions, **(extensions or {})}
    if not mistakes:
        walk, graph = build_graph(spec, chosen, max_nodes, allowed)
        mistakes = walk.reporter.mistakes
        if graph is not None and not mistakes and not spec.mistakes:
            return verify(drop_idle_fits(graph))
        if mistakes and not walk.sizes.fixed and all(mistake.code == "shape-mismatch" for mistake in mistakes):
            mistakes = _with_fitting_sizes(spec, chosen, mistakes, allowed)
        mistakes = _doubt_inputs(spec, mistakes)
    raise SpecError([*spec.mistakes, *mistakes])


def _doubt_inputs(spec: Spec, mistakes: list[Diagnostic]) -> list[Diagnostic]:
    """Add to the first mistake of shape, where an input looks as if its channels came last, that they come first."""
    for name, shape in spec.inputs.items():
        *others, last = [getattr(entry, "text", entry) for entry in shape]
        if len(others) < 2 or last not in (1, 3, 4) or (isinstance(others[0], int) and others[0] <= 4):
            continue
        doubt = f"; should the channels of '{name}' come first, as in [{', '.join(map(str, (last, *others)))}]?"
        first = next((i for i, mistake in enumerate(mistakes) if mistake.code == "shape-mismatch"), None)
        if first is not None:
            said = replace(mistakes[first], message=mistakes[first].message + doubt)
            return [*mistakes[:first], said, *mistakes[first + 1 :]]
    return mistakes


def _choose_sizes(spec: Spec, given: Mapping[str, int]) -> tuple[dict[str, int], list[Diagnostic]]:
    needed: dict[str, tuple[str, int]] = {}
    for name, shape in spec.inputs.items():
        for i, entry in enumerate(shape):
            if is_size(entry):
                needed.setdefault(entry, (name, i))
    mistakes = []
    for name, value in given.items():
        place = Place(f"size {name}")
        if name not in needed:
            listing = f"; there is {', '.join(needed)}" if needed else "; it has none"
            mistakes.append(Diagnostic("unknown-size", f"the inputs have no dynamic size '{name}'{listing}", place))
        elif type(value) is not int or not 1 <= value <= MAX_WHOLE:
            message = f"a size should be a whole number from 1, found {tell_value(value)}"
            mistakes.append(Diagnostic("bad-size", message, place))
    wanted = {**spec.sizes, **given}
    for name, (input_name, i) in needed.items():
        if name not in wanted:
            message = (
                f"the size {name} of the input '{input_name}' has no value; give it in `sizes` or as --size {name}=…"
            )
            place = spec.place_of(*path_of_entry(spec.written, input_name, i))
            mistakes.append(Diagnostic("missing-size", message, place))
    for name in spec.sizes:
        if name not in needed:
            place = spec.place_of("sizes", name, key=True)
            mistakes.append(Diagnostic("unknown-size", f"no input has a size '{name}'", place))
    return {name: wanted[name] for name in needed if name in wanted}, mistakes


def _with_fitting_sizes(
    spec: Spec, sizes: Mapping[str, int], mistakes: list[Diagnostic], extensions: Mapping[str, type[Op]]
) -> list[Diagnostic]:
    """Add to mistakes of shape the sizes that would fit, where there are some near the wanted ones."""
    graph = _find_fitting(spec, sizes, extensions)
    groups = find_changes(graph, sizes) if graph is not None else []
    nearest = {name: value for first, *_ in groups for name, value in first.items()}
    hints = []
    for alternatives in groups:
        others = {name: value for name, value in nearest.items() if name not in alternatives[0]}
        found = [_hint(spec, {**sizes, **others}, change, extensions) for change in alternatives]
        hints += [", or ".join(filter(None, found))] if any(found) else []
    if not hints or len(hints) < len(groups):
        return mistakes
    return [replace(mistake, message=f"{mistake.message} ({', '.join(hints)})") for mistake in mistakes]


def _find_fitting(spec: Spec, sizes: Mapping[str, int], extensions: Mapping[str, type[Op]]) -> Graph | None:
    """The graph at the first of other sizes that fit."""
    tried = 0
    for candidate in _list_near(sizes):
        walk = Walk(spec, candidate, MAX_NODES, extensions)
        graph = walk_through(walk)
        if graph is not None:
            return graph
        tried += walk.reporter.spent // NODE
        if tried > MAX_TRIED_NODES:
            return None
    return None


def _list_near(sizes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """List other values of the sizes, the near ones first: of one alone, or all of them equal."""
    largest = max(sizes.values(), default=0)
    for distance in range(1, MAX_DISTANCE + 1):
        for more in (-distance, distance):
            near = [{**sizes, name: value + more} for name, value in sizes.items()]
            near += [dict.fromkeys(sizes, largest + more)] if len(sizes) > 1 else []
            yield from (candidate for candidate in near if min(candidate.values()) >= 1)


def _hint(
    spec: Spec, sizes: Mapping[str, int], change: Mapping[str, int], extensions: Mapping[str, type[Op]]
) -> str | None:
    """Tell which changes of sizes fit: of one alone also what else it accepts, and what of that is nearest to the
    wanted value; None where they do not fit after all, or are no use."""
    graph = walk_through(Walk(spec, {**sizes, **change}, MAX_NODES, extensions))
    if graph is None:
        return None
    if len(change) > 1:
        fitting = " and ".join(f"{name} {value}" for name, value in change.items())
        return f"no near size fits alone; {fitting} do"
    ((name, near),) = change.items()
    rule = find_whole_row(graph, name)
    if rule.value == 1 and not rule.dynamic:  # an image of a single position is nobody's wish
        return None
    also = "" if near in rule else f"; {near} fits too"
    return f"{name} accepts {rule}; nearest: {rule.nearest(sizes[name])}{also}"
