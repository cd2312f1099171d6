"""Every rule: a spec in which it finds something, at which place; the same put right; a comment that silences it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.analysis.lint import CODES, RULES, lint_graph
from compiler.graph import NodeSource
from tests.archspec.spec.texts import unmarked
from tests.support.lint_cases import attention, hardware, kernels, layers, norms, residuals, signals, space, unused
from tests.support.lint_texts import IMAGE, VECTOR, Case, build, lint_text, places

FILES = (attention, hardware, kernels, layers, norms, residuals, signals, space, unused)
CASES = [case for file in FILES for case in file.CASES]


def test_every_rule_has_a_case() -> None:
    assert {case.code for case in CASES} == {rule.code for rule in RULES}
    assert len({rule.code for rule in RULES}) == len(RULES) == len(CODES) - 1


@pytest.mark.parametrize("case", CASES, ids=str)
def test_found_at_its_place_with_the_remedy(case: Case) -> None:
    text, marks = unmarked(case.wrong)
    findings = lint_text(text)
    assert places(findings, case.code) == marks
    finding = next(finding for finding in findings if finding.code == case.code)
    assert case.says in finding.message
    assert finding.remedy
    assert f"{finding.place}: warning[{case.code}]: {finding.message}" in str(finding)
    assert finding.remedy in str(finding)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_put_right_it_is_not_found(case: Case) -> None:
    assert places(lint_text(case.right), case.code) == []


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("alone", [True, False], ids=["before the line", "on the line"])
def test_a_comment_silences_it(case: Case, alone: bool) -> None:
    text, marks = unmarked(case.wrong)
    lines = text.split("\n")
    comment = f"# archspec: ignore[{case.code}]"
    for number in sorted({line for line, _ in marks}, reverse=True):
        if alone:
            lines.insert(number - 1, comment)
        else:
            lines[number - 1] += f"  {comment}"
    findings = lint_text("\n".join(lines))
    assert places(findings, case.code) == []
    assert places(findings, "unused-ignore") == []
    assert len(findings) == len(lint_text(text)) - len(marks)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_looks_at_a_graph_without_a_spec(case: Case) -> None:
    """As graphs of other origin have none; what a spec declares, and how weights start, is then not asked."""
    graph, findings = build(unmarked(case.wrong)[0])
    needs_spec = case.code.startswith(("unused-", "signal-", "gradient-", "softmax-", "lone-"))
    expected = [] if needs_spec else [finding for finding in findings if finding.code == case.code]
    of_files = next((rule.remedy_of_files for rule in RULES if rule.code == case.code), "")
    assert [finding for finding in lint_graph(graph) if finding.code == case.code] == [
        replace(finding, message=f"{finding.nodes[0]}: {finding.message}", remedy=of_files or finding.remedy)
        for finding in expected
    ]


def test_places_that_do_not_tell_nodes_apart_give_one_finding() -> None:
    graph, _ = build(IMAGE + "  - conv: 8\n  - batch_norm\n  - relu\n  - conv: 8\n  - batch_norm\n")
    place = graph["x"].source.place
    flat = replace(graph, nodes={id: replace(node, source=NodeSource(place)) for id, node in graph.nodes.items()})
    (finding,) = lint_graph(flat)
    assert finding.nodes == ("conv_0", "conv_1")


SOUND = [
    pytest.param("  - residual: {body: [conv: 4, relu, conv: 4]}\n  - relu\n", id="an input with a shortcut"),
    pytest.param("  - conv: 8\n  - gelu\n  - gelu\n", id="activations that are no ReLU"),
    pytest.param(
        "  - conv: {out: 8, bias: false}\n  - batch_norm\n  - relu\n  - dropout: 0\n  - batch_norm\n", id="rate 0"
    ),
    pytest.param("  - conv: {out: 8, stride: 2, padding: 0, kernel: 1}\n", id="pixels between windows"),
    pytest.param("  - conv: {out: 8, groups: 4}\n  - conv: {out: 8, kernel: 1}\n", id="depthwise separable"),
    pytest.param(
        "  - conv: 8\n  - repeat: {each: {a: [1, 2], b: [3, 4]}, as: i, body: [conv: a + b, tap: 'x{i}']}\n"
        "  - concat: [[from: x0], [from: x1]]\n",
        id="names in braces",
    ),
    pytest.param("  - conv: 8\n  - repeat: {each: {a: [1, 2]}, body: [conv: 8]}\n", id="a list that counts turns"),
    *(
        pytest.param(
            f"  - conv: 4\n  - residual: {{body: [relu, conv: 4], shortcut: [{step}]}}\n", id=f"shortcut through {step}"
        )
        for step in ("scale: 1", "shift: 0", "dropout: 0", "max_pool: 1", "pad_channels: 4", "stochastic_depth: 1")
    ),
    pytest.param("  - conv: {out: 8, kernel: 1, dilation: 2, stride: 2}\n", id="a dilation of one position"),
    pytest.param("  - conv: {out: 8, dilation: 2, stride: 3, padding: 2}\n", id="steps without a common factor"),
]

DECLARED = [
    pytest.param(
        "archspec: 1\nparams: {a: 3}\nblocks: {b: {let: {a: a + 1}, body: [conv: a]}}\n"
        "inputs: {x: [4, 8, 8]}\nnetwork: [b]\n",
        id="a param that gives the value of its name",
    ),
    pytest.param(
        "archspec: 1\ndefaults: {norm: {kind: weight}}\ninputs: {x: [4, 8, 8]}\nnetwork: [conv: 4, relu, conv: 4]\n",
        id="a normalization of weights",
    ),
]


@pytest.mark.parametrize("text", DECLARED)
def test_nothing_is_said_of_what_is_used(text: str) -> None:
    assert lint_text(text) == ()


@pytest.mark.parametrize("body", SOUND)
def test_nothing_is_said_of(body: str) -> None:
    assert lint_text(IMAGE + body) == ()


def test_a_gate_may_take_away() -> None:
    """A highway layer's body is never negative, and its shortcut is no identity: both are what it is for."""
    gate = "  - tap: x\n  - linear: 16\n  - sigmoid\n  - tap: t\n  - from: x\n"
    block = "residual: {body: [mul: [[linear: 16, relu], [from: t]]], shortcut: [mul: [[], [from: t]]]}"
    assert lint_text(f"{VECTOR}  - linear: 16\n{gate}  - {block}\n") == ()
