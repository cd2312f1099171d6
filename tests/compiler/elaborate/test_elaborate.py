"""What each part of the language means, read off the graph: a graph is listed as `id = operation(operands) shape`."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import HEAD, graph_of, shapes
from tests.support.listing import listed


def test_body_is_a_chain() -> None:
    assert listed("[conv: 2, relu, flatten, linear: 3]") == [
        "conv_0 = conv(x) 2×8×8",
        "relu_0 = relu(conv_0) 2×8×8",
        "flatten_0 = flatten(relu_0) 128",
        "linear_0 = linear(flatten_0) 3",
    ]


@pytest.mark.parametrize(
    ("shape", "network", "results"),
    [
        ("[4]", "[linear: 3, batch_norm, softmax]", ["3", "3", "3"]),
        ("[4, 9]", "[conv: {out: 2, stride: 2}, max_pool: 2, flatten]", ["2×5", "2×2", "4"]),
        ("[4, 9, 7]", "[conv: {out: 2, stride: 2}, upsample: 2]", ["2×5×4", "2×10×8"]),
        ("[4, 9, 7, 5]", "[conv: {out: 2, stride: 2}, global_avg_pool]", ["2×5×4×3", "2×1×1×1"]),
        ("[4, 9, 7, 5]", "[conv_transpose: 3, avg_pool: {kernel: 3, stride: 1}]", ["3×18×14×10", "3×16×12×8"]),
    ],
)
def test_axes_follow_from_the_value(shape: str, network: str, results: list[str]) -> None:
    graph = graph_of(f"archspec: 1\ninputs: {{x: {shape}}}\nnetwork: {network}\n")
    assert list(shapes(graph).values()) == results


def test_network_starts_from_the_first_input_and_reaches_others_by_name() -> None:
    head = "archspec: 1\ninputs: {a: [2], b: [3], c: [4]}\n"
    assert listed("[concat: [[], [from: b], [from: c, linear: 1]], relu]", head) == [
        "concat_0.branch2.linear_0 = linear(c) 1",
        "concat_0.concat = concat(a, b, concat_0.branch2.linear_0) 6",
        "relu_0 = relu(concat_0.concat) 6",
    ]
    assert list(graph_of(head + "network: [from: a]\n").inputs) == ["a", "b", "c"]


def test_dynamic_sizes_are_shared_between_inputs() -> None:
    text = "archspec: 1\ninputs: {a: [1, H, W], b: ['2 * n', W, H]}\nparams: {n: 3}\nsizes: {H: 5, W: 7}\nnetwork: []\n"
    graph = graph_of(text, sizes={"W": 9})
    assert {name: str(node.shape) for name, node in graph.inputs.items()} == {"a": "1×5×9", "b": "6×9×5"}
    assert graph.sizes == {"H": 5, "W": 9}
    assert list(graph_of(text, sizes={"W": 9, "H": 5}).sizes) == ["H", "W"]


def test_output_is_the_last_value_unless_named() -> None:
    assert graph_of(HEAD + "network: [relu, tanh]\n").outputs == {"output": "tanh_0"}
    assert graph_of(HEAD + "network: []\n").outputs == {"output": "x"}
    named = graph_of(HEAD + "network: [relu, output: a, tanh, output: b, output: c, elu]\n")
    assert named.outputs == {"a": "relu_0", "b": "tanh_0", "c": "tanh_0"}


def test_output_by_a_template_in_a_loop_and_in_a_block() -> None:
    graph = graph_of(
        HEAD + "blocks: {head: {args: {k: int}, body: [conv: k, output: 'map{k + 1}']}}\n"
        "network: [repeat: {n: 2, as: turn, body: [relu, output: 'heat{turn}']}, head: {k: 3}]\n"
    )
    assert graph.outputs == {
        "heat0": "repeat_0.turn0.relu_0",
        "heat1": "repeat_0.turn1.relu_0",
        "map4": "head_0.conv_0",
    }


# Taps
