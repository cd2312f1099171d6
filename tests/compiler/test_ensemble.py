"""Ensembles: several networks in one graph give what numpy makes of the members' own outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from archspec.api import elaborate, load, proof_cases, to_onnx, to_torch
from archspec.errors import ArchspecError, InputError
from compiler.ensemble import combine, member_weights
from compiler.graph import Graph
from compiler.graph_check import verify
from runtime.verification.differences import MAX_FLIPS, compare_votes
from runtime.verification.proof.proof import prove
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, difference, export, run_onnx, run_torch, sample_inputs, stir_members

Arrays = dict[str, NDArray[Any]]
CLASSIFIER = {
    "archspec": 1,
    "inputs": {"image": [2, 8, 8]},
    "network": [{"conv": {"out": 4}}, "norm", "relu", "global_avg_pool", "flatten", {"linear": 5}],
}
SEGMENTER = {
    "archspec": 1,
    "inputs": {"image": [2, "H", "W"], "hint": [2, "H", "W"]},
    "sizes": {"H": 8, "W": 8},
    "network": [
        {"add": [[], [{"conv": {"out": 2}}]]},
        {"output": "early"},
        {"residual": {"body": [{"conv": {"out": 2, "kernel": 1}}, "norm"]}},
        {"conv": {"out": 3, "kernel": 1}},
    ],
}


def build(document: Any = CLASSIFIER) -> Graph:
    return graph_from(document)


def outputs_of(graph: Graph, member: Arrays, inputs: Arrays, folder: Path) -> Arrays:
    """One member's own outputs, from its own ONNX file."""
    return run_onnx(export(graph, member, folder), inputs)


def count_votes(outputs: list[NDArray[Any]]) -> NDArray[np.float32]:
    """The share of members in which a channel is the largest, by numpy."""
    channels = outputs[0].shape[1]
    winners = [np.moveaxis(np.eye(channels)[array.argmax(1)], -1, 1) for array in outputs]
    return np.mean(winners, axis=0).astype(np.float32)


@pytest.mark.parametrize("how", ["mean", "vote"])
@pytest.mark.parametrize("document", [CLASSIFIER, SEGMENTER], ids=["classifier", "segmenter"])
def test_torch_and_onnx_combine_as_numpy_does(how: str, document: Any, tmp_path: Path) -> None:
    graph = build(document)
    members = stir_members(graph, 3)
    inputs = sample_inputs(graph, 4)
    own = [outputs_of(graph, member, inputs, tmp_path) for member in members]
    expected = {}
    for name in graph.outputs:
        arrays = [outputs[name] for outputs in own]
        expected[name] = np.mean(arrays, axis=0) if how == "mean" else count_votes(arrays)
    combined = combine(graph, 3, how)
    verify(combined)
    weights = member_weights(members)
    module = to_torch(combined)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    assert difference(expected, run_torch(combined, module, inputs)) <= TOLERANCE
    (tmp_path / "all").mkdir()
    assert difference(expected, run_onnx(export(combined, weights, tmp_path / "all"), inputs)) <= TOLERANCE
    (tmp_path / "wrong").mkdir()
    wrong = export(combined, member_weights([members[0], members[1], members[1]]), tmp_path / "wrong")
    assert difference(expected, run_onnx(wrong, inputs)) > 10 * TOLERANCE


def test_members_share_the_inputs_and_keep_their_parts() -> None:
    graph = build(SEGMENTER)
    combined = combine(graph, 4, "mean")
    assert list(combined.inputs) == list(graph.inputs)
    assert list(combined.outputs) == list(graph.outputs)
    assert len(combined.weights) == 4 * len(graph.weights)
    assert {name.partition(".")[0] for name in combined.weights} == {f"member{i}" for i in range(4)}
    bodies = {node.body for node in combined if node.body}
    assert len(bodies) == 4 * len({node.body for node in graph if node.body})


def test_the_export_proves_itself_and_repeats(tmp_path: Path) -> None:
    """At several sizes and batches; and the same members give the same bytes."""
    graph = build(SEGMENTER)
    weights = member_weights(stir_members(graph, 2))
    for name in ("first.onnx", "second.onnx"):
        proof = to_onnx(combine(graph, 2, "mean"), weights, tmp_path / name).proof
        assert proof is not None
        assert len(proof.cases) >= 3
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()


def test_votes_are_proven_by_the_share_of_positions(tmp_path: Path) -> None:
    """Rounding decides between two channels that are nearly equal, but not in one position of a thousand."""
    graph = build(SEGMENTER)
    members = stir_members(graph, 2)
    combined = combine(graph, 2, "vote")
    path = tmp_path / "vote.onnx"
    proof = to_onnx(combined, member_weights(members), path).proof
    assert proof is not None
    assert proof.worst <= MAX_FLIPS
    module = to_torch(combined)
    wrong = member_weights([members[0], members[0]])
    module.load_state_dict({name: torch.from_numpy(array) for name, array in wrong.items()})
    with pytest.raises(ArchspecError, match=r"of its positions between torch and ONNX; at most 0\.001"):
        prove(path, module, proof_cases(combined), votes=list(combined.outputs))


def test_a_flip_is_a_share_of_positions() -> None:
    votes = np.zeros((2, 3, 10, 50), np.float32)
    votes[:, 0] = 1
    other = votes.copy()
    other[0, :, 0, 0] = (0.5, 0.5, 0)
    assert compare_votes(votes, other) == 1 / 1000
    assert compare_votes(votes, votes) == 0


def test_a_graph_whose_output_is_its_input() -> None:
    graph = build({"archspec": 1, "inputs": {"member0": [3, 2]}, "network": []})
    module = to_torch(combine(graph, 2, "mean"))
    x = torch.randn(2, 3, 2)
    torch.testing.assert_close(module(x), x)


@pytest.mark.parametrize(
    ("count", "how", "message"),
    [
        (1, "mean", "at least two members, found 1"),
        (0, "vote", "at least two members, found 0"),
        (2, "vot", "mean or vote, found 'vot'; did you mean 'vote'"),
        (10**9, "mean", "nodes in all"),
    ],
)
def test_what_is_no_ensemble_is_refused(count: int, how: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        combine(build(), count, how)


def test_a_vote_needs_channels() -> None:
    graph = build({"archspec": 1, "inputs": {"x": [3]}, "network": [{"linear": 1}]})
    with pytest.raises(InputError, match="'output' of spec has one; combine by mean"):
        combine(graph, 2, "vote")
    assert combine(graph, 2, "mean")


def test_a_network_of_the_zoo() -> None:
    """Its counts are the members' together."""
    from archspec.api import analyze

    graph = elaborate(load("resnet20"))
    one, three = analyze(graph, by_length=False), analyze(combine(graph, 3, "mean"), by_length=False)
    assert three.cost.parameters == 3 * one.cost.parameters
    assert three.cost.macs["conv-linear"] == 3 * one.cost.macs["conv-linear"]
