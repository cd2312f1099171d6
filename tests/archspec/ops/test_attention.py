"""What attention takes and refuses, and how it counts."""

from __future__ import annotations

import pytest

from archspec.ops import Attention, Bounds, OpError, Shape

MAP, WORDS = Shape(8, 6, 10), Shape(8, 5)


def test_the_result_has_the_channels_of_the_value_at_the_positions_of_the_query() -> None:
    assert Attention(heads=2).infer(MAP, WORDS, Shape(12, 5)) == Shape(12, 6, 10)
    assert Attention(heads=4, window=(3, 5), shift=(1, 2)).infer(MAP, MAP, MAP) == MAP


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (
            Attention(heads=3),
            (MAP, MAP, MAP),
            "heads: 3 does not divide the 8 channels of the query; give a divisor of 8",
        ),
        (Attention(heads=8), (MAP, MAP, Shape(12, 6, 10)), "heads: 8 does not divide the 12 channels of the value"),
        (Attention(), (MAP, Shape(4, 5), Shape(8, 5)), "has 8 channels and the key, 4×5, 4; give both as many"),
        (Attention(), (MAP, WORDS, Shape(8, 6)), "takes a value for each key: found the key 8×5 and the value 8×6"),
        (Attention(), (Shape(8), Shape(8), Shape(8)), "needs one to three spatial axes"),
        (Attention(bias="relative"), (MAP, WORDS, WORDS), "with bias: relative needs the same positions"),
        (Attention(causal=True), (MAP, WORDS, WORDS), "with causal: true needs the same positions"),
        (Attention(window=4), (MAP, MAP, MAP), "a window of 4 does not divide the extent 6 of 8×6×10; `windows` pads"),
        (Attention(window=(3, 5, 2)), (MAP, MAP, MAP), "has 3 entries, and 8×6×10 has 2 spatial axes"),
        (Attention(window=2, shift=2), (MAP, MAP, MAP), "shift: 2 should be below the window, 2"),
        (Attention(window=2, shift=1, grid=True), (MAP, MAP, MAP), "with grid takes no shift"),
        (Attention(shift=1), (MAP, MAP, MAP), "with shift needs a `window`"),
        (Attention(grid=True), (MAP, MAP, MAP), "with grid needs a `window`"),
        (Attention(window=2, causal=True), (MAP, MAP, MAP), "with a window is not causal"),
        (Attention(similarity="cosine", scale=2), (MAP, MAP, MAP), "learns its scale; leave out `scale`"),
    ],
)
def test_each_mistake_is_told(op: Attention, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(OpError) as found:
        op.infer(*shapes)
    assert message in str(found.value)


def test_products_are_counted_for_pairs_that_see_each_other() -> None:
    """Of ViT-B/16: 197 positions, 768 channels, twice 197² · 768, and 49² in each window of Swin."""
    x = Shape(768, 197)
    assert Attention(heads=12).products(x, x, x) == 2 * 197**2 * 768
    x = Shape(96, 56, 56)
    assert Attention(heads=3, window=7).products(x, x, x) == 2 * 64 * 49**2 * 96
    assert Attention(heads=3, window=7).macs(x, x, x) == 0


def test_means_lie_between_the_values() -> None:
    anything = Bounds()
    assert Attention().bound(anything, anything, Bounds(-1.0, 2.0)) == Bounds(-1.0, 2.0)


def test_positions_see_their_window() -> None:
    whole, cut = Attention(), Attention(window=(3, 5))
    assert whole.input_span(0, (4, 4), MAP, MAP, MAP)[1:] == (None, None)
    (own,), (seen,), _ = (list(places or ()) for places in cut.input_span(0, (4, 4), MAP, MAP, MAP))
    assert (own, seen) == (range(4, 5), range(3, 6))
    assert Attention(window=(3, 5), grid=True).input_span(1, (4, 4), MAP, MAP, MAP)[1] is None
