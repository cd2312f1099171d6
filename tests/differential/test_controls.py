"""The comparisons can fail: what is wrong on purpose is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import networkx as nx
import pytest

from archspec.api import to_torch
from compiler.graph import Graph, Node
from tests.differential.documents import Spec, write_document, write_spec
from tests.differential.harness import Disagreement, Outcome, Summary, examine_safely, table
from tests.differential.network import Network
from tests.differential.shrink import shrink
from tests.differential.specs import (
    compare,
    compare_counts,
    compare_structure,
    compare_values,
    compare_verdicts,
    compile_spec,
    explain_spec,
)
from tests.support.lowering import stir

SPEC = Spec(
    {
        "archspec": 1,
        "inputs": {"x": [3, "H", 8]},
        "sizes": {"H": 8},
        "network": [
            {"conv": {"out": 4, "stride": 2, "name": "stem"}},
            {"batch_norm": {"eps": 0.001}},
            {"residual": {"body": [{"conv": 4}, {"leaky_relu": 0.1}]}},
            {"concat": {"branches": [[], [{"conv": {"out": 2, "padding": 0}}]], "fit": "crop"}},
            {"output": "map"},
            "global_avg_pool",
            "flatten",
            {"linear": 3},
            {"output": "classes"},
        ],
    }
)


def kinds(found: Iterator[Disagreement]) -> set[str]:
    return {one.kind for one in found}


def change(network: Network, name: str, **changes: Any) -> Network:
    operations = {**network.operations, name: replace(network.operations[name], **changes)}
    return Network(operations, network.outputs, network.letters)


def fields(network: Network, name: str, **values: Any) -> Network:
    return change(network, name, fields={**network.operations[name].fields, **values})


def renamed(network: Network) -> Network:
    operations = {("root" if key == "stem" else key): value for key, value in network.operations.items()}
    return Network(operations, network.outputs, network.letters)


def inputs_of(network: Network, name: str) -> tuple[str, ...]:
    return network.operations[name].inputs


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (lambda n: fields(n, "stem", stride=1), "fields"),
        (lambda n: fields(n, "stem", init="zeros"), "fields"),
        (lambda n: fields(n, "batch_norm_0", eps=1e-5), "fields"),
        (lambda n: change(n, "stem", kind="conv_transpose"), "operation"),
        (lambda n: change(n, "stem", shape=(4, 4, 5)), "shape"),
        (lambda n: change(n, "residual_0.add", inputs=inputs_of(n, "residual_0.add")[:1]), "operands"),
        (lambda n: change(n, "concat_0.concat", inputs=inputs_of(n, "concat_0.concat")[::-1]), "operands"),
        (lambda n: Network(n.operations, {**n.outputs, "map": "stem"}, n.letters), "outputs"),
        (lambda n: fields(n, "linear_0", bias=False), "weights"),
        (renamed, "names"),
    ],
)
def test_a_wrong_structure_is_found(wrong: Callable[[Network], Network], kind: str) -> None:
    network, graph = SPEC.interpret(), compile_spec(SPEC)
    assert not kinds(compare_structure(network, graph))
    assert kind in kinds(compare_structure(wrong(network), graph))


def test_a_wrong_count_is_found() -> None:
    network, graph = SPEC.interpret(), compile_spec(SPEC)
    assert not kinds(compare_counts(network, graph))
    grouped = fields(network, "residual_0.body.conv_0", groups=2)
    assert kinds(compare_counts(grouped, graph)) == {"parameters", "macs"}
    plain = change(network, "residual_0.add", kind="relu", inputs=inputs_of(network, "residual_0.add")[:1])
    assert kinds(compare_counts(plain, graph)) == {"paths"}
    assert "buffers" in kinds(compare_counts(change(network, "batch_norm_0", kind="layer_norm"), graph))
    assert "activations" in kinds(compare_counts(change(network, "stem", shape=(4, 4, 5)), graph))


OTHER_MODES = {"nearest": "linear", "zeros": "edge", "edge": "zeros", "reflect": "edge"}
WRONG: dict[str, Callable[[Any], Any]] = {
    "eps": lambda eps: eps * 1.5,
    "slope": lambda slope: slope + 0.01,
    "alpha": lambda alpha: alpha * 1.01,
    "approximate": lambda word: "none" if word == "tanh" else "tanh",
    "mode": lambda word: OTHER_MODES.get(word, "nearest"),
    "over": lambda word: "sample" if word == "channels" else "channels",
    "value": lambda value: value + 0.01,
    "survival": lambda survival: survival * 0.99,
}
"""What is wrong about a field, such that all shapes stay."""


def wrong_lowering(graph: Graph, random: Random) -> tuple[str, Graph] | None:
    """The graph with one mistake, in what its outputs depend on."""
    alive = {node for output in graph.outputs.values() for node in nx.ancestors(graph.digraph, output) | {output}}
    faults: list[tuple[str, Node]] = []
    for node in graph:
        if node.id not in alive or getattr(node.op, "trainable", False) or getattr(node.op, "rescale", False):
            continue
        idle = {"eps"} if node.op.has_kernel and not getattr(node.op, "standardize", False) else set()
        idle |= set() if node.op.family == "norm" else {"over"}  # elsewhere it changes the shape
        for key in sorted((WRONG.keys() & type(node.op).model_fields.keys()) - idle):
            wrong = node.op.model_copy(update={key: WRONG[key](getattr(node.op, key))})
            faults.append((f"{key} of {node.id}", replace(node, op=wrong)))
        operands = tuple(graph[operand].shape for operand in node.inputs)
        if node.op.kind == "concat" and len(set(operands)) == 1 and len(set(node.inputs)) > 1:
            faults.append((f"order of {node.id}", replace(node, inputs=node.inputs[::-1])))
        if node.op.kind in ("add", "shake") and len(node.inputs) > 1:
            faults.append((f"last operand of {node.id}", replace(node, inputs=node.inputs[:-1])))
    if not faults:
        return None
    name, node = random.choice(faults)
    return name, replace(graph, nodes={**graph.nodes, node.id: node})


def test_nearly_every_mistake_of_a_lowering_shows_in_the_values() -> None:
    """One mistake in each of many networks; a few have no effect, as behind a ReLU that lets nothing pass."""
    missed, tried = [], 0
    for seed in range(40):
        spec, random = write_spec(Random(seed)), Random(seed)
        network, graph = spec.interpret(), compile_spec(spec)
        fault = wrong_lowering(graph, random)
        if fault is None:
            continue
        tried += 1
        if not kinds(compare_values(network, stir(to_torch(fault[1]).double()).eval())):
            missed.append((seed, fault[0]))
    assert tried > 10
    assert len(missed) <= tried // 8, missed


def test_a_verdict_of_one_side_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    unsound = Spec({**SPEC.document, "network": [{"conv": {"out": 4, "groups": 2}}]})
    assert not kinds(compare_verdicts(unsound))
    monkeypatch.setattr("tests.differential.specs.compile_spec", lambda spec: compile_spec(SPEC))
    assert kinds(compare_verdicts(unsound)) == {"edited: accepted"}
    monkeypatch.setattr("tests.differential.specs.compile_spec", lambda spec: compile_spec(unsound))
    assert kinds(compare_verdicts(SPEC)) == {"edited: refused: shape-mismatch"}
    assert kinds(compare(SPEC)) == {"refused: shape-mismatch"}


def test_what_fails_becomes_small() -> None:
    """A document of many nodes of which one word matters."""
    document = write_document(Random(7))
    document["network"].insert(1, {"repeat": {"n": 2, "body": [{"residual": {"body": ["relu", {"conv": 64}]}}]}})
    smallest = shrink(document, lambda data: "'conv': 64" in str(data))
    assert smallest == {"network": [{"conv": 64}]}


def test_a_disagreement_is_explained_by_its_smallest_form() -> None:
    def ask(spec: Spec) -> Iterator[Disagreement]:
        """As if strides of two were wrong."""
        if any(operation.fields.get("stride") == 2 for operation in spec.interpret().operations.values()):
            yield Disagreement("stride", "2")

    text = explain_spec(SPEC, ask)
    smallest, said = text[: text.rindex("}") + 1], text[text.rindex("}") + 1 :]
    assert json.loads(smallest)["document"]["network"] == [{"conv": {"out": 1, "stride": 2}}]
    assert said.strip() == "stride: 2"


def test_a_run_sums_up_by_kind_with_seeds() -> None:
    def examine(seed: int) -> Outcome:
        if seed == 3:
            raise ValueError("unexpected")
        return Outcome([Disagreement("count", f"{seed}")] if seed % 2 else [])

    summary = Summary()
    for seed in range(6):
        summary.add(seed, examine_safely(examine, seed))
    assert {kind: [seed for seed, _ in found] for kind, found in summary.found.items()} == {
        "count": [1, 5],
        "crash: ValueError": [3],
    }
    assert table(summary).splitlines()[:4] == [
        "6 seeds, 2 kinds of disagreement",
        "",
        "     2  count",
        "        seeds 1, 5",
    ]
