"""The larger and the smaller of two normal values, against numbers drawn at random."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.largest import pass_larger


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("shared", [(0.4, 0.5), (0.0, 0.0), (1.2, 0.0)])
def test_the_larger_of_two(sign: float, shared: tuple[float, float]) -> None:
    rng, count = np.random.default_rng(0), 400_000
    means, variances = (0.3, -0.2), (1.2, 0.8)
    common = [rng.normal(mean, part**0.5, count) for mean, part in zip(means, shared, strict=True)]

    def draw() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        rows = zip(common, variances, shared, strict=True)
        x, y = (row + rng.normal(0, (whole - part) ** 0.5, count) for row, whole, part in rows)
        found: np.ndarray[tuple[int], np.dtype[np.float64]] = sign * np.maximum(sign * x, sign * y)
        return found

    one, other = draw(), draw()
    x, y = (ChannelMoments(m, v + m**2, c + m**2) for m, v, c in zip(means, variances, shared, strict=True))
    found = pass_larger(sign, x, y)
    drawn = [float(value.mean()) for value in (one, one**2, one * other)]
    assert list(found.part) == pytest.approx(drawn, abs=0.01)
    assert list(found.part) != pytest.approx(list(pass_larger(-sign, x, y).part), abs=0.1)
    assert found.gain + pass_larger(-sign, x, y).gain == pytest.approx(1)
