"""Names that nothing uses, and the ways in which one is used: by other names, by values handed over or given."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.ops.base import Pointwise
from archspec.ops.fields import Number
from archspec.spec.load import load
from compiler.analysis.lint import lint_graph
from compiler.elaborate.elaborate import elaborate
from tests.archspec.spec.texts import write
from tests.support.lint_texts import lint_text

HEAD = "archspec: 1\ninputs: {x: [4, 8, 8]}\n"
GATE = "blocks: {gate: {args: {by: value}, body: [mul: [[], [from: by, sigmoid]]]}}\n"


def found(text: str) -> list[str]:
    return [finding.message for finding in lint_text(HEAD + text, select=["unused"])]


@pytest.mark.parametrize(
    "text",
    [
        "params: {a: 2, b: 2 * a}\nnetwork: [conv: b]\n",
        "params: {a: 2}\nlet: {b: '[a, 4]'}\nnetwork: [conv: 'b[0]']\n",
        GATE + "network: [tap: t, conv: 4, gate: {by: t}]\n",
        GATE + "network: [encoder_decoder: {n: 1, down: [max_pool: 2], up: [upsample: 2], skip: [gate: {by: up}]}]\n",
        "blocks: {b: {gives: [t], body: [relu, tap: t, tanh]}}\nnetwork: [b: {name: e}, add: [[], [from: e.t]]]\n",
        "blocks: {b: {args: {n: int}, gives: {t: 'f{n}'}, body: [relu, tap: f1, tanh]}}\n"
        "network: [b: {name: e, n: 1}, add: [[], [from: e.t]]]\n",
    ],
)
def test_what_is_used_is_not_found(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params: {a: 2}\nlet: {b: a}\nnetwork: [conv: 3]\n", "nothing uses the value 'b'"),
        ("params: {a: 2}\nlet: {b: 3}\nnetwork: [conv: b]\n", "nothing uses the param 'a'"),
        (
            "blocks: {b: {args: {v: value}, body: [relu]}}\nnetwork: [b: {v: x}]\n",
            "the block 'b' does not use its argument 'v'",
        ),
        ("blocks: {b: {body: [tap: t, relu]}}\nnetwork: [b]\n", "nothing reads the tap 't'"),
    ],
)
def test_what_nothing_uses_is_found(text: str, message: str) -> None:
    assert found(text) == [message]


def test_params_of_a_network_use_the_arguments_of_its_block() -> None:
    inner = "archspec: 1\nparams: {w: 2}\ninputs: {y: [4, 8, 8]}\nnetwork: [conv: w]\n"
    text = "blocks: {b: {args: {n: int}, network: inner, params: {w: 2 * n}}}\nnetwork: [b: {n: 3}]\n"
    assert lint_text(HEAD + text, {"inner.yaml": inner}, select=["unused"]) == ()


class Gate(Pointwise):
    """A gate that lets through what lies above a threshold."""

    threshold: Number = 0.5


@pytest.mark.parametrize(
    "text",
    [
        "params: {level: 0.3}\ndefaults: {ext: {gate: {threshold: level}}}\nnetwork: [ext: gate]\n",
        "params: {at: 0.3}\nlet: {half: at / 2}\ndefaults: {ext: {gate: {threshold: half}}}\nnetwork: [ext: gate]\n",
        "params: {level: 0.3}\nnetwork: [ext: {use: gate, threshold: level}]\n",
        "blocks: {b: {args: {by: float}, defaults: {ext: {gate: {threshold: by}}}, body: [ext: gate]}}\n"
        "network: [b: {by: 0.3}]\n",
    ],
)
def test_fields_of_extensions_use_names_as_those_of_layers_do(text: str, tmp_path: Path) -> None:
    spec = load(write(tmp_path, HEAD + text))
    graph = elaborate(spec, extensions={"gate": Gate})
    assert lint_graph(graph, spec, select=["unused"]) == ()


def test_a_param_beside_one_that_an_extension_uses_is_found(tmp_path: Path) -> None:
    text = "params: {level: 0.3, other: 1}\ndefaults: {ext: {gate: {threshold: level}}}\nnetwork: [ext: gate]\n"
    spec = load(write(tmp_path, HEAD + text))
    (finding,) = lint_graph(elaborate(spec, extensions={"gate": Gate}), spec, select=["unused"])
    assert finding.message == "nothing uses the param 'other'"
