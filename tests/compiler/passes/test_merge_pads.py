"""Paddings and crops in a row become one where no position moves."""

from __future__ import annotations

import pytest

from archspec.ops import Add, AvgPool, Conv, Crop, Pad, PadChannels, PadSpace, Relu, Shape, Upsample
from compiler.passes.merge_pads import MergePads
from tests.support.rewriting import FOLDED_TOLERANCE, Drawing, apply, chain, kinds, run


def test_the_larger_number_of_channels_wins() -> None:
    after, step, worst = run(MergePads(), chain(Shape(4, 3), PadChannels(out=5), PadChannels(out=9), Relu()))
    assert [node.op for node in after][1:] == [PadChannels(out=9), Relu()]
    assert [(note.node, note.text) for note in step.done] == [
        ("n1", "does what n0 did before it"),
        ("n0", "merged into n1"),
    ]
    assert worst == 0


def test_what_is_read_elsewhere_stays_beside_it() -> None:
    drawing = Drawing(Shape(4, 3))
    inner = drawing.add(PadChannels(out=5))
    outer = drawing.add(PadChannels(out=9))
    after, step, worst = run(MergePads(), drawing.graph(inner, outer))
    assert kinds(after) == ["pad_channels", "pad_channels"]
    assert after["n1"].inputs == ("x",)
    assert [note.node for note in step.done] == ["n1"]
    assert worst == 0


def shrunk(drawing: Drawing, kernel: int) -> str:
    """The input with kernel - 1 positions less along each axis."""
    return drawing.add(AvgPool(kernel=kernel, stride=1), "x")


def test_crops_of_crops() -> None:
    drawing = Drawing(Shape(2, 9, 9), (2, "H", "W"), H=9, W=9)
    larger, smaller = shrunk(drawing, 3), shrunk(drawing, 7)
    drawing.add(Crop(), drawing.add(Crop(), "x", larger), smaller)
    after, _, worst = run(MergePads(), drawing.graph())
    assert kinds(after) == ["avg_pool", "avg_pool", "crop"]
    assert after["n3"].inputs == ("x", "n0", "n1")
    assert worst == 0


def padded(first: int, second: int) -> Drawing:
    """Padded by the kernel sizes' difference to a larger map, and then to the largest."""
    drawing = Drawing(Shape(2, 9, 9))
    smallest, middle = shrunk(drawing, first), shrunk(drawing, second)
    drawing.add(PadSpace(), drawing.add(PadSpace(), smallest, middle), "x")
    return drawing


@pytest.mark.parametrize(("first", "second"), [(5, 3), (4, 3), (4, 2)])
def test_paddings_of_paddings(first: int, second: int) -> None:
    after, _, worst = run(MergePads(), padded(first, second).graph())
    assert kinds(after) == ["avg_pool", "avg_pool", "pad_space"]
    assert worst == 0


def test_two_odd_positions_stay_at_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 and 1 more are one at the end twice, 2 are one at either end: merged all the same, it shows."""
    graph = padded(3, 2).graph()
    after, step, worst = run(MergePads(), graph)
    assert kinds(after) == ["avg_pool", "avg_pool", "pad_space", "pad_space"]
    assert [note.node for note in step.left] == ["n3"]
    assert worst == 0
    monkeypatch.setattr("compiler.passes.merge_pads._added", lambda before, after: (0, 0))
    assert apply(MergePads(), graph)[1] > 0.1


def in_front(kernel: int, conv: Conv) -> Drawing:
    drawing = Drawing(Shape(2, 9, 9))
    drawing.add(PadSpace(), shrunk(drawing, kernel), "x")
    drawing.add(conv)
    return drawing


@pytest.mark.parametrize(
    ("kernel", "conv"), [(3, Conv(out=3)), (5, Conv(out=3, kernel=2, padding=0, stride=2)), (3, Conv(out=2, groups=2))]
)
def test_a_convolution_pads_itself(kernel: int, conv: Conv) -> None:
    after, _, worst = run(MergePads(), in_front(kernel, conv).graph())
    assert kinds(after) == ["avg_pool", "conv"]
    merged = after["n2"].op
    assert isinstance(merged, Conv)
    x = after[after["n2"].inputs[0]].shape
    assert merged.windows(x)[0].before == conv.windows(x)[0].before + kernel // 2
    assert worst < FOLDED_TOLERANCE


def test_a_convolution_cannot_pad_one_end() -> None:
    after, step, worst = run(MergePads(), in_front(4, Conv(out=3)).graph())
    assert kinds(after) == ["avg_pool", "pad_space", "conv"]
    assert "both ends" in step.left[0].text
    assert worst == 0


@pytest.mark.parametrize("behind", [PadSpace(), Conv(out=3)], ids=str)
def test_what_depends_on_sizes_stays(behind: PadSpace | Conv) -> None:
    drawing = Drawing(Shape(2, 8), (2, "L"), L=8)
    drawing.add(PadSpace(), shrunk(drawing, 3), "x")
    drawing.add(behind, "n1", *(["x"] if isinstance(behind, PadSpace) else []))
    after, step, worst = run(MergePads(), drawing.graph())
    assert kinds(after) == ["avg_pool", "pad_space", behind.kind]
    assert [note.text for note in step.left] == ["what n1 adds depends on the sizes"]
    assert worst == 0


def test_a_padding_that_lends_its_extents_stays() -> None:
    drawing = Drawing(Shape(2, 9))
    small = shrunk(drawing, 3)
    inner = drawing.add(PadSpace(), small, "x")
    drawing.add(PadSpace(), inner, drawing.add(Upsample(), "x"), inner)
    after, _, worst = run(MergePads(), drawing.graph())
    assert "n1" in after.nodes
    assert worst == 0


def test_a_sum_is_no_padding() -> None:
    drawing = Drawing(Shape(4, 3))
    drawing.add(Add(), drawing.add(PadChannels(out=5)), drawing.add(PadChannels(out=5), "x"))
    after, step, worst = run(MergePads(), drawing.graph())
    assert kinds(after) == ["pad_channels", "pad_channels", "add"]
    assert not step.done
    assert worst == 0


@pytest.mark.parametrize(
    ("pad", "behind", "padding"),
    [
        (Pad(before=1, after=1), Conv(out=3), 2),
        (Pad(before=2), Conv(out=3, padding=0), "causal"),
        (Pad(before=1, after=2), Conv(out=3, kernel=4, padding=0), "same_end"),
        (Pad(before=(1, 0), after=(1, 0)), Conv(out=3, padding=0, groups=1), (1, 0)),
        (Pad(before=1, after=1), AvgPool(kernel=3, stride=2), 1),
    ],
    ids=str,
)
def test_zeros_before_a_window_are_its_own(pad: Pad, behind: Conv | AvgPool, padding: object) -> None:
    after, _, worst = run(MergePads(), chain(Shape(2, 9, 9), pad, behind))
    assert kinds(after) == [behind.kind]
    (merged,) = (node.op for node in after if node.inputs)
    assert isinstance(merged, Conv | AvgPool)
    assert merged.padding == padding
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(
    ("pad", "behind", "why"),
    [
        (Pad(before=1, after=1, mode="edge"), Conv(out=3), "other numbers than zeros"),
        (Pad(after=1), Conv(out=3), "has no padding that says what"),
        (Pad(before=1), Conv(out=3, stride=2, padding="same_end"), "pads what its size asks for"),
        (Pad(before=1, after=1), AvgPool(kernel=3, padding=1), "has no padding that says what"),
        (Pad(before=1, after=1), AvgPool(kernel=3, count="inside"), "does not count its padding as"),
        (Pad(before=1, after=1), Pad(before=1, mode="reflect"), "do not both add zeros"),
    ],
    ids=str,
)
def test_other_paddings_stay(pad: Pad, behind: Conv | AvgPool | Pad, why: str) -> None:
    after, step, worst = run(MergePads(), chain(Shape(2, 9, 9), pad, behind))
    assert kinds(after) == ["pad", behind.kind]
    assert why in step.left[0].text
    assert worst == 0


def test_two_pads_of_zeros_are_one() -> None:
    after, _, worst = run(MergePads(), chain(Shape(2, 9, 9), Pad(before=1), Pad(before=(0, 2), after=1)))
    assert [node.op for node in after if node.inputs] == [Pad(before=(1, 3), after=1)]
    assert worst == 0
