"""A proof looks at both ends of every promised size, and finds a promise that breaks late."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.api import accepted_sizes, elaborate, load, proof_cases, to_onnx, to_torch
from archspec.errors import ArchspecError
from archspec.ops import Relu
from compiler.graph import Graph
from compiler.onnx_file.accepted import AcceptedSize
from compiler.onnx_target import model as onnx_model
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules import RULES, OnnxRule
from compiler.rule_table import RuleTable
from runtime.verification.proof.cases import MAX_PROOF_MACS, WRITTEN, choose_small


def network(folder: Path, text: str) -> Graph:
    (folder / "spec.yaml").write_text(f"archspec: 1\n{text}\n")
    return elaborate(load(folder / "spec.yaml"))


def always(batch: int, sizes: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("rules", "ends"),
    [
        ({"H": AcceptedSize(8, 1, 1)}, {"H": {1, 17}}),
        ({"H": AcceptedSize(32, 1, 1, 40)}, {"H": {1, 40}}),
        ({"H": AcceptedSize(32, 2, 10, 42)}, {"H": {2, 42}}),
        ({"H": AcceptedSize(8, 1, 1), "W": AcceptedSize(96, 32, 32)}, {"H": {1, 17}, "W": {32, 224}}),
        (
            {"D": AcceptedSize(8, 4, 4), "H": AcceptedSize(8, 8, 8), "W": AcceptedSize(8, 8, 8, 24)},
            {"D": {4, 20}, "W": {8, 24}},
        ),
        ({"H": AcceptedSize(8, 8, 0)}, {}),
    ],
)
def test_each_size_meets_both_ends(rules: dict[str, AcceptedSize], ends: dict[str, set[int]]) -> None:
    chosen = choose_small(rules, always)
    for name, wanted in ends.items():
        assert wanted <= {sizes[name] for _, sizes in chosen}
    assert {1, 3} <= {batch for batch, _ in chosen}
    assert all(size in rules[name] for _, sizes in chosen for name, size in sizes.items())


def test_sizes_vary_apart() -> None:
    chosen = choose_small(dict.fromkeys("DHW", AcceptedSize(8, 1, 1)), always)
    for one, other in ("DH", "HW"):
        sides = {(sizes[one] > 8) - (sizes[other] > 8) for _, sizes in chosen}
        assert sides == {-1, 0, 1}, "each is large where its neighbour is small, and the other way round"


def test_sizes_that_depend_on_each_other_do_not_move_together() -> None:
    rules = {"H": AcceptedSize(8, 1, 1, beside={"W": 8}), "W": AcceptedSize(8, 1, 1, beside={"H": 8})}
    assert all(sizes.keys() <= {"H"} for _, sizes in choose_small(rules, always))


def test_the_far_end_keeps_to_the_budget() -> None:
    rule = AcceptedSize(1000, 1, 1, 10_000)
    assert {"H": 10_000} in [sizes for _, sizes in choose_small({"H": rule}, always)]
    nearer = [sizes for _, sizes in choose_small({"H": rule}, lambda batch, sizes: batch * sizes["H"] < 3000)]
    assert {"H": 1001} in nearer
    none = [sizes for _, sizes in choose_small({"H": rule}, lambda batch, sizes: False)]
    assert none == [{"H": 64}, {"H": 1}]


def test_work_is_counted_where_nothing_is_multiplied(tmp_path: Path) -> None:
    graph = network(tmp_path, "inputs: {x: [4, W]}\nsizes: {W: 1000000000}\nnetwork: [relu]")
    extents = [case["x"][2] for case in proof_cases(graph)]
    assert max(extents) * 4 * WRITTEN <= MAX_PROOF_MACS


def cut(op: Relu, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """A relu that is right up to 40 positions."""
    limits = [emit.constant(name, [value], np.int64) for name, value in (("starts", 0), ("ends", 40), ("axes", 2))]
    return emit.op("Relu", [emit.op("Slice", [x, *limits])])


@pytest.mark.parametrize(("value", "breaks"), [(20, True), (18, False)])
def test_a_file_that_breaks_late_is_not_proven(
    value: int, breaks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """41 is beyond twice of 20, and 37 not."""
    table: RuleTable[OnnxRule] = RuleTable("onnx")
    table._rules.update(RULES._rules | {Relu: cut})
    monkeypatch.setattr(onnx_model, "RULES", table)
    graph = network(tmp_path, f"inputs: {{x: [2, W]}}\nsizes: {{W: {value}}}\nnetwork: [conv: 2, relu]")
    weights = to_torch(graph).state_dict()
    assert accepted_sizes(graph)["W"] == AcceptedSize(value, 1, 1)
    if breaks:
        with pytest.raises(ArchspecError, match=r"is \(., 2, 41\) in torch and \(., 2, 40\) in ONNX"):
            to_onnx(graph, weights, tmp_path / "m.onnx")
        assert not (tmp_path / "m.onnx").exists()
    else:
        assert to_onnx(graph, weights, tmp_path / "m.onnx").proof


def test_a_promise_that_the_network_does_not_keep_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two inputs that are padded to each other's length, then added to the second: it fits up to 40 alone."""
    graph = network(
        tmp_path,
        "inputs: {x: [2, H], y: [2, 40]}\nsizes: {H: 32}\n"
        "network: [add: {branches: [[], [from: y]], fit: pad}, add: [[], [from: y]]]",
    )
    assert accepted_sizes(graph)["H"] == AcceptedSize(32, 1, 1, 40)
    assert max(case["x"][2] for case in proof_cases(graph)) == 40
    assert to_onnx(graph, {}, tmp_path / "m.onnx").proof
    promised = {"H": AcceptedSize(32, 1, 1)}
    monkeypatch.setattr("runtime.verification.proof.cases.accepted_sizes", lambda graph: promised)
    with pytest.raises(ArchspecError, match=r"promises to take H=65, and does not: add needs equal shapes"):
        to_onnx(graph, {}, tmp_path / "n.onnx")
    assert not (tmp_path / "n.onnx").exists()
