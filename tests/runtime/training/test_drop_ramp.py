"""What drops at random drops more and more, and afterwards as the network says."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn

from archspec.errors import ArchspecError
from runtime.data.dataset import Dataset
from runtime.training.drop_ramp import DropRamp
from runtime.training.train import train
from tests.support.models import make_data
from tests.support.training import QUICK, change, make_net


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_data()


def test_survival_falls_while_training_where_that_is_wanted(data: Dataset) -> None:
    class Droppy(nn.Module):
        """Notes its progress at each step."""

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.progress = nn.Linear(16, 3), 1.0
            self.seen: list[float] = []

        def forward(self, x: Tensor) -> Any:
            if self.training:
                self.seen.append(self.progress)
            return self.layer(x.flatten(1))

    net = Droppy()
    result = train(net, data, change(QUICK, epochs=2, ramp_drop=True))
    assert net.seen == [step / result.steps for step in range(result.steps)]
    assert net.progress == 1.0
    plain = Droppy()
    train(plain, data, change(QUICK, epochs=1))
    assert set(plain.seen) == {1.0}
    with pytest.raises(ArchspecError, match="no stochastic depth and no ShakeDrop whose survival could fall"):
        train(make_net(), data, change(QUICK, ramp_drop=True))


def test_the_ramp_ends_at_one_whatever_happens() -> None:
    part: Any = nn.Dropout()
    part.progress = 1.0

    def stop() -> None:
        with DropRamp(nn.Sequential(part), True) as ramp:
            ramp.move(0.25)
            raise KeyboardInterrupt(part.progress)

    with pytest.raises(KeyboardInterrupt, match=r"0\.25"):
        stop()
    assert part.progress == 1.0
