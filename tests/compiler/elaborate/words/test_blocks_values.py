"""Values into and out of blocks: arguments of type `value`, and `gives`."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import HEAD, graph_of, mistakes_of, places, unmarked
from tests.support.listing import listed

PYRAMID = """\
blocks:
  pyramid:
    args: {n: int = 2}
    gives: {first: f0, last: "f{n - 1}"}
    body: [repeat: {n: n, body: [conv: 3 + i, tap: "f{i}"]}, relu]
  joined: {args: {other: value}, body: [add: [[], [from: other, conv: 4]], conv: {out: 4, kernel: 1}]}
"""


def test_what_a_block_gives_is_read_behind_the_name_of_its_call() -> None:
    rows = listed("[pyramid: {n: 3, name: e}, from: e.first, tanh, from: e.last, sigmoid]", HEAD + PYRAMID)
    assert rows[-2:] == ["tanh_0 = tanh(e.repeat_0.i0.conv_0) 3×8×8", "sigmoid_0 = sigmoid(e.repeat_0.i2.conv_0) 5×8×8"]


def test_calls_of_one_block_are_told_apart_and_the_last_of_a_name_counts() -> None:
    network = "[pyramid: {name: a}, pyramid: {n: 1, name: b}, add: [[from: a.first], [from: b.last]]]"
    assert listed(network, HEAD + PYRAMID)[-1] == "add_0.add = add(a.repeat_0.i0.conv_0, b.repeat_0.i0.conv_0) 3×8×8"
    looped = "[repeat: {n: 2, body: [pyramid: {name: e}]}, from: e.first, tanh]"
    assert listed(looped, HEAD + PYRAMID)[-1] == "tanh_0 = tanh(repeat_0.i1.e.repeat_0.i0.conv_0) 3×8×8"


def test_a_list_of_names_gives_taps_by_their_own() -> None:
    head = HEAD + "blocks: {b: {gives: [low, high], body: [tap: low, relu, tap: high, tanh]}}\n"
    assert (
        listed("[b: {name: e}, add: [[from: e.low], [from: e.high]]]", head)[-1] == "add_0.add = add(x, e.relu_0) 4×8×8"
    )


def test_a_block_gives_on_what_a_block_in_it_gives() -> None:
    head = HEAD + "blocks: {a: {gives: [t], body: [relu, tap: t, tanh]}, b: {gives: {t: e.t}, body: [a: {name: e}]}}\n"
    assert listed("[b: {name: f}, from: f.t, sigmoid]", head)[-1] == "sigmoid_0 = sigmoid(f.e.relu_0) 4×8×8"


def test_a_value_is_handed_to_a_block_by_the_name_of_a_tap_an_input_or_what_is_given() -> None:
    head = HEAD.replace("x: [4, 8, 8]", "x: [4, 8, 8], y: [2, 8, 8]") + PYRAMID
    for name, node in (("y", "y"), ("t", "tanh_0"), ("e.first", "e.repeat_0.i0.conv_0"), ("f0", "x")):
        rows = listed(f"[tap: f0, tanh, tap: t, pyramid: {{name: e}}, from: x, joined: {{other: {name}}}]", head)
        assert f"joined_0.add_0.branch1.conv_0 = conv({node}) 4×8×8" in rows


def test_a_value_is_handed_on_and_shown_in_the_trail_of_calls() -> None:
    head = HEAD + PYRAMID + "  outer: {args: {v: value}, body: [joined: {other: v}]}\n"
    graph = graph_of(head + "network: [tap: t, relu, outer: {v: t}]\n")
    assert [call.text for call in graph["outer_0.joined_0.conv_0"].source.calls] == ["joined(other=v)", "outer(v=t)"]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("blocks: {b: {gives: [▸lo], body: [tap: low]}}\nnetwork: [b: {name: e}]\n", "unknown-tap",
         "the block b should give 'lo', which its body never taps; did you mean 'low'?"),
        ("blocks: {b: {gives: {a: ▸f}, body: [relu]}}\nnetwork: [b]\n", "unknown-tap", "never taps; it taps nothing"),
        ("blocks: {b: {gives: ▸[], body: [relu]}}\nnetwork: [b]\n", "wrong-type", "a list of names of taps, each once"),
        ("blocks: {b: {gives: ▸[a, a], body: [tap: a]}}\nnetwork: [b]\n", "wrong-type", "each once"),
        ("blocks: {b: {gives: ▸f1, body: [tap: f1]}}\nnetwork: [b]\n", "wrong-type", "a list of names of taps"),
        ("blocks: {b: {gives: ▸['a b'], body: [relu]}}\nnetwork: [b]\n", "bad-name", "letters, digits and _"),
        ("blocks: {b: {gives: {t: ▸'f{j}'}, body: [tap: t]}}\nnetwork: [b]\n", "unknown-name", "unknown name 'j'"),
        ("blocks: {enc: {body: [tap: f1, relu]}}\nnetwork: [enc, from: ▸f1]\n", "unknown-tap",
         "unknown tap 'f1'; it is set inside enc(), and what a block taps is known in the block alone: with "
         "`gives: [f1]` in enc and a `name` for its call, it is `NAME.f1`"),
        ("blocks: {b: {gives: [f1], body: [tap: f1]}}\nnetwork: [b: {name: e}, from: ▸e.f2]\n", "unknown-tap",
         "unknown tap 'e.f2'; did you mean 'e.f1'?"),
        ("blocks: {b: {gives: [f1], body: [tap: f1]}}\nnetwork: [b: {name: e}, tap: ▸e.f1]\n", "bad-name",
         "'e.f1' is not a name"),
        ("network: [from: ▸a..b]\n", "bad-name", "'a..b' is not a name: letters, digits, _ and {expressions} between"),
        ("blocks: {b: {args: {v: value}, body: [from: v]}}\nnetwork: [▸b]\n", "missing-argument", "b needs `v`"),
        ("blocks: {b: {args: {v: value}, body: [from: v]}}\nnetwork: [b: {v: ▸3}]\n", "wrong-type", "name of a tap"),
        ("blocks: {b: {args: {v: value}, body: [from: v]}}\nnetwork: [b: {v: ▸w}]\n", "unknown-tap",
         "unknown tap 'w'; known here: x"),
        ("blocks: {b: {args: {v: ▸value = x}, body: [from: v]}}\nnetwork: [b: {v: x}]\n", "bad-argument",
         "of type value has no default"),
    ],
)  # fmt: skip
def test_mistakes_in_what_is_given(text: str, code: str, message: str) -> None:
    text, expected = unmarked(HEAD + text)
    mistakes = mistakes_of(text)
    assert (mistakes[0].code, places(mistakes[:1])) == (code, expected)
    assert message in mistakes[0].message


def test_a_slip_in_a_body_is_not_told_again_of_what_the_block_gives() -> None:
    text = (
        HEAD + "blocks: {b: {gives: [t], body: [conv: {out: 0}, tap: t]}}\nnetwork: [b: {name: e}, from: e.t, relu]\n"
    )
    assert [mistake.code for mistake in mistakes_of(text)] == ["bad-value"]
