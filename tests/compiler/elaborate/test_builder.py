"""Merges and what fits their operands to each other, and which names nodes may have."""

from __future__ import annotations

import pytest

from archspec.api import accepted_sizes
from archspec.ops import OpError
from tests.archspec.spec.texts import HEAD, codes, graph_of, mistakes_of, unmarked
from tests.support.listing import listed


def test_crop_cuts_the_larger_to_the_smallest() -> None:
    network = (
        "[add: {branches: [[conv: {out: 4, padding: 0}], [], [conv: {out: 4, kernel: 5, padding: 0}]], fit: crop}]"
    )
    assert listed(network)[2:] == [
        "add_0.crop0 = crop(add_0.branch0.conv_0, x, add_0.branch2.conv_0) 4×4×4",
        "add_0.crop1 = crop(x, add_0.branch0.conv_0, add_0.branch2.conv_0) 4×4×4",
        "add_0.add = add(add_0.crop0, add_0.crop1, add_0.branch2.conv_0) 4×4×4",
    ]


def test_crop_where_each_axis_is_smallest_elsewhere() -> None:
    head = "archspec: 1\ninputs: {a: [2, 8, 4], b: [3, 4, 8]}\n"
    assert listed("[concat: {branches: [[], [from: b]], fit: crop}]", head) == [
        "concat_0.crop0 = crop(a, b) 2×4×4",
        "concat_0.crop1 = crop(b, a) 3×4×4",
        "concat_0.concat = concat(concat_0.crop0, concat_0.crop1) 5×4×4",
    ]


def test_crop_of_equal_extents_does_nothing() -> None:
    assert listed("[add: {branches: [[], [relu]], fit: crop}]")[-1] == "add_0.add = add(x, add_0.branch1.relu_0) 4×8×8"


def test_what_fixup_adds_may_not_have_the_name_of_another_node() -> None:
    body = "network: [residual: {scaling: fixup, body: [▸conv: {out: 4}, relu: {name: conv_1_bias}, ▸conv: 4]}]\n"
    text, [_, place] = unmarked(HEAD + body)
    (mistake,) = mistakes_of(text)
    assert (mistake.code, mistake.place.line, mistake.place.column) == ("duplicate-name", *place)


@pytest.mark.parametrize(
    "network",
    [
        "residual: {scaling: fixup, body: [repeat: {name: conv_0_bias, n: 1, body: [relu]}, conv: 4]}",
        "residual: {scaling: fixup, body: [conv: 4, repeat: {name: conv_0_bias, n: 1, body: [relu]}]}",
        "add: {n: 2, as: pad, fit: pad, body: [conv: {out: 4, padding: pad}]}",
        "concat: {n: 2, as: crop, fit: crop, body: [conv: {out: 4, padding: 2 * crop}]}",
    ],
)
def test_what_is_added_may_not_have_the_name_of_what_holds_others(network: str) -> None:
    """Of two things of one name, torch would keep the later."""
    assert codes(mistakes_of(f"{HEAD}network: [{network}]\n")) == ["duplicate-name"]


@pytest.mark.parametrize("size", [7, 8, 9, 10])
def test_padding_fits_operands_of_any_sizes(size: int) -> None:
    text = f"archspec: 1\ninputs: {{x: [2, {size}]}}\n"
    network = "network: [concat: {branches: [[], [max_pool: 2, upsample: 2], [conv: {out: 1, padding: 2}]], fit: pad}]"
    graph = graph_of(f"{text}{network}\n")
    assert graph[graph.outputs["output"]].shape == (5, size + 2)
    assert [node.id for node in graph if node.op.kind == "pad_space"] == ["concat_0.pad0", "concat_0.pad1"]


@pytest.mark.parametrize("word", ["add", "concat"])
def test_padding_of_a_value_to_itself_is_none(word: str) -> None:
    graph = graph_of(f"{HEAD}network: [{word}: {{branches: [[], [], []], fit: pad}}]\n")
    assert [node.inputs for node in graph][1:] == [("x", "x", "x")]


def test_many_paddings_to_each_other_take_of_the_budget() -> None:
    assert codes(mistakes_of(HEAD + "network: [add: {n: 700, body: [relu], fit: pad}]\n")) == ["too-many-nodes"]


OTHER_SIZES = [
    ("{x: [2, H], y: [2, K]}", {"H": 8, "K": 8}, {"H": 11, "K": 5}),
    ("{x: [2, L], y: [2, 20]}", {"L": 8}, {"L": 31}),
    ("{x: [2, L], y: [2, 20]}", {"L": 31}, {"L": 8}),
]


@pytest.mark.parametrize(("inputs", "sizes", "others"), OTHER_SIZES)
def test_operands_that_grow_apart_are_padded_at_every_size(
    inputs: str, sizes: dict[str, int], others: dict[str, int]
) -> None:
    text = f"archspec: 1\ninputs: {inputs}\nnetwork: [add: {{branches: [[], [from: y]], fit: pad}}]\n"
    graph = graph_of(text, sizes=sizes)
    assert {str(rule) for rule in accepted_sizes(graph).values()} == {"any from 1"}
    resized = graph.resize(others)
    assert resized[resized.outputs["output"]].shape == (2, max([*others.values(), *([20] if "L" in others else [])]))
    assert resized.digest() == graph_of(text, sizes=others).digest()


@pytest.mark.parametrize("size", [8, 9])
def test_paddings_do_not_depend_on_the_size_at_hand(size: int) -> None:
    """At 8 nothing is missing, but at 9 it is: the padding is there at both, and the model takes every size."""
    text = f"archspec: 1\ninputs: {{x: [2, L]}}\nsizes: {{L: {size}}}\n"
    graph = graph_of(text + "network: [add: {branches: [[], [max_pool: 2, upsample: 2]], fit: pad}]\n")
    assert [node.id for node in graph if node.op.kind == "pad_space"] == ["add_0.pad1"]
    assert str(accepted_sizes(graph)["L"]) == "any from 2"


def test_repeating_before_a_concatenation_holds_at_every_size() -> None:
    """A vector of the whole map, and rows of it, beside each position; at one position nothing is repeated."""
    text = "archspec: 1\ninputs: {x: [2, H, W], y: [3, 1, W]}\nsizes: {H: 4, W: 5}\n"
    graph = graph_of(text + "network: [concat: {branches: [[], [global_avg_pool], [from: y]], fit: repeat}]\n")
    repeated = [node.id for node in graph if node.op.kind == "repeat_space"]
    assert repeated == ["concat_0.repeat1", "concat_0.repeat2"]
    assert graph["concat_0.concat"].shape == (7, 4, 5)
    assert graph.resize({"H": 1, "W": 9})["concat_0.concat"].shape == (7, 1, 9)
    assert {str(rule) for rule in accepted_sizes(graph).values()} == {"any from 1"}


def test_repeating_takes_extents_of_1_and_no_others() -> None:
    text = "archspec: 1\ninputs: {x: [2, L], y: [3, K]}\nsizes: {L: 6, K: 1}\n"
    graph = graph_of(text + "network: [concat: {branches: [[], [from: y]], fit: repeat}]\n")
    assert str(accepted_sizes(graph)["K"]) == "1 and 6 while L is 6"
    with pytest.raises(OpError, match="fit: repeat needs equal extents or extents of 1, found 2×6 and 3×2"):
        graph.resize({"K": 2})


def test_resizing_fits_all_to_the_first() -> None:
    rows = listed("[concat: {branches: [[max_pool: 2], [], [max_pool: 4]], fit: resize}]")
    assert rows[-3:] == [
        "concat_0.resize1 = resize(x, concat_0.branch0.max_pool_0) 4×4×4",
        "concat_0.resize2 = resize(concat_0.branch2.max_pool_0, concat_0.branch0.max_pool_0) 4×4×4",
        "concat_0.concat = concat(concat_0.branch0.max_pool_0, concat_0.resize1, concat_0.resize2) 12×4×4",
    ]


@pytest.mark.parametrize("order", ["skip_first", "up_first"])
def test_what_comes_up_is_resized_to_the_skip(order: str) -> None:
    """Whichever comes first in the merge, and at sizes that a stride does not divide."""
    levels = f"encoder_decoder: {{n: 1, down: [max_pool: 2], up: [upsample: 2], fit: resize, order: {order}}}"
    graph = graph_of(f"archspec: 1\ninputs: {{x: [3, H, 7]}}\nsizes: {{H: 9}}\nnetwork: [{levels}]\n")
    (resize,) = (node for node in graph if node.op.kind == "resize")
    assert resize.inputs == ("encoder_decoder_0.i0.up.upsample_0", "x")
    assert graph.resize({"H": 20}).nodes[graph.outputs["output"]].shape == (6, 20, 7)


IDS = "archspec: 1\ninputs: {ids: {shape: [1, 8], type: int}, x: [1, 8]}\n"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("[▸conv: 4]", "conv takes no whole numbers, which 'ids' has by its type; put `embedding` before it"),
        ("[▸relu]", "relu takes no whole numbers"),
        ("[tap: words, from: x, ▸add: [[], [from: words]]]", "add takes no whole numbers"),
        (
            "[from: x, ▸embedding: {rows: 4, out: 2}]",
            "embedding looks up rows by whole numbers, which an input of type",
        ),
        ("[embedding: {rows: 4, out: 2}, ▸embedding: {rows: 4, out: 2}]", "embedding looks up rows by whole numbers"),
        ("[residual: {body: [▸conv: 1]}]", "conv takes no whole numbers"),
    ],
)
def test_whole_numbers_name_rows_and_nothing_else(network: str, message: str) -> None:
    text, [place] = unmarked(f"{IDS}network: {network}\n")
    mistake = mistakes_of(text)[0]
    assert (mistake.code, mistake.place.line, mistake.place.column) == ("wrong-numbers", *place)
    assert mistake.message.startswith(message)


@pytest.mark.parametrize("network", ["[tap: words]", "[output: y, embedding: {rows: 4, out: 2}]"])
def test_an_output_is_no_input_of_whole_numbers(network: str) -> None:
    text = f"{IDS}network: {network}\n"
    (mistake,) = mistakes_of(text)
    assert mistake.code == "wrong-numbers"
    assert "is the input 'ids' of type int, with which nothing was computed" in mistake.message


def test_whole_numbers_lend_their_extents_and_their_batch() -> None:
    network = "[tap: words, embedding: {rows: 4, out: 2}, max_pool: 2, resize: words, learned: [3, 8]]"
    assert listed(network, IDS)[-2:] == ["resize_0 = resize(max_pool_0, ids) 2×8", "learned_0 = learned(resize_0) 3×8"]
