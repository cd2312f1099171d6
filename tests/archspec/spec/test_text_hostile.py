"""Specs that mean harm: each is refused, or is small after all, and none costs more than the budget allows.

No test asserts a time; one that takes long is a mistake all the same, since each of these runs in well under a second.
"""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import HEAD, codes, graph_of, mistakes_of


def chain(length: int, link: str, end: str) -> str:
    """Blocks b0, b1, … of which each leads to the next; `link` says how, with the next one's name for `NEXT`."""
    blocks = "".join(f"  b{i}: {link.replace('NEXT', f'b{i + 1}')}\n" for i in range(length))
    return f"{HEAD}blocks:\n{blocks}  b{length}: {end}\nnetwork: [b0]\n"


REFUSED = {
    "a billion turns": (HEAD + "network: [repeat: {n: 1000000000, body: [relu]}]\n", "too-many-nodes"),
    "a billion empty turns": (HEAD + "network: [repeat: {n: 1000000000, body: []}]\n", "too-many-nodes"),
    "a googol of turns": (HEAD + "network: [repeat: {n: 1" + "0" * 60 + ", body: []}]\n", "too-many-nodes"),
    "turns by an expression": (HEAD + "network: [repeat: {n: 99999 * 99999, body: []}]\n", "too-many-nodes"),
    "a billion dense turns": (HEAD + "network: [dense: {n: 1000000000, body: []}]\n", "too-many-nodes"),
    "a billion levels": (HEAD + "network: [encoder_decoder: {n: 1000000000}]\n", "too-many-nodes"),
    "empty loops in loops": (
        HEAD + "network: [" + "repeat: {n: 50, body: [" * 10 + "]}" * 10 + "]\n",
        "too-many-nodes",
    ),
    "loops over a long list": (
        HEAD
        + f"params: {{l: [{', '.join('1' * 1000)}]}}\n"
        + "network: [repeat: {each: {a: l}, body: [repeat: {each: {b: l}, body: []}]}]\n",
        "too-many-nodes",
    ),
    "tree of blocks with empty leaves": (chain(60, "{body: [NEXT, NEXT]}", "{body: []}"), "too-many-nodes"),
    "tree of blocks in branches": (chain(30, "{body: [add: [[NEXT], [NEXT]]]}", "{body: []}"), "too-many-nodes"),
    "tree of handed bodies": (
        HEAD + "blocks: {two: {args: {f: block}, body: [f, f]}}\nnetwork: [" + "two: {f: [" * 19 + "]}" * 19 + "]\n",
        "too-many-nodes",
    ),
    "blocks five hundred deep": (chain(500, "{body: [NEXT]}", "{body: [relu]}"), "too-deep"),
    "blocks ten thousand deep": (chain(10_000, "{body: [NEXT]}", "{body: [relu]}"), "too-deep"),
    "deep in residuals": (
        chain(100, "{body: [residual: {body: [when: {test: 1, then: [NEXT]}]}]}", "{body: []}"),
        "too-deep",
    ),
    "long names, deep": (
        HEAD
        + "blocks:\n"
        + "".join(f"  {'b' * 60}{i}: {{body: [{'b' * 60}{i + 1}]}}\n" for i in range(50))
        + f"  {'b' * 60}50: {{body: []}}\nnetwork: [{'b' * 60}0]\n",
        "too-deep",
    ),
    "let that squares": (
        HEAD + "blocks:\n  b:\n    let: {a0: 10" + "".join(f", a{i + 1}: a{i} * a{i}" for i in range(40)) + "}\n"
        "    body: [conv: a40]\nnetwork: [b]\n",
        "bad-expression",
    ),
    "arguments that square": (
        chain(50, "{args: {w: int = 10}, body: [NEXT: {w: w * w}]}", "{args: {w: int}, body: [conv: w]}"),
        "bad-expression",
    ),
    "channels that double": (HEAD + "network: [repeat: {n: 20000, body: [concat: [[], []]]}]\n", "shape-mismatch"),
    "extents that double": (HEAD + "network: [repeat: {n: 20000, body: [upsample: 2]}, linear: 3]\n", "shape-mismatch"),
    "a flat giant": (
        "archspec: 1\ninputs: {x: [2147483647, 2147483647, 2147483647]}\nnetwork: [flatten]\n",
        "shape-mismatch",
    ),
    "costly expressions": (
        HEAD + f"network: [repeat: {{n: 90000, body: [conv: {{out: {'(1 + 1) * ' * 19}0 + 1}}]}}]\n",
        "too-many-nodes",
    ),
    "a list handed on and on": (
        HEAD
        + "blocks: {b: {args: {l: list}, body: []}}\n"
        + f"network: [repeat: {{n: 90000, body: [b: {{l: [{', '.join('1' * 1000)}]}}]}}]\n",
        "too-many-nodes",
    ),
    "rounding without bound": (HEAD + 'network: [conv: "round(5, -10000000000)"]\n', "bad-expression"),
    "a long list": (HEAD + f"params: {{l: [{', '.join('1' * 1001)}]}}\nnetwork: []\n", "bad-param"),
    "a long literal list": (
        HEAD + f"network: [repeat: {{each: {{a: [{', '.join('1' * 1001)}]}}, body: []}}]\n",
        "too-large",
    ),
    "many params": (HEAD + f"params: {{{', '.join(f'a{i}: 1' for i in range(257))}}}\nnetwork: []\n", "bad-value"),
    "many arguments": (
        HEAD
        + f"blocks: {{b: {{args: {{{', '.join(f'a{i}: int = 1' for i in range(257))}}}, body: []}}}}\nnetwork: []\n",
        "bad-value",
    ),
    "many inputs": (
        f"archspec: 1\ninputs: {{{', '.join(f'a{i}: [1]' for i in range(257))}}}\nnetwork: []\n",
        "bad-value",
    ),
    "a long name": (HEAD + f"network: [relu: {{name: {'a' * 100_000}}}]\n", "bad-name"),
    "a long index": (HEAD + f"network: [repeat: {{n: 2, as: {'a' * 100_000}, body: []}}]\n", "bad-name"),
    "a long block's name": (HEAD + f"blocks: {{{'a' * 1000}: {{body: []}}}}\nnetwork: []\n", "bad-name"),
    "a long param's name": (HEAD + f"params: {{{'a' * 1000}: 1}}\nnetwork: []\n", "bad-name"),
    "a long tap": (HEAD + f"network: [tap: {'a' * 100_000}]\n", "bad-name"),
    "a tap of many expressions": (HEAD + f"network: [tap: 'a{'{1}' * 300_000}']\n", "bad-name"),
    "a long expression": (HEAD + f"network: [conv: '{'1 + ' * 200_000}1']\n", "bad-expression"),
    "a deep expression": (HEAD + f"network: [conv: '{'-' * 190}1']\n", "bad-expression"),
    "brackets in an expression": (HEAD + f"network: [conv: '{'(' * 199}']\n", "bad-expression"),
    "a long suggestion": (HEAD + f"network: [{'max_pol' * 100_000}]\n", "unknown-node"),
    "block that calls itself": (HEAD + "blocks: {b: {body: [b, b]}}\nnetwork: [b]\n", "block-cycle"),
    "cycle of ten thousand blocks": (chain(10_000, "{body: [NEXT]}", "{body: [b0]}"), "block-cycle"),
    "cycle by handed bodies": (
        HEAD + "blocks: {a: {args: {f: block}, body: [f]}, b: {body: [a: {f: [a: {f: [b]}]}]}}\nnetwork: [b]\n",
        "block-cycle",
    ),
    "huge strides": (
        "archspec: 1\ninputs: {x: [4, L]}\nsizes: {L: 8}\n"
        "network: [repeat: {n: 9, body: [conv: {out: 4, kernel: 1, stride: 2000000000}]}, linear: 3]\n",
        "shape-mismatch",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str) -> None:
    text, code = REFUSED[name]
    assert set(codes(mistakes_of(text))) == {code}


def test_many_mistakes_with_many_names_end() -> None:
    blocks = "".join(f"  block{i}: {{body: []}}\n" for i in range(5000))
    mistakes = mistakes_of(f"{HEAD}blocks:\n{blocks}network: [{', '.join(f'blok{i}' for i in range(10_000))}]\n")
    assert len(mistakes) == 100


def test_wide_specs_within_the_budget_are_no_matter() -> None:
    assert len(graph_of(HEAD + "network:\n" + "  - relu\n" * 5000)) == 5001
    assert len(graph_of(HEAD + "network: [repeat: {n: 90000, body: []}]\n")) == 1
    assert len(graph_of(HEAD + "network: [repeat: {n: 3000, body: [residual: {body: [relu]}]}]\n")) == 6001


def test_nesting_within_the_bound_is_no_matter() -> None:
    assert len(graph_of(chain(98, "{body: [NEXT]}", "{body: [relu]}"))) == 2
    deep = "(((((1)))))" + " + -1 + 1" * 10
    assert len(graph_of(chain(32, "{body: [residual: {body: [NEXT]}]}", f"{{body: [conv: 3 + {deep}]}}"))) == 34
