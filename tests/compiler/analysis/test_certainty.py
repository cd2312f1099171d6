"""What is marked as a bound or an estimate, and how that is found and shown."""

from __future__ import annotations

import json

from archspec.api import analyze, elaborate, load
from compiler.analysis.certainty import at_least, at_most, estimate, explain, find_mark, nest, show

MARKS = nest("memory", {"saved": at_least("a copy is not counted"), "peak": at_most("nothing is shared")})


def test_a_mark_holds_for_its_key_and_all_below() -> None:
    assert find_mark(MARKS, "memory.saved") == find_mark(MARKS, "memory.saved.node") == MARKS["memory.saved"]
    assert find_mark(MARKS, "memory") is find_mark(MARKS, "memory.saved_too") is None
    assert find_mark(nest("gradient", {"": estimate("a law")}), "gradient.lengths.3.share") == estimate("a law")


def test_signs_stand_before_numbers_and_reasons_below() -> None:
    assert [show("126", mark) for mark in (None, *MARKS.values(), estimate(""))] == ["126", "≥ 126", "≤ 126", "~126"]
    assert [*explain({"a": estimate("a law"), "b": estimate("a law")})] == ["~ estimate: a, b (a law)"]


def test_counts_are_exact_and_the_gradient_by_length_is_an_estimate() -> None:
    report = analyze(elaborate(load("resnet_digits")), wanted=["gradient", "lint"])
    told = json.loads(json.dumps(report.to_dict()))["marks"]
    assert told.keys() == {"gradient"}
    assert told["gradient"]["kind"] == "estimate"
    assert find_mark(report.marks, "macs.conv-linear") is None
    assert find_mark(report.marks, "paths.block.total") is None
