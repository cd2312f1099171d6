"""Looking a whole graph over: order, counts, choice of codes, bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from compiler.analysis.lint import CODES, RULES, Finding, choose_codes, lint_graph
from tests.support.lint_texts import IMAGE, build, lint_text

REPEATED = "  - repeat: {n: 16, body: [conv: {out: 8, kernel: 1}, norm, gelu]}\n"
TWICE = IMAGE + "  - conv: 8\n  - batch_norm\n  - relu\n  - relu\n" + REPEATED


def test_a_cause_in_a_repeated_block_is_one_finding() -> None:
    findings = lint_text(TWICE)
    assert [(f.code, f.place.line, f.place.column, len(f.nodes)) for f in findings] == [
        ("bias-before-norm", 4, 5, 1),
        ("idle-relu", 7, 5, 1),
        ("bias-before-norm", 8, 28, 16),
    ]
    assert "(16 places)" in str(findings[2])
    assert "128 parameters" in findings[2].message


def test_block_calls_lead_to_the_first_node() -> None:
    spec = load("resnet20_c")
    (finding,) = lint_graph(elaborate(spec), spec)
    assert str(finding).split("\n")[1:] == [f"    in {call.text}, called at {call.place}" for call in finding.calls]
    assert [call.text.partition("(")[0] for call in finding.calls] == ["resnet_shortcut", "basic_block"]


def test_the_same_network_gives_the_same_findings() -> None:
    assert [f.message for f in lint_text(TWICE)] == [f.message for f in lint_text(TWICE)]
    graph, findings = build(TWICE)
    assert lint_graph(graph) == lint_graph(graph)
    assert [f.nodes for f in lint_graph(graph)] == [f.nodes for f in findings]


def test_a_finding_as_data() -> None:
    finding = lint_text(TWICE)[0]
    data = finding.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert list(data) == ["code", "message", "remedy", "file", "line", "column", "nodes", "calls"]
    assert (data["code"], data["line"], data["nodes"]) == ("bias-before-norm", 4, ["conv_0"])


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ({"select": ["idle-relu"]}, ["idle-relu"]),
        ({"select": ["idle"]}, ["idle-relu"]),
        ({"ignore": ["bias-before-norm"]}, ["idle-relu"]),
        ({"select": ["bias", "idle"], "ignore": ["idle-relu"]}, ["bias-before-norm", "bias-before-norm"]),
    ],
)
def test_codes_are_chosen(options: dict[str, Any], codes: list[str]) -> None:
    assert [finding.code for finding in lint_text(TWICE, **options)] == codes


def test_the_first_words_of_a_code_stand_for_all_of_its_kind() -> None:
    assert choose_codes(["unused"]) == {code for code in CODES if code.startswith("unused-")}
    assert choose_codes() == set(CODES)
    for wrong in ("unuse", "unused-", "", "dead node"):
        with pytest.raises(ArchspecError, match="no rule has the code"):
            choose_codes([wrong])


def test_every_rule_says_what_why_and_what_to_do() -> None:
    for code in CODES.values():
        assert all((code.summary, code.explanation, code.remedy))
        assert not code.summary.endswith(".")
        assert not code.remedy.endswith(".")
        assert code.explanation.endswith(".")
    assert [rule.code for rule in RULES if rule.code != rule.code.lower()] == []


def test_a_variant_is_looked_over_with_its_base() -> None:
    """What the base declares and the variant leaves unused is at the base's place."""
    base = "archspec: 1\nparams: {width: 8, depth: 2}\ninputs: {x: [4, 8, 8]}\nnetwork: [conv: width]\n"
    (finding,) = lint_text("archspec: 1\nextends: base\nparams: {depth: 3}\n", {"base.yaml": base})
    assert (finding.code, finding.place.line, finding.place.column) == ("unused-param", 2, 20)
    assert finding.place.file.endswith("base.yaml")


def test_many_taps_are_no_work() -> None:
    taps = "".join(f"  - tap: a{i}\n  - from: b{i}\n" for i in range(100))
    first = "".join(f"  - tap: b{i}\n" for i in range(100))
    findings = lint_text(IMAGE + "  - conv: 8\n" + first + taps, select=["unused-tap"])
    assert len(findings) == 100


def test_sizes_are_searched_within_bounds() -> None:
    """In a long network no size is found in which a fixed stride fits, and the rule's own remedy stands."""
    text = "archspec: 1\ninputs: {x: [4, H, 8]}\nsizes: {H: 8}\nnetwork:\n"
    text += "  - avg_pool: {kernel: 3, stride: 3}\n  - repeat: {n: 5000, body: [conv: {out: 4, kernel: 1}, gelu]}\n"
    (finding,) = lint_text(text, select=["lost-pixels"])
    assert finding.remedy == "choose a size that fits, a padding, or `ceil: true` of a pooling"


def test_findings_are_findings() -> None:
    assert all(isinstance(finding, Finding) for finding in lint_text(TWICE))
