"""A process that trains alone agrees with itself."""

from __future__ import annotations

import numpy as np
import torch

from runtime.training.ranks import Ranks


def test_one_process_is_the_main_one() -> None:
    ranks = Ranks()
    assert (ranks.rank, ranks.size, ranks.is_main, Ranks(1, 2).is_main) == (0, 1, True, False)
    counts, sums = np.arange(3.0), torch.ones(2)
    assert ranks.add_up(counts) is counts
    assert ranks.add_up(sums) is sums
    assert ranks.share_text("näher") == "näher"
    assert ranks.agree(True)
    assert not ranks.agree(False)
