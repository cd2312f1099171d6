"""Every rule: a spec in which it finds something, at which place; the same put right; a comment that silences it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from compiler.analysis.lint import CODES, RULES, lint_graph
from compiler.graph import Source
from tests.archspec.spec.texts import unmarked
from tests.compiler.analysis.lint.texts import IMAGE, VECTOR, build, lint_text, places


@dataclass(frozen=True)
class Case:
    """A spec with a mark at each finding of `code`, the same put right, and what a finding says."""

    code: str
    wrong: str
    right: str
    says: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.name}".strip()


def swap(code: str, text: str, old: str, new: str, says: str, name: str = "") -> Case:
    """A case that is put right by other words in the place of some."""
    plain = unmarked(text)[0]
    assert old in plain
    return Case(code, text, plain.replace(old, new), says, name)


GATE = "        - mul: [[], [global_avg_pool, conv: {out: 4, kernel: 1}, sigmoid]]\n"
PREACT = "[batch_norm, relu, conv: 16]"
BIG = "archspec: 1\ninputs: {x: [16, 32, 32]}\nnetwork:\n"

CASES = [
    swap(
        "relu-first", IMAGE + "  - ▸relu\n  - conv: 8\n", "- relu\n  - conv: 8", "- conv: 8\n  - relu", "this relu sets"
    ),
    swap(
        "relu-first",
        IMAGE + "  - batch_norm\n  - max_pool: 2\n  - residual:\n      body: [▸relu6, conv: 4]\n",
        "- batch_norm",
        "- conv: 4",
        "this relu6 sets what is negative in the input to zero",
        "in the first block",
    ),
    swap(
        "idle-relu",
        IMAGE + "  - conv: 8\n  - relu\n  - max_pool: 2\n  - ▸prelu\n",
        "- relu",
        "- batch_norm",
        "this prelu changes nothing",
    ),
    *(
        swap("idle-relu", IMAGE + f"  - conv: 4\n{before}  - ▸{idle}\n", idle, "tanh", "changes nothing", idle)
        for before, idle in (
            ("  - sigmoid\n", "relu6"),
            ("  - relu6\n", "relu6 "),
            ("  - sigmoid\n  - shift: 1\n", "relu"),
            ("  - mul: [[], []]\n", "relu "),
            ("  - leaky_relu: -1\n", "prelu"),
        )
    ),
    swap(
        "relu-first",
        IMAGE + "  - shake: [[], [stochastic_depth: 0.5]]\n  - shake_drop: 0.5\n  - ▸relu\n  - conv: 8\n",
        "- shake_drop: 0.5\n",
        "- conv: 4\n",
        "this relu sets",
        "behind what chance weighs",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - batch_norm\n",
        "conv: 8",
        "conv: {out: 8, bias: false}",
        "the bias of this conv, 8 parameters, is lost in the batch_norm",
    ),
    swap(
        "bias-before-norm",
        VECTOR + "  - ▸linear: 8\n  - norm\n",
        "- norm",
        "- norm: layer",
        "the bias of this linear",
        "which layer normalization keeps",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - group_norm: 8\n",
        "group_norm: 8",
        "group_norm: 4",
        "is lost in the group_norm",
        "in a group for each channel",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - tap: a\n  - batch_norm\n  - add: [[], [from: a, instance_norm]]\n",
        "[from: a, instance_norm]",
        "[from: a]",
        "is lost in the batch_norm and instance_norm",
        "which somebody else reads too",
    ),
    swap(
        "repeated-norm",
        IMAGE + "  - conv: {out: 8, bias: false}\n  - batch_norm\n  - ▸batch_norm\n",
        "batch_norm\n  - batch_norm",
        "batch_norm\n  - relu\n  - batch_norm",
        "this batch_norm undoes the normalization right before it",
    ),
    swap(
        "repeated-norm",
        IMAGE + "  - conv: {out: 8, bias: false}\n  - batch_norm\n  - ▸instance_norm\n",
        "batch_norm",
        "layer_norm",
        "this instance_norm undoes",
        "of samples behind one of batches",
    ),
    swap(
        "repeated-norm",
        IMAGE + "  - conv: 8\n  - layer_norm: {affine: false}\n  - ▸layer_norm\n",
        "{affine: false}",
        "{affine: true}",
        "this layer_norm undoes",
        "over the same numbers",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - scale: 2\n  - max_pool: 2\n  - upsample: 2\n  - concat: [[], []]\n  - batch_norm\n",
        "conv: 8",
        "conv: {out: 8, bias: false}",
        "the bias of this conv, 8 parameters, is lost in the batch_norm",
        "past what passes constants on",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - avg_pool: {kernel: 3, stride: 1}\n  - batch_norm\n",
        "kernel: 3, stride: 1",
        "kernel: 3, stride: 1, padding: 1",
        "is lost in the batch_norm",
        "unless zeros are among what is averaged",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: {out: 1, bias: true}\n  - layer_norm\n",
        "out: 1",
        "out: 2",
        "the bias of this conv, 1 parameters, is lost in the layer_norm",
        "of a single channel",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - conv: {out: 8, bias: false}\n  - ▸shift: {trainable: true, per: channel}\n  - batch_norm\n",
        "  - shift: {trainable: true, per: channel}\n  - batch_norm\n",
        "  - batch_norm\n  - shift: {trainable: true, per: channel}\n",
        "what this shift adds, 8 parameters, is lost in the batch_norm",
        "of a shift",
    ),
    swap(
        "dropout-before-norm",
        IMAGE + "  - conv: 8\n  - ▸dropout: 0.2\n  - batch_norm\n",
        "dropout: 0.2\n  - batch_norm",
        "batch_norm\n  - dropout: 0.2",
        "variances up to 1 / 0.8 too large",
    ),
    swap(
        "linear-after-linear",
        VECTOR + "  - linear: 32\n  - ▸linear: 16\n",
        "linear: 32\n",
        "linear: 32\n  - relu\n",
        "this linear reads a linear with nothing between them",
    ),
    swap(
        "linear-after-linear",
        IMAGE + "  - conv: {out: 8, kernel: 1}\n  - ▸conv: 8\n",
        "out: 8",
        "out: 2",
        "both are one linear map",
        "whose middle is not narrow",
    ),
    swap(
        "softmax-output", VECTOR + "  - linear: 3\n  - ▸softmax\n", "  - softmax\n", "", "this softmax ends the network"
    ),
    swap(
        "softmax-output",
        IMAGE + "  - global_avg_pool\n  - conv: 4\n  - ▸softmax\n  - flatten\n",
        "  - softmax\n",
        "",
        "this softmax ends the network",
        "behind which nothing is computed",
    ),
    swap(
        "residual-only-adds",
        VECTOR + "  - linear: 16\n  - ▸residual: {body: [linear: 16, relu, dropout: 0.5]}\n",
        "[linear: 16, relu, dropout: 0.5]",
        "[relu, dropout: 0.5, linear: 16]",
        "the body of this residual can only add: the relu at ",
    ),
    swap(
        "residual-only-adds",
        IMAGE + "  - conv: 4\n  - ▸residual:\n      body:\n        - conv: 4\n        - relu\n" + GATE,
        "        - conv: 4\n        - relu\n",
        "        - relu\n        - conv: 4\n",
        "spec.yaml:8:11 gives nothing negative, and nothing behind it does",
        "whose gate is no cause",
    ),
    swap(
        "shortcut-not-identity",
        IMAGE
        + "  - residual:\n      body: [relu, conv: 4]\n      shortcut: [norm, ▸conv: {out: 4, kernel: 1}, norm]\n",
        "shortcut",
        "project",
        "the shortcut goes through conv, with 20 parameters, though its two ends have one shape",
    ),
    swap(
        "shortcut-not-identity",
        IMAGE + "  - residual:\n      body: [relu, conv: 4]\n      shortcut: [▸scale: 0.5]\n",
        "      shortcut: [scale: 0.5]\n",
        "      scale: 0.5\n",
        "the shortcut goes through scale, though",
        "without a kernel",
    ),
    swap(
        "missing-last-norm",
        BIG + f"  - conv: 16\n  - ▸residual: {{body: {PREACT}}}\n  - global_avg_pool\n  - flatten\n  - linear: 10\n",
        "- global_avg_pool",
        "- batch_norm\n  - relu\n  - global_avg_pool",
        "and nothing normalizes it",
    ),
    swap(
        "missing-last-norm",
        BIG + f"  - conv: 16\n  - ▸dense: {{n: 3, body: {PREACT}}}\n  - relu\n",
        "- relu\n",
        "- norm\n",
        "blocks that normalize what they read end here",
        "of a dense block",
    ),
    swap(
        "signal-overflow",
        VECTOR + "  - linear: 16\n  - repeat: {n: 40, body: [▸residual: {body: [relu, linear: 16]}]}\n",
        "body: [relu",
        "scaling: sqrt_half, body: [relu",
        "first in repeat_0.i25.residual_0, with a root mean square of 1.16e+04",  # 2^((25 + 2) / 2)
    ),
    swap(
        "signal-vanishes",
        VECTOR + "  - repeat: {n: 30, body: [▸linear: {out: 16, init: torch, bias: false}, relu]}\n",
        "init: torch",
        "init: he",
        "values vanish below what fp16 holds at initialization",
    ),
    swap(
        "gradient-spread",
        VECTOR
        + "  - ▸linear: {out: 16, gain: 2}\n  - relu\n  - repeat: {n: 50, body: [linear: {out: 16, gain: 2}, relu]}\n",
        "gain: 2",
        "gain: 1",
        "times as large at linear_0 as at repeat_0.i49.linear_0",
    ),
    swap(
        "lost-pixels",
        "archspec: 1\ninputs: {x: [4, H, W]}\nsizes: {H: 9, W: 8}\nnetwork:\n  - conv: 8\n  - ▸max_pool: 2\n",
        "H: 9",
        "H: 10",
        "no window of this max_pool reaches the last position of an axis of 8×9×8",
    ),
    swap(
        "lost-pixels",
        IMAGE + "  - ▸conv: {out: 8, kernel: 3, stride: 3, padding: 0}\n",
        "padding: 0",
        "padding: 1",
        "reaches the last 2 positions of an axis of 4×8×8",
        "of a fixed size",
    ),
    swap(
        "lost-pixels",
        IMAGE + "  - ▸conv: {out: 8, dilation: 2, stride: 2, padding: 2}\n",
        "dilation: 2, stride: 2",
        "dilation: 2",
        "this conv reads every 2nd position of an axis alone: its stride of 2 and its dilation of 2 step over",
        "between the taps",
    ),
    swap(
        "misaligned-merge",
        IMAGE
        + "  - conv: 8\n  - ▸residual:\n      body: [conv: {out: 8, stride: 2}]\n"
        + "      project: [{conv: {out: 8, kernel: 5, padding: 0}}]\n",
        "kernel: 5, padding: 0",
        "kernel: 1, stride: 2",
        "neighbours look 1 and 2 pixels apart",
    ),
    swap(
        "unproductive-conv",
        IMAGE + "  - conv: 8\n  - relu\n  - conv: {out: 8, kernel: 7}\n  - relu\n  - ▸conv: 8\n  - relu\n  - conv: 8\n",
        "kernel: 7",
        "kernel: 1",
        "by its narrowest path, a receptive field of 9×9 on an input of 8×8",
    ),
    swap(
        "idle-taps",
        IMAGE + "  - global_avg_pool\n  - ▸conv: {out: 8}\n  - gelu\n  - conv: {out: 8, kernel: 1}\n",
        "{out: 8}",
        "{out: 8, kernel: 1}",
        "256 of the 288 weights of this conv never meet a value of 4×1×1: only padding",
    ),
    swap(
        "idle-taps",
        IMAGE + "  - ▸conv: {out: 8, dilation: 8}\n",
        "dilation: 8",
        "dilation: 7",
        "256 of the 288 weights",
        "with a large dilation",
    ),
    swap(
        "uneven-upsampling",
        IMAGE + "  - ▸conv_transpose: {out: 8, kernel: 3}\n",
        "kernel: 3",
        "kernel: 4",
        "are sums of 1 and of 2 taps in turns",
    ),
    swap(
        "uneven-upsampling",
        IMAGE + "  - ▸conv_transpose: {out: 8, kernel: 2, stride: 3}\n",
        "kernel: 2",
        "kernel: 3",
        "the others hold the bias alone",
        "with holes",
    ),
    swap(
        "channels-off-multiple",
        BIG + "  - conv: 256\n  - relu\n  - ▸conv: 12\n  - relu\n  - conv: 16\n",
        "conv: 12",
        "conv: 32",
        "12 channels fill no blocks of 16 (fp32 on AVX-512) or of 8 (fp16 on tensor cores): rounded up, 33 % more "
        "multiply-accumulates here, 14 % in all",
    ),
    swap(
        "channels-off-multiple",
        "archspec: 1\ninputs: {x: [1048576]}\nnetwork:\n  - ▸linear: 12\n  - relu\n  - linear: 3\n",
        "12",
        "24",
        "12 channels fill no blocks of 8 (fp16 on tensor cores)",
        "of a linear layer",
    ),
    swap(
        "slow-groups",
        BIG + "  - conv: 64\n  - relu\n  - ▸conv: {out: 64, groups: 16}\n",
        "groups: 16",
        "groups: 4",
        "4 channels in each of 16 groups fill no blocks of 16 (fp32 on AVX-512) or of 8 (fp16 on tensor cores)",
    ),
    swap(
        "slow-groups",
        "archspec: 1\ninputs: {x: [100, 64, 64]}\nnetwork:\n  - ▸conv: {out: 100, groups: 100}\n",
        "100",
        "104",
        "100 channels, each by itself, fill no blocks of 8 (fp16 on tensor cores): 100 % of all",
        "that are depthwise",
    ),
    swap(
        "slow-groups",
        "archspec: 1\ninputs: {x: [64, 64, 64]}\nnetwork:\n  - ▸conv: {out: 128, groups: 64}\n",
        "out: 128",
        "out: 64",
        "1 channels in each of 64 groups",
        "with more results than operands",
    ),
    swap(
        "dead-node",
        IMAGE + "  - conv: 8\n  - tap: a\n  - conv: 8\n  - ▸relu\n  - from: a\n",
        "  - from: a\n",
        "  - add: [[], [from: a]]\n",
        "no output depends on this relu; it ends 2 operations that lead nowhere else, with 584 parameters",
    ),
    swap(
        "dead-node",
        "archspec: 1\ninputs:\n  x: [4]\n  ▸mask: [4]\nnetwork: [linear: 4]\n",
        "[linear: 4]",
        "[mul: [[linear: 4], [from: mask]]]",
        "nothing reads the input 'mask'",
        "that is an input",
    ),
    swap(
        "unused-param",
        "archspec: 1\nparams: {width: 8, ▸depth: 3}\ninputs: {x: [4, 8, 8]}\nnetwork: [conv: width]\n",
        "conv: width",
        "repeat: {n: depth, body: [conv: width]}",
        "nothing uses the param 'depth'",
    ),
    swap(
        "unused-block",
        "archspec: 1\nblocks:\n  a: {body: [relu]}\n  ▸b: {body: [a]}\ninputs: {x: [4, 8, 8]}\nnetwork: [conv: 8, a]\n",
        "conv: 8, a",
        "conv: 8, b",
        "the network does not call the block 'b'",
    ),
    swap(
        "unused-name",
        "archspec: 1\nblocks:\n  a:\n    args: {width: int, ▸stride: int}\n    body: [conv: width]\n"
        "inputs: {x: [4, 8, 8]}\nnetwork: [a: {width: 8, stride: 2}]\n",
        "[conv: width]",
        "[conv: {out: width, stride: stride}]",
        "the block 'a' does not use its argument 'stride'",
    ),
    swap(
        "unused-name",
        "archspec: 1\nblocks:\n  a:\n    let: {half: in_channels // 2, ▸more: 2 * half}\n    body: [conv: half]\n"
        "inputs: {x: [4, 8, 8]}\nnetwork: [a]\n",
        "[conv: half]",
        "[conv: more]",
        "the block 'a' does not use its value 'more'",
        "in let",
    ),
    swap(
        "unused-name",
        IMAGE + "  - repeat:\n      each: {width: [8, 8], ▸stride: [1, 2]}\n      body: [conv: width]\n",
        "[conv: width]",
        "[conv: {out: width, stride: stride}]",
        "nothing in the loop reads 'stride'",
        "of a loop",
    ),
    swap(
        "unused-name",
        "archspec: 1\nblocks:\n  b:\n    args: {a: int}\n    let: {▸a: a + 1}\n    body: [conv: 8]\n"
        "inputs: {x: [4, 8, 8]}\nnetwork: [b: {a: 8}]\n",
        "[conv: 8]",
        "[conv: a]",
        "the block 'b' does not use its value 'a'",
        "that is made of the argument whose name it takes",
    ),
    swap(
        "unused-tap",
        IMAGE + "  - conv: 8\n  - ▸tap: a1\n  - tap: b\n  - conv: 8\n  - add: [[], [from: b]]\n",
        "from: b",
        "from: b, add: [[], [from: a1]]",
        "nothing reads the tap 'a1'",
    ),
    swap(
        "unused-tap",
        IMAGE + "  - ▸tap: a\n  - conv: 8\n  - tap: a\n  - conv: 8\n  - add: [[], [from: a]]\n",
        "tap: a\n  - conv: 8\n  - tap: a\n",
        "tap: a\n  - conv: 8\n  - add: [[], [from: a, conv: 8]]\n  - tap: a\n",
        "the tap 'a' is set again in line 6 before it is read",
        "that is set again",
    ),
    swap(
        "unused-default",
        "archspec: 1\ndefaults:\n  conv: {bias: false}\n  ▸linear: {bias: false}\n"
        "inputs: {x: [4, 8, 8]}\nnetwork: [conv: 8]\n",
        "[conv: 8]",
        "[conv: 8, flatten, linear: 8]",
        "the network has no linear",
    ),
]


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
    needs_spec = case.code.startswith(("unused-", "signal-", "gradient-", "softmax-"))
    expected = [] if needs_spec else [finding for finding in findings if finding.code == case.code]
    of_files = next((rule.remedy_of_files for rule in RULES if rule.code == case.code), "")
    assert [finding for finding in lint_graph(graph) if finding.code == case.code] == [
        replace(finding, message=f"{finding.nodes[0]}: {finding.message}", remedy=of_files or finding.remedy)
        for finding in expected
    ]


def test_places_that_do_not_tell_nodes_apart_give_one_finding() -> None:
    graph, _ = build(IMAGE + "  - conv: 8\n  - batch_norm\n  - relu\n  - conv: 8\n  - batch_norm\n")
    place = graph["x"].source.place
    flat = replace(graph, nodes={id: replace(node, source=Source(place)) for id, node in graph.nodes.items()})
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
