"""A part of the data is measured batch by batch as it would be at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from archspec.arrays import Float64Array
from archspec.errors import InputError
from runtime.data.dataset import ArraySamples
from runtime.recipes.objective import LossSection
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import find_task
from runtime.training.evaluation import PartEvaluator
from runtime.training.objective import Objective
from runtime.training.ranks import Ranks
from tests.support.models import arrays_of, make_data
from tests.support.training import make_net

DATA = make_data(test=33)
OBJECTIVE = Objective(find_task("labels"), {"output": OutputGrid((), ())}, LossSection(label_smoothing=0.3), 3)


@pytest.mark.parametrize(("batch", "accumulate"), [(32, 1), (7, 1), (12, 3), (1, 1), (100, 1)])
def test_the_batch_changes_nothing(batch: int, accumulate: int) -> None:
    """The witness is torch's cross-entropy of all images at once, without smoothing; with it is the control."""
    net = make_net()
    found = PartEvaluator(DATA, OBJECTIVE, Ranks(), Recipe(batch=batch, accumulate=accumulate)).measure(net, DATA.test)
    assert net.training
    with torch.no_grad():
        logits = net.eval()(torch.from_numpy(DATA.held_out.images))
    labels = torch.from_numpy(DATA.held_out.labels)
    assert found.images == 33
    assert found.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert found.loss != pytest.approx(F.cross_entropy(logits, labels, label_smoothing=0.3).item(), rel=1e-3)
    assert found.scores == {"accuracy": (logits.argmax(1) == labels).double().mean().item()}
    assert found.to_dict("validation")["validation_accuracy"] == found.scores["accuracy"]


def test_two_processes_share_the_images() -> None:
    """Each has half of them, and the sums of both are those of one: written down for the first, and added for the
    second."""
    net, sums = make_net(), list[Float64Array]()

    class Writing(Ranks):
        def add_up(self, counts: Any) -> Any:
            sums.append(counts)
            return counts

    class Adding(Ranks):
        def add_up(self, counts: Any) -> Any:
            return counts + sums.pop(0)

    first = PartEvaluator(DATA, OBJECTIVE, Writing(0, 2)).measure(net, DATA.test)
    both = PartEvaluator(DATA, OBJECTIVE, Adding(1, 2)).measure(net, DATA.test)
    whole = PartEvaluator(DATA, OBJECTIVE, Ranks()).measure(net, DATA.test)
    assert first.images == 16
    assert (both.images, both.scores) == (whole.images, whole.scores)
    assert both.loss == pytest.approx(whole.loss, rel=1e-6)


def test_an_image_that_cannot_be_read_is_named() -> None:
    class Broken(ArraySamples):
        def __getitem__(self, index: int, /) -> tuple[Any, Any]:
            if index == 7:
                raise OSError("no such sample")
            return super().__getitem__(index)

    part = arrays_of(DATA.test)
    with pytest.raises(InputError, match="sample 7 cannot be read: OSError: no such sample"):
        PartEvaluator(DATA, OBJECTIVE, Ranks()).measure(make_net(), Broken(part.images, part.targets))
