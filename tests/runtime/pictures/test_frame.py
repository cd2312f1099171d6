"""A frame places pixels as torch's resizing does: their centres fill both sizes alike."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.pictures.frame import Frame


@pytest.mark.parametrize(("own", "shown"), [(8, 8), (5, 10), (300, 8)])
def test_centres_fill_both_sizes(own: int, shown: int) -> None:
    """The witness: the two outer edges of the image, half a pixel beyond the first and the last centre."""
    frame = Frame((own,), (shown,), (shown + 3,))
    assert frame.from_own(-0.5, 0) == -0.5
    assert frame.from_own(own - 0.5, 0) == pytest.approx(shown - 0.5)
    places = np.linspace(-2, own, 20)
    assert np.allclose(frame.to_own(frame.from_own(places, 0), 0), places)
    assert frame.padded
    assert frame.resized == (own != shown)


def test_an_image_that_is_the_input_has_no_padding() -> None:
    frame = Frame.whole((4, 6))
    assert (frame.own, frame.padded, frame.resized) == ((4, 6), False, False)
