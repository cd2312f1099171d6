"""Every mistake in a spec: its code, its place (the `▸`) and what the message says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archspec.errors import MAX_MISTAKES, Diagnostic, Mistakes, Place, SpecError, suggest
from tests.archspec.spec.likely_mistakes import LIKELY
from tests.archspec.spec.mistakes import BLOCKS, DOCUMENTS, NODES, SEVERAL, STRUCTURE, Bad
from tests.archspec.spec.texts import HEAD, graph_of, mistakes_in, mistakes_of, places, unmarked, write

EVERY = [
    pytest.param(item, id=f"{group}: {item.name}")
    for group, items in {
        "document": DOCUMENTS,
        "node": NODES,
        "structure": STRUCTURE,
        "block": BLOCKS,
        "several": SEVERAL,
        "likely": LIKELY,
    }.items()
    for item in items
]


@pytest.mark.parametrize("item", EVERY)
def test_mistake_is_told_where_it_stands(item: Bad, tmp_path: Path) -> None:
    text, expected_places = unmarked(item.text)
    path = write(tmp_path, text)
    found = mistakes_in(path)
    assert [mistake.code for mistake in found] == [code for code, _ in item.expected], found
    assert places(found) == expected_places, found
    for mistake, (code, part) in zip(found, item.expected, strict=True):
        assert part in mistake.message
        line, column = mistake.place.line, mistake.place.column
        assert str(mistake).startswith(f"{path}:{line}:{column}: error[{code}]: {mistake.message}")


def test_call_trail_leads_to_the_mistake(tmp_path: Path) -> None:
    text, expected = unmarked("""\
archspec: 1
inputs: {image: [3, 16, 16]}
blocks:
  inner:
    args: {width: int, act: block = none, gains: list}
    body:
      - ▸residual: {body: [conv: width, act]}
  outer:
    body: [▸inner: {width: 2 * in_channels, act: [relu], gains: [1, 2, 3, 4, 5, 6, 7, 8, 9]}]
network:
  - relu
  - ▸outer
""")
    path = write(tmp_path, text)
    (mistake,) = mistakes_in(path)
    assert str(mistake).split("\n") == [
        f"{path}:7:9: error[shape-mismatch]: residual adds its body, 6×16×16, to its input, 3×16×16; "
        "give `project` or `shortcut`",
        f"    in inner(width=6, gains=[1, 2, 3, 4, 5, 6, 7, 8, …]), called at {path}:9:12",
        f"    in outer(), called at {path}:12:5",
    ]
    assert [places([mistake])[0], *((call.place.line, call.place.column) for call in mistake.calls)] == expected
    assert mistake.to_dict() == {
        "code": "shape-mismatch",
        "message": mistake.message,
        "file": str(path),
        "line": 7,
        "column": 9,
        "calls": [
            {"text": call.text, "file": str(path), "line": call.place.line, "column": call.place.column}
            for call in mistake.calls
        ],
    }


def test_long_call_trail_is_cut_in_the_middle() -> None:
    blocks = "".join(f"  b{i}: {{body: [b{i + 1}]}}\n" for i in range(40))
    (mistake,) = mistakes_of(f"{HEAD}blocks:\n{blocks}  b40: {{body: [conv: no]}}\nnetwork: [b0]\n")
    assert len(mistake.calls) == 41
    lines = str(mistake).split("\n")
    assert len(lines) == 11
    assert lines[6] == "    … 32 more calls …"


def test_mistake_in_a_block_called_twice_is_told_once() -> None:
    (mistake,) = mistakes_of(HEAD + "blocks: {b: {body: [linear: 3]}}\nnetwork: [b, from: x, b]\n")
    assert mistake.code == "shape-mismatch"


def test_sizes_that_would_fit_are_told() -> None:
    text = """\
archspec: 1
inputs: {image: [1, H, W]}
sizes: {H: 570, W: 572}
defaults: {conv: {padding: 0}}
network:
  - encoder_decoder:
      each: {width: [4, 4, 4, 4]}
      encoder: [conv: width, conv: width]
      down: [max_pool: 2]
      bottom: [conv: 8, conv: 8]
      up: [conv_transpose: width]
      merge: concat
      fit: crop
      decoder: [conv: width, conv: width]
"""
    mistakes = mistakes_of(text)
    assert {mistake.code for mistake in mistakes} == {"shape-mismatch"}
    for mistake in mistakes:
        assert mistake.message.endswith("(H accepts 188 + 16·k; nearest: 572)")


def test_no_fitting_size_no_hint() -> None:
    (mistake,) = mistakes_of(
        "archspec: 1\ninputs: {x: [3, L]}\nsizes: {L: 8}\nnetwork: [residual: {body: [conv: 5]}]\n"
    )
    assert mistake.message.endswith("give `project` or `shortcut`")


def test_bound_on_nodes_counts_nodes_and_turns() -> None:
    text = HEAD + "network: [repeat: {n: 40, body: [relu, relu]}]\n"
    (mistake,) = mistakes_of(text, max_nodes=120)
    assert mistake.message == "the spec expands to more than 120 nodes; --max-nodes raises the bound"
    assert len(graph_of(text, max_nodes=1 + 40 + 80)) == 1 + 80


def test_search_for_mistakes_ends() -> None:
    words = [f"rel{i}" for i in range(3 * MAX_MISTAKES)]
    mistakes = mistakes_of(f"{HEAD}network: [{', '.join(words)}]\n")
    assert len(mistakes) == MAX_MISTAKES
    fields = ", ".join(f"stride{i}: 1" for i in range(3 * MAX_MISTAKES))
    assert len(mistakes_of(f"{HEAD}network: [conv: {{{fields}}}]\n")) == MAX_MISTAKES
    unknown = ", ".join(f"conv: width{i}, from: x" for i in range(3 * MAX_MISTAKES))
    assert len(mistakes_of(f"{HEAD}network: [{unknown}]\n")) == MAX_MISTAKES
    twice = "\n".join(f"k{i % MAX_MISTAKES}: 1" for i in range(4 * MAX_MISTAKES))
    assert len(mistakes_of(f"{HEAD}{twice}\nnetwork: []\n")) == MAX_MISTAKES


def test_messages_are_one_printable_line_of_bounded_length() -> None:
    for word in ('"\\e[31m\\u202e\\n"', f'"{"a" * 100_000}"', '"\\0"'):
        (mistake,) = mistakes_of(f"{HEAD}network: [{word}]\n")
        assert mistake.code == "unknown-node"
        assert mistake.message.isprintable()
        assert len(mistake.message) < 700
    assert "'\\x1b[31m\\u202e\\n'" in mistakes_of(f'{HEAD}network: ["\\e[31m\\u202e\\n"]\n')[0].message


def test_errors_are_sorted_by_place_and_told_once() -> None:
    first, second = Diagnostic("a", "first", Place("f", 2, 1)), Diagnostic("b", "second", Place("f", 10, 1))
    error = SpecError([second, first, second])
    assert error.diagnostics == (first, second)
    assert str(error) == "f:2:1: error[a]: first\nf:10:1: error[b]: second"


def test_mistakes_end_the_search_at_their_bound() -> None:
    mistakes = Mistakes()
    with pytest.raises(SpecError) as caught:
        mistakes.extend(Diagnostic("a", str(i), Place("f", i + 1)) for i in range(10**9))
    assert len(caught.value.diagnostics) == MAX_MISTAKES


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("conf", "; did you mean 'conv'?"),
        ("zzz", ""),
        ("", ""),
        ("conv" * 10_000, ""),
        ("linaer", "; did you mean 'linear'?"),
    ],
)
def test_suggestions(word: str, expected: str) -> None:
    assert suggest(word, ["conv", "linear", "relu"]) == expected


def test_format_of_a_place() -> None:
    assert re.fullmatch(r"spec\.yaml:3:7", str(Place("spec.yaml", 3, 7)))
