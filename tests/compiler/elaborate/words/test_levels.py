"""Ways down and up, read off the graph."""

from __future__ import annotations

from tests.archspec.spec.texts import HEAD
from tests.support.listing import listed


def test_encoder_decoder_with_equal_levels() -> None:
    network = (
        "[encoder_decoder: {n: 2, skip: [tanh], down: [max_pool: 2], bottom: [relu], up: [upsample: 2], merge: add}]"
    )
    assert listed(network) == [
        "encoder_decoder_0.i0.skip.tanh_0 = tanh(x) 4×8×8",
        "encoder_decoder_0.i0.down.max_pool_0 = max_pool(x) 4×4×4",
        "encoder_decoder_0.i1.skip.tanh_0 = tanh(encoder_decoder_0.i0.down.max_pool_0) 4×4×4",
        "encoder_decoder_0.i1.down.max_pool_0 = max_pool(encoder_decoder_0.i0.down.max_pool_0) 4×2×2",
        "encoder_decoder_0.bottom.relu_0 = relu(encoder_decoder_0.i1.down.max_pool_0) 4×2×2",
        "encoder_decoder_0.i1.up.upsample_0 = upsample(encoder_decoder_0.bottom.relu_0) 4×4×4",
        "encoder_decoder_0.i1.merge.add = "
        "add(encoder_decoder_0.i1.skip.tanh_0, encoder_decoder_0.i1.up.upsample_0) 4×4×4",
        "encoder_decoder_0.i0.up.upsample_0 = upsample(encoder_decoder_0.i1.merge.add) 4×8×8",
        "encoder_decoder_0.i0.merge.add = "
        "add(encoder_decoder_0.i0.skip.tanh_0, encoder_decoder_0.i0.up.upsample_0) 4×8×8",
    ]


def test_encoder_decoder_over_lists_is_the_outermost_level_first() -> None:
    network = (
        "[encoder_decoder: {each: {width: [2, 3]}, as: level, encoder: [conv: width], down: [max_pool: 2], "
        "bottom: [conv: 5], up: [conv_transpose: width], decoder: [conv: width]}]"
    )
    rows = listed(network)
    assert [row.rpartition(" ")[2] for row in rows] == [
        *("2×8×8", "2×4×4", "3×4×4", "3×2×2", "5×2×2"),
        *("3×4×4", "6×4×4", "3×4×4", "2×8×8", "4×8×8", "2×8×8"),
    ]
    assert rows[-2] == (
        "encoder_decoder_0.level0.merge.concat = "
        "concat(encoder_decoder_0.level0.encoder.conv_0, encoder_decoder_0.level0.up.conv_transpose_0) 4×8×8"
    )


def test_encoder_decoder_without_levels_is_its_bottom() -> None:
    assert listed("[encoder_decoder: {n: 0, encoder: [conv: 9], bottom: [tanh]}, relu]") == [
        "encoder_decoder_0.bottom.tanh_0 = tanh(x) 4×8×8",
        "relu_0 = relu(encoder_decoder_0.bottom.tanh_0) 4×8×8",
    ]
    assert listed("[encoder_decoder: {n: 0}]") == []


def test_encoder_decoder_crops_where_asked() -> None:
    network = "[encoder_decoder: {n: 1, down: [conv: {out: 4, padding: 0}], merge: mul, fit: crop}]"
    assert listed(network)[1:] == [
        "encoder_decoder_0.i0.merge.crop0 = crop(x, encoder_decoder_0.i0.down.conv_0) 4×6×6",
        "encoder_decoder_0.i0.merge.mul = "
        "mul(encoder_decoder_0.i0.merge.crop0, encoder_decoder_0.i0.down.conv_0) 4×6×6",
    ]


def test_order_says_which_comes_first_in_the_merge() -> None:
    network = "[encoder_decoder: {n: 1, skip: [tanh], down: [max_pool: 2], up: [upsample: 2], order: up_first}]"
    assert listed(network)[-1] == (
        "encoder_decoder_0.i0.merge.concat = "
        "concat(encoder_decoder_0.i0.up.upsample_0, encoder_decoder_0.i0.skip.tanh_0) 8×8×8"
    )
    head = HEAD + "defaults: {encoder_decoder: {order: up_first}}\n"
    assert listed(network.replace(", order: up_first", ""), head) == listed(network)


def test_skip_reads_what_comes_up_as_a_tap() -> None:
    """A gate of Attention U-Net (Oktay et al., 2018); outside, a tap of that name stays."""
    head = HEAD + "blocks: {gate: {args: {by: value}, body: [mul: [[], [from: by, sigmoid]]]}}\n"
    network = (
        "[tap: up, encoder_decoder: {n: 1, down: [max_pool: 2], up: [upsample: 2], skip: [gate: {by: up}]}, "
        "from: up, relu]"
    )
    assert listed(network, head)[-4:] == [
        "encoder_decoder_0.i0.skip.gate_0.mul_0.branch1.sigmoid_0 = sigmoid(encoder_decoder_0.i0.up.upsample_0) 4×8×8",
        "encoder_decoder_0.i0.skip.gate_0.mul_0.mul = "
        "mul(x, encoder_decoder_0.i0.skip.gate_0.mul_0.branch1.sigmoid_0) 4×8×8",
        "encoder_decoder_0.i0.merge.concat = "
        "concat(encoder_decoder_0.i0.skip.gate_0.mul_0.mul, encoder_decoder_0.i0.up.upsample_0) 8×8×8",
        "relu_0 = relu(x) 4×8×8",
    ]


def test_a_level_may_merge_as_any_word_for_branches() -> None:
    levels = (
        "[encoder_decoder: {n: 1, down: [max_pool: 2], bottom: [relu], up: [upsample: 2], merge: %s, order: up_first}]"
    )
    for word in ("sub", "div", "max", "min"):
        merged = f"encoder_decoder_0.i0.merge.{word} = {word}(encoder_decoder_0.i0.up.upsample_0, x) 4×8×8"
        assert listed(levels % word)[-1] == merged
