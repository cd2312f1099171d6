"""Signal to noise, as numpy computes it in one piece."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.int8.sqnr import ErrorSums


def test_the_mean_of_a_channel_is_no_signal() -> None:
    before = np.random.default_rng(0).standard_normal((50, 2, 4)).astype(np.float32) + 1000
    after = before.copy()
    after[:, 1] = 1000
    difference = ErrorSums()
    for part in (slice(0, 7), slice(7, 50)):
        difference.add(before[part], after[part])
    worst = difference.find_worst()
    assert worst is not None
    assert worst[0] == 1
    assert worst[1] == pytest.approx(0, abs=0.1)
    assert difference.ratio_in_db is not None
    assert difference.ratio_in_db > 50
