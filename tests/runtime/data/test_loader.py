"""Loaders: the same batches however many processes read them, and plain messages of what goes wrong in these."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from archspec.errors import InputError
from runtime.data.batches import EpochOrder, Shard
from runtime.data.cache import open_samples
from runtime.data.dataset import ArraySamples, Dataset, Samples
from runtime.data.fetching import Batch
from runtime.data.loader import Loader, Workers, make_loader
from runtime.data.registry import load_data
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import AugmentSection, DataSection
from runtime.recipes.recipe import Recipe
from tests.support.odd_samples import DrawingSamples, FailingSamples
from tests.support.without import ROOT

VARIED: dict[str, Any] = {"shift": 1, "rotate": 10, "zoom": [0.9, 1.1], "brightness": 0.2, "noise": 0.02, "blur": 0.5}


def load(data: Dataset, recipe: Recipe, **options: Any) -> Loader[Batch]:
    return make_loader(data, open_samples(data, data.train, recipe.data), recipe, **{"training": True, **options})


def read(data: Dataset, recipe: Recipe, **options: Any) -> list[Batch]:
    with load(data, recipe, **options) as loader:
        batches = list(loader)
        assert len(batches) == len(loader)
        return batches


def take(name: str, count: int = 50) -> Dataset:
    """A data set with fewer training images."""
    data = load_data(name)
    assert isinstance(data.train, ArraySamples)
    return replace(data, train=ArraySamples(data.train.images[:count], data.train.targets[:count]))


def are_equal(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(one.images, two.images)
        and torch.equal(one.targets.nan_to_num(-1), two.targets.nan_to_num(-1))
        and torch.equal(one.indices, two.indices)
        and one.whole == two.whole
        for one, two in zip(first, second, strict=True)
    )


def foreign(samples: Samples) -> Dataset:
    return Dataset("mine", samples, samples, ("a", "b", "c"), Preprocess(1, (4, 4), (0.5,), (0.5,)))


@pytest.mark.parametrize("name", ["digits", "digit_maps", "digit_points"])
def test_batches_are_the_same_with_0_1_and_3_workers_and_from_any_step(name: str) -> None:
    """The control: another seed gives others."""
    data = take(name)
    recipe = Recipe(batch=17, epochs=2, augment=AugmentSection(**VARIED))
    alone = read(data, recipe)
    for count in (1, 3):
        assert are_equal(read(data, recipe, workers=Workers(count, "fork")), alone)
    for step in (1, len(alone) // 2, len(alone) - 1):
        assert are_equal(read(data, recipe, start_step=step, workers=Workers(step % 3, "fork")), alone[step:])
    assert not are_equal(read(data, Recipe(batch=17, epochs=2, augment=AugmentSection(**VARIED), seed=1)), alone)
    assert sum(map(len, alone)) == 2 * len(data.train)


def test_batches_are_the_same_in_processes_that_start_anew() -> None:
    """Whatever they inherit, or draw by themselves: samples of a person's own draw from three generators."""
    data, recipe = foreign(DrawingSamples()), Recipe(batch=7, epochs=2, augment=AugmentSection(**VARIED))
    alone = read(data, recipe)
    torch.manual_seed(99)
    assert are_equal(read(data, recipe), alone)
    assert are_equal(read(data, recipe, workers=Workers(2, "forkserver")), alone)


@pytest.mark.parametrize("size", [2, 3])
def test_processes_share_each_step(size: int) -> None:
    data, recipe = take("digits"), Recipe(batch=20, epochs=1, augment=AugmentSection(**VARIED))
    alone = read(data, recipe)
    parts = [read(data, recipe, shard=Shard(rank, size)) for rank in range(size)]
    for whole, *shares in zip(alone, *parts, strict=True):
        indices = torch.cat([share.indices for share in shares])
        assert torch.equal(
            torch.cat([share.images for share in shares])[indices.argsort()], whole.images[whole.indices.argsort()]
        )
        assert [share.whole for share in shares] == [whole.whole] * size == [len(whole)] * size


def test_an_evaluation_reads_everything_once_in_order_and_as_it_is() -> None:
    data, recipe = load_data("digit_maps"), Recipe(batch=100, augment=AugmentSection(**VARIED))
    parts = [read(data, recipe, training=False, shard=Shard(rank, 3)) for rank in range(3)]
    batches = [batch for part in parts for batch in part]
    assert torch.cat([batch.indices for batch in batches]).tolist() == list(range(480))
    found = data.preprocess.normalize(torch.cat([batch.images for batch in batches]).numpy())
    assert np.array_equal(found, data.training.images)
    assert np.array_equal(torch.cat([batch.targets for batch in batches]).numpy(), data.training.labels)


def test_loading_leaves_the_global_generators_alone() -> None:
    data, recipe = foreign(DrawingSamples()), Recipe(batch=7, epochs=1, augment=AugmentSection(**VARIED))
    torch.manual_seed(5)
    expected = torch.rand(3)
    for count in (0, 1):
        torch.manual_seed(5)
        read(data, recipe, workers=Workers(count, "fork"))
        assert torch.equal(torch.rand(3), expected)


def test_steps_end_where_the_recipe_says() -> None:
    data = load_data("digits")
    assert len(load(data, Recipe(batch=100, steps=7))) == 7
    assert len(load(data, Recipe(batch=100, epochs=3))) == 45
    assert len(load(data, Recipe(batch=100, steps=7), start_step=7)) == 0
    with pytest.raises(InputError, match="batch: auto is to be chosen before images are loaded"):
        load(data, Recipe(batch="auto"))


def test_classes_are_drawn_as_often_where_they_are_balanced() -> None:
    data = load_data("digits")
    batches = read(data, Recipe(batch=100, epochs=2, sampling="balanced"))
    drawn = torch.cat([batch.indices for batch in batches])
    assert len(drawn) == 2 * len(data.train)
    assert len(drawn.unique()) < len(data.train)


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("how", ["input", "bug"])
def test_a_sample_that_cannot_be_read_is_one_message(how: str, count: int) -> None:
    data, recipe = foreign(FailingSamples((11,), how)), Recipe(batch=4, epochs=1)
    expected = {"input": r"^photos/11\.jpg is a broken picture$", "bug": "^sample 11 cannot be read: KeyError: 11$"}
    with pytest.raises(InputError, match=expected[how]):
        read(data, recipe, workers=Workers(count, "fork"))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("count", [0, 2])
def test_bad_samples_are_left_out_and_told(count: int) -> None:
    data, recipe = foreign(FailingSamples((3, 11))), Recipe(batch=6, epochs=2, data=DataSection(skip_bad=True))
    batches = read(data, recipe, workers=Workers(count, "fork"))
    assert sorted(index for batch in batches for index, _ in batch.bad) == [3, 3, 11, 11]
    assert sum(map(len, batches)) == 2 * 22
    assert sum(batch.whole for batch in batches) == 2 * 24


def test_a_worker_that_is_killed_is_told() -> None:
    data, recipe = foreign(FailingSamples((11,), "killed")), Recipe(batch=4, epochs=1)
    with pytest.raises(
        InputError, match=r"a process that reads images \(pid [0-9]+\) was ended from outside, as a sys"
    ):
        read(data, recipe, workers=Workers(2, "fork"))
    assert not multiprocessing.active_children()


def test_a_worker_that_is_killed_while_the_network_learns_is_told() -> None:
    """torch raises wherever the process is: here in the middle of what a step does."""
    recipe = Recipe(batch=1, epochs=1)
    first = EpochOrder(24, 1, recipe.seed).draw(0)[0].sample
    data = foreign(FailingSamples(tuple({*range(24)} - {first}), "killed"))
    with (
        pytest.raises(InputError, match="was ended from outside"),
        load(data, recipe, workers=Workers(1, "fork")) as loader,
    ):
        _learn_slowly(loader)
    with pytest.raises(RuntimeError, match=r"^mine$"), load(data, recipe):
        raise RuntimeError("mine")


def _learn_slowly(loader: Loader[Batch]) -> None:
    for _ in loader:
        time.sleep(30)


def test_workers_end_with_their_loader() -> None:
    data = load_data("digits")
    with load(data, Recipe(batch=32, epochs=9), workers=Workers(2, "fork")) as loader:
        next(iter(loader))
        assert len(multiprocessing.active_children()) == 2
    assert not multiprocessing.active_children()
    again = load(data, Recipe(batch=500, epochs=1), workers=Workers(1, "fork"))
    assert are_equal(list(again), list(again))


INTERRUPTED = """
import sys, time, signal
from runtime.data.loader import Workers, make_loader
from runtime.data.registry import load_data
from runtime.data.cache import open_samples
from runtime.recipes.recipe import Recipe

stopped = []
signal.signal(signal.SIGINT, lambda *heard: stopped.append("interrupt"))
signal.signal(signal.SIGTERM, lambda *heard: stopped.append("end"))
data, recipe = load_data("digits"), Recipe(batch=8, epochs=100)
samples, workers = open_samples(data, data.train, recipe.data), Workers(2, "fork")
with make_loader(data, samples, recipe, training=True, workers=workers) as loader:
    for number, batch in enumerate(loader):
        if number == 3:
            print("running", flush=True)
        if stopped and number > 40:
            break
        time.sleep(0.01)
print(*stopped, number > 40)
"""


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupt"), (signal.SIGTERM, "end")])
def test_workers_leave_the_signals_of_a_group_to_the_one_that_trains(number: signal.Signals, word: str) -> None:
    """As a terminal sends them on Ctrl-C, and a scheduler when time is up: the training goes on until it stops."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    os.killpg(process.pid, number)
    assert process.communicate(timeout=60)[0] == f"{word} True\n"
    assert process.returncode == 0
