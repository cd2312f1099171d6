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
from compiler.onnx_file.accepted import AcceptedSize
from compiler.sizes.accepted_sizes import accepted_sizes, drop_idle_fits, find_nearest, fits

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
    tried = 0
    for candidate in _list_near(sizes):
        if tried > MAX_TRIED_NODES:
            break
        walk = Walk(spec, candidate, MAX_NODES, extensions)
        graph = walk_through(walk)
        tried += walk.reporter.spent // NODE
        if graph is None or walk.reporter.mistakes:
            continue
        found = find_nearest(_prefer_whole(graph), sizes)
        closest = {**sizes, **{name: near for name, (_, near) in found.items()}}
        # An image of a single position is nobody's wish, though it may be all that fits.
        useful = found and not all(rule.value == 1 and not rule.dynamic for rule, _ in found.values())
        if not useful or walk_through(Walk(spec, closest, MAX_NODES, extensions)) is None:
            break
        hints = ", ".join(_hint(name, sizes[name], *fitting) for name, fitting in found.items())
        return [replace(mistake, message=f"{mistake.message} ({hints})") for mistake in mistakes]
    return mistakes


def _list_near(sizes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """List other values of the sizes, the near ones first: all of them equal, and where there are several, of one
    alone."""
    largest = max(sizes.values(), default=0)
    for distance in range(1, MAX_DISTANCE + 1):
        for more in (-distance, distance):
            near = [dict.fromkeys(sizes, largest + more)] if sizes else []
            near += [{**sizes, name: value + more} for name, value in sizes.items()] if len(sizes) > 1 else []
            yield from (candidate for candidate in near if min(candidate.values()) >= 1)


def _prefer_whole(graph: Graph) -> Graph:
    """The graph at sizes of which no stride loses a position, if these fit."""
    rules = accepted_sizes(graph, keep_weights=False)
    whole = {name: -(-rule.value // rule.step) * rule.step for name, rule in rules.items() if rule.dynamic}
    return graph.resize(whole) if fits(graph, whole, keep_weights=False) else graph


def _hint(name: str, wanted: int, rule: AcceptedSize, near: int) -> str:
    """Tell what one size accepts, and what of that is nearest to the wanted value."""
    also = "" if near in rule else f"; {near} fits too"
    return f"{name} accepts {rule}; nearest: {rule.nearest(wanted)}{also}"
