"""A training ends as its recipe says, keeps what is best, and says where numbers were lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from archspec.errors import InputError
from runtime.data.dataset import ArraySamples
from runtime.recipes.optimization import EarlyStopping
from runtime.training.assembly import TrainingGround
from runtime.training.ema import holding
from runtime.training.grids import find_grids
from runtime.training.objective import Objective
from runtime.training.rate_search import STEPS
from runtime.training.train import find_rate, train
from tests.support.models import arrays_of, make_data
from tests.support.training import QUICK, change, make_net

DATA = make_data()
CHOOSING = replace(DATA, validation=DATA.test)


def test_steps_may_be_said_instead_of_epochs() -> None:
    result = train(make_net(), DATA, change(QUICK, steps=6, epochs=None, evaluate_every=4))
    assert (result.steps, result.epochs, [row.step for row in result.history]) == (6, 2, [4, 6])


def test_the_best_weights_are_kept_and_tested() -> None:
    """A rate that spoils them in the end: what is kept is of the best evaluation, which the test figures are of too."""
    recipe = change(QUICK, epochs=8, lr=0.2)
    result = train(make_net(), CHOOSING, recipe)
    scores = [row.measured.scores["accuracy"] for row in result.history]
    first = int(np.argmax(scores))
    assert result.best == result.history[first].step
    assert [row.best for row in result.history] == [
        score > max([-1.0, *scores[:place]]) for place, score in enumerate(scores)
    ]
    assert result.test is not None
    assert result.test.scores == result.history[first].measured.scores
    net = make_net(seed=9)
    with holding(net, result.state):
        logits = net.eval()(torch.from_numpy(DATA.held_out.images))
    assert (logits.argmax(1).numpy() == DATA.held_out.labels).mean() == max(scores)


def test_training_stops_early() -> None:
    recipe = change(QUICK, epochs=20, lr=1e-9, early_stopping=EarlyStopping(patience=3))
    result = train(make_net(), CHOOSING, recipe)
    assert len(result.history) == 4
    assert (result.steps, result.best) == (16, 4)


def test_where_nothing_is_chosen_none_is_the_best() -> None:
    result = train(make_net(), DATA, change(QUICK, epochs=2))
    assert [row.best for row in result.history] == [None, None]
    assert (result.best, result.measured["best"]) == (None, None)
    assert train(make_net(), CHOOSING, change(QUICK, epochs=1)).measured["best"] == 4


def test_the_average_is_what_is_evaluated_and_kept() -> None:
    """Its weights are others than the module's own, which stay in the module."""
    net = make_net()
    result = train(net, DATA, change(QUICK, ema=0.9))
    state = net.state_dict()
    assert not torch.equal(result.state["0.weight"], state["0.weight"])
    own = train(make_net(), DATA, QUICK).state
    assert all(torch.equal(value, own[name]) for name, value in state.items())
    with holding(net, result.state):
        logits = net.eval()(torch.from_numpy(DATA.held_out.images))
    accuracy = float((logits.argmax(1).numpy() == DATA.held_out.labels).mean())
    assert result.test_scores == {"accuracy": accuracy}


def test_a_data_set_without_test_images_has_no_test_figures() -> None:
    part = arrays_of(DATA.test)
    data = replace(CHOOSING, test=ArraySamples(part.images[:0], part.targets[:0]))
    result = train(make_net(), data, change(QUICK, epochs=1))
    assert (result.test, result.test_scores, result.test_loss) == (None, {}, None)
    assert "test_loss" not in result.measured


def test_an_image_that_is_not_finite_is_named_with_step_and_node() -> None:
    part = arrays_of(DATA.train)
    images = part.images.copy()
    images[17, 0, 0, 0] = np.nan
    data = replace(DATA, train=ArraySamples(images, part.targets))
    said = (
        r"the loss became nan at step \d+ of 16 \(epoch 1\): the first that is not finite is the images, for 1 of 16 "
    )
    with pytest.raises(InputError, match=said + r"images \(sample 17\); try a learning rate below 0\.1"):
        train(make_net(), data, QUICK)


def test_a_recipe_for_another_task_is_refused() -> None:
    with pytest.raises(InputError, match="the recipe is for the task maps, and rows asks for labels"):
        train(make_net(), DATA, change(QUICK, task="maps"))


def test_what_is_left_open_is_filled_in(caplog: pytest.LogCaptureFixture) -> None:
    result = train(make_net(), DATA, change(QUICK, epochs=1, precision="auto", memory_format="auto"))
    assert result.recipe.precision in ("fp32", "bf16")
    assert result.recipe.memory_format in ("contiguous", "channels_last")
    assert "by the time of a step (fp32, contiguous: " in caplog.messages[0]
    with pytest.raises(InputError, match="batch: auto needs a spec or a graph"):
        train(make_net(), DATA, change(QUICK, batch="auto"))


def test_a_rate_is_found_and_the_module_stays() -> None:
    """The rate is one that learns: far from those at which nothing, or everything, is lost."""
    net, heard = make_net(), list[tuple[int, int]]()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    ground = TrainingGround(DATA, Objective.of(DATA, find_grids(net, DATA), QUICK.loss))
    found = find_rate(ground, net, QUICK, lambda done, of: heard.append((done, of)))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert heard[: len(found.rates)] == [(step, STEPS) for step in range(1, len(found.rates) + 1)]
    assert 1e-3 < found.steepest < 5
    found_accuracy = train(make_net(), DATA, change(QUICK, lr=found.steepest)).test_scores["accuracy"]
    assert found_accuracy > train(make_net(), DATA, change(QUICK, lr=1e-6)).test_scores["accuracy"]
