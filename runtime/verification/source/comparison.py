"""A model file against its network and weights: are these its own, and does torch agree?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from archspec.ops import OpError, Vote
from archspec.wording import cut_middle, list_some
from compiler.onnx_file.metadata import GRAPH, MEMBERS, NAME, PRECISION, QUESTION, TARGET, WEIGHTS
from compiler.torch_target.modes import unaffected
from runtime.verification.checks import Check
from runtime.verification.model.facts import ModelFacts, parse_metadata
from runtime.verification.model.input_ranges import InputRange, find_ranges
from runtime.verification.model.inside import ModelInside
from runtime.verification.options import Original, VerifyOptions
from runtime.verification.proof.cases import proof_cases
from runtime.verification.proof.proof import Shapes, draw_feed, prove
from runtime.verification.proof.shapes import hold_shapes
from runtime.verification.source.bisection import Bisection, ComparedFile, bisect
from runtime.verification.source.interface_match import InterfaceMatch, match_interface
from runtime.verification.source.model_diff import compare_attributes, compare_stored

with extra("train"):
    from compiler.torch_target.module import build_module

with extra("run"):
    from compiler.onnx_target.model import build_model
    from compiler.onnx_target.onnx_model import OnnxModel
    from compiler.onnx_target.options import ExportOptions


@unaffected()
def compare_with_source(
    inside: ModelInside, facts: ModelFacts, original: Original, options: VerifyOptions
) -> tuple[list[Check], Bisection | None]:
    """Compare hashes, then with torch; where that differs, node by node. A file in integers is compared node by node
    alone: its rounding is meant, and adds up.

    Raises ArchspecError where the weights do not fit the network.
    """
    _refuse_ensembles(inside, facts)
    built = build_model(original.graph, original.weights, options=_read_options(facts), rules=original.onnx_rules)
    checks = [*_compare_hashes(facts, built), *compare_question(facts, original.metadata)]
    try:
        match = match_interface(inside, original.graph)
    except ArchspecError as error:
        return [*checks, Check("torch", "failed", str(error))], None
    checks += match.check()
    module = build_module(original.graph, original.weights, rules=original.rules)
    pair = ComparedFile(inside, original.graph, module, built, facts.dtype, match.names_in_file, original.rules)
    cases = _choose_cases(original, options, match)
    if pair.dtype != "int8":
        checks.append(_prove(pair, cases, options))
        if checks[-1].status == "passed":
            return [*checks, *_check_details(inside, built)], None
    check, bisection = _search_nodes(pair, _make_feed(pair, cases[0], options.seed))
    return [*checks, check], bisection


def _refuse_ensembles(inside: ModelInside, facts: ModelFacts) -> None:
    if members := MEMBERS.read(facts.metadata):
        many = f"{inside.path} is an ensemble of {members} members"
        raise InputError(f"{many}: one network's weights cannot be held against it")


def _read_options(facts: ModelFacts) -> ExportOptions:
    """Read what the file was exported with, as far as it changes which nodes there are."""
    chosen = {key.word: facts.metadata[key] for key in (PRECISION, TARGET) if key in facts.metadata}
    return ExportOptions(**chosen)  # type: ignore[arg-type]  # it checks them itself


def _compare_hashes(facts: ModelFacts, built: OnnxModel) -> list[Check]:
    told, here = facts.metadata, built.metadata
    return [
        _compare_hash("network", told.get(GRAPH), here[GRAPH], told.get(NAME, "another network")),
        _compare_hash("weights", told.get(WEIGHTS), here[WEIGHTS], "other weights"),
    ]


def _compare_hash(name: str, told: str | None, here: str, other: str) -> Check:
    if told is None:
        return Check(name, "noted", f"the file does not say what {name} it was exported from")
    if told == here:
        return Check(name, "passed", f"the file says that it was exported from these: {here[:12]}")
    hint = "; were --set and --size the same?" if name == "network" else ""
    return Check(
        name,
        "noted",
        f"the file was exported from {other}: it names {told[:12]}, and this is {here[:12]}{hint}",
    )


def compare_question(facts: ModelFacts, told: Mapping[str, str]) -> Iterator[Check]:
    """Compare what the file is asked with what its weights were trained for: other names are other answers."""
    known, said = (
        {key.word: parse_metadata(texts[key]) for key in QUESTION if key in texts} for texts in (told, facts.metadata)
    )
    other = [key for key in known if key in said and said[key] != known[key]]
    alone = [f"the file does not say its {key}" for key in known if key not in said]
    alone += [f"these weights do not say their {key}" for key in said if key not in known]
    if other:
        pairs = (f"{key} {_shorten(said[key])}, and of these weights {_shorten(known[key])}" for key in other)
        yield Check("question", "failed", f"the file answers something else: {'; '.join(pairs)}")
    elif known and alone:
        yield Check("question", "noted", f"not compared: {'; '.join(alone)}")
    elif known:
        yield Check("question", "passed", f"as these weights have it: {', '.join(known)}")


def _shorten(value: Any) -> str:
    return cut_middle(json.dumps(value, ensure_ascii=False), 60)


def _choose_cases(
    original: Original, options: VerifyOptions, match: InterfaceMatch
) -> list[dict[str, tuple[int, ...]]]:
    """Choose where both are run: at the inputs of an export's proof, as far as the file takes them."""
    graph = original.graph
    if not options.cases:
        own = {name: (match.batch or 1, *node.shape) for name, node in graph.inputs.items()}
        return [case for case in proof_cases(graph) if match.take(case)] or [own]
    try:
        return [{name: (batch, *graph.infer(sizes)[name]) for name in graph.inputs} for batch, sizes in options.cases]
    except OpError as error:
        raise InputError(f"{graph.name} does not take these sizes: {error}") from error


def _prove(pair: ComparedFile, cases: Sequence[Shapes], options: VerifyOptions) -> Check:
    votes = {name for name, id in pair.graph.outputs.items() if isinstance(pair.graph[id].op, Vote)}
    try:
        path, rows = pair.inside.path, pair.graph.rows
        proof = prove(path, pair.module, cases, options, votes=votes, rows=rows, names_in_file=pair.names_in_file)
        hold_shapes(pair.graph, proof)
    except ArchspecError as error:
        return Check("torch", "failed", str(error))
    return Check(
        "torch", "passed", f"agrees to {proof.worst:.1e} at {len(cases)} inputs; {proof.tolerance:.0e} is allowed"
    )


def _check_details(inside: ModelInside, built: OnnxModel) -> Iterator[Check]:
    """Check what of attributes and stored numbers that were changed does not show in the outputs."""
    different = [*compare_attributes(inside, built), *compare_stored(inside, built)]
    if different:
        yield Check("nodes", "noted", f"the outputs do not show it, but {list_some(different)}")


def _make_feed(pair: ComparedFile, shapes: Shapes, seed: int) -> dict[str, Array]:
    """Standard normal numbers, or whole ones that name rows, by the network's names of its inputs."""
    feed = draw_feed(np.random.default_rng(seed), shapes, pair.graph.rows)
    if pair.dtype != "int8":
        return feed
    ranges = find_ranges(pair.inside)
    return {name: _reach(array, ranges.get(pair.names_in_file.get(name, name))) for name, array in feed.items()}


def _reach(array: Array, range: InputRange | None) -> Array:
    """An input that ends where the file's integers do, and reaches over them where else hardly any is left."""
    return array if range is None else range.cut(range.fill(array))


def _search_nodes(pair: ComparedFile, feed: Mapping[str, Array]) -> tuple[Check, Bisection | None]:
    """Compare node by node, which speaks for a file in integers; of any other it says where a difference comes from."""
    alone = pair.dtype == "int8"
    try:
        bisection = bisect(pair, feed)
    except ArchspecError as error:
        return Check("nodes", "failed" if alone else "noted", str(error)), None
    return _judge(bisection, alone), bisection


def _judge(bisection: Bisection, alone: bool) -> Check:
    """Judge by what the comparison of nodes says. It speaks for the file where nothing else was compared."""
    count, most = bisection.compared, f"at most {bisection.largest:.1e} of {bisection.metric.of}"
    if bisection.first is None:
        if alone:
            return Check("nodes", "passed", f"each of {count} nodes by itself is off by {most}, rounding included")
        text = f"no node by itself differs: each of {count} is off by {most}; what they add up to does"
        return Check("nodes", "noted", text)
    return Check("nodes", "failed" if alone else "noted", f"the first that differs by itself: {bisection.first}")
