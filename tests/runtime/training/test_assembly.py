"""The parts of a training fit the recipe, and trying leaves the network alone."""

from __future__ import annotations

import pytest
import torch

from archspec.errors import InputError
from runtime.recipes.optimization import Cosine
from runtime.recipes.recipe import Recipe
from runtime.training.assembly import TrainingGround, drawing_apart
from runtime.training.drop_ramp import DropRamp
from runtime.training.grids import find_grids
from runtime.training.objective import Objective
from runtime.training.ranks import Ranks
from tests.support.models import make_data
from tests.support.training import QUICK, change, make_net

DATA = make_data()


def make_ground(ranks: Ranks | None = None) -> TrainingGround:
    return TrainingGround(DATA, Objective.of(DATA, find_grids(make_net(), DATA), QUICK.loss), None, ranks or Ranks())


def test_the_parts_are_those_of_the_recipe() -> None:
    net = make_net()
    parts = make_ground().assemble(net, change(QUICK, ema=0.9, precision="fp16"), DropRamp(net, False))
    assert parts.state.average is not None
    assert parts.state.scaler is not None
    assert parts.name_sample(3) == "sample 3"
    assert net.training
    plain = make_ground().assemble(make_net(), QUICK, DropRamp(net, False))
    assert (plain.state.average, plain.state.scaler) == (None, None)


def test_the_images_are_opened_once() -> None:
    ground = make_ground()
    assert ground.open_samples(QUICK) is ground.open_samples(QUICK)


def test_what_is_frozen_keeps_its_statistics() -> None:
    net = make_net()
    make_ground().assemble(net, change(QUICK, freeze=["1"]), DropRamp(net, False))
    assert [part.training for part in net] == [True, False, True, True, True, True]


def test_a_schedule_that_never_ends_is_refused() -> None:
    with pytest.raises(InputError, match=r"schedule\.warmup"):
        make_ground().check(change(QUICK, schedule=Cosine(warmup=10_000)))


def test_trying_leaves_the_network_and_the_callers_chance_alone() -> None:
    net, ground = make_net(), make_ground()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    chance = torch.random.get_rng_state()
    recipe = ground.settle(net, change(QUICK, precision="auto", memory_format="auto"))
    assert "auto" not in (recipe.precision, recipe.memory_format)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), chance)
    assert ground.settle(net, QUICK) is QUICK


def test_several_processes_do_not_time_by_themselves() -> None:
    with pytest.raises(InputError, match=r"what a recipe leaves open \(auto\) is found by one process"):
        make_ground(Ranks(0, 2)).settle(make_net(), Recipe(precision="auto"))


def test_one_process_shares_nothing_out() -> None:
    with pytest.raises(InputError, match="fsdp: true shares the weights out among processes, and there is one"):
        make_ground().check(change(QUICK, fsdp=True))
    make_ground(Ranks(0, 2)).check(change(QUICK, fsdp=True))


def test_chance_is_apart() -> None:
    before = torch.random.get_rng_state()
    with drawing_apart(torch.device("cpu"), QUICK):
        torch.rand(3)
        assert torch.get_num_threads() == 1
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("wrong", ["data.patches", "data.window", "data.spacing", "augment.foreground"])
def test_what_volumes_alone_have_is_refused_for_pictures(wrong: str) -> None:
    section, name = wrong.split(".")
    value = {"patches": 3, "window": "each", "spacing": [1.0, 1.0, 1.0], "foreground": 1}[name]
    recipe = Recipe.model_validate({section: {name: value}})
    with pytest.raises(InputError, match=f"`{wrong}` is for volumes, and these are none"):
        make_ground().check(recipe)
    make_ground().check(Recipe())
