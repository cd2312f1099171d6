"""Each key of a recipe makes a training another one, is refused, or is told to be without effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from archspec.errors import InputError
from runtime.recipes.data import AugmentSection
from runtime.recipes.recipe import Recipe
from runtime.recipes.words import list_fields
from runtime.training.loop import TrainResult
from runtime.training.train import train
from tests.support.models import make_data
from tests.support.training import make_net

DATA = make_data(train=48, test=8, side=24)
CHOOSING = replace(DATA, validation=DATA.test)
BASE: dict[str, Any] = {"steps": 3, "batch": 16, "threads": 1, "optimizer": {"lr": 0.05}}


def make_recipe(changes: Mapping[str, Any]) -> Recipe:
    """The base with other values at paths of keys."""
    document: dict[str, Any] = {**BASE, "optimizer": dict(BASE["optimizer"])}
    for path, value in changes.items():
        *sections, name = path.split(".")
        place = document
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return Recipe.model_validate(document)


def make_large(*outputs: str) -> nn.Module:
    net = make_net()
    net[5] = nn.Linear(8 * 24 * 24, 3)
    return Named(net, outputs) if outputs else net


class Named(nn.Module):
    """The same output by several names."""

    def __init__(self, net: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.names = net, names

    def forward(self, x: Any) -> Any:
        found = self.net(x)
        return dict.fromkeys(self.names, found)


IDLE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"loss.outputs": "equal"}, {"loss.outputs": {"output": 2.0}}, "loss.outputs: the network has one output"),
    ({"loss.outputs": {"output": 1.0}}, {}, "loss.outputs: the network has one output"),
    ({"sync_batch_norm": True}, {}, "sync_batch_norm: one process has the statistics of all images"),
    ({"data.cache": "disk"}, {"data.cache": "ram"}, "data.cache: disk: the images of rows are in memory"),
    ({"checkpoint_every": 2}, {}, "checkpoint_every: nothing is saved without a `folder`"),
    ({"keep_checkpoints": 3}, {}, "keep_checkpoints: nothing is saved without a `folder`"),
    (
        {"early_stopping.patience": 2, "evaluate_every": 1},
        {"early_stopping.patience": 1, "evaluate_every": 1},
        "early_stopping.patience: 2: there are 3 evaluations",
    ),
    ({"optimizer.head_lr": 0.1, "freeze": ["5"]}, {"optimizer.head_lr": 0.1}, "optimizer.head_lr: no layer that gives"),
    (
        {"optimizer.layer_decay": 0.5, "freeze": ["0", "1"]},
        {"optimizer.layer_decay": 0.5},
        "optimizer.layer_decay: one layer is trained",
    ),
    (
        {"optimizer.decay_all": True, "optimizer.weight_decay": 0.0},
        {"optimizer.decay_all": True},
        "optimizer.decay_all: optimizer.weight_decay is 0",
    ),
]
"""Changes with which a key is idle, changes with which it is not (the control), and what is said."""


@pytest.mark.parametrize(("changes", "control", "said"), IDLE)
def test_what_is_idle_is_told(
    changes: dict[str, Any], control: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    train(make_large(), CHOOSING, make_recipe(changes))
    (message,) = caplog.messages
    assert message.startswith(f"without effect: {said}")
    caplog.clear()
    train(make_large(), CHOOSING, make_recipe(control))
    assert caplog.messages == []


def test_of_two_outputs_weights_are_not_idle(caplog: pytest.LogCaptureFixture) -> None:
    train(make_large("a", "b"), DATA, make_recipe({"loss.outputs": "equal"}))
    assert caplog.messages == []


OTHER: dict[str, Any] = {
    "task": "maps",
    "epochs": 2,
    "steps": 4,
    "batch": 15,
    "accumulate": 2,
    "optimizer.name": "adamw",
    "optimizer.lr": 0.1,
    "optimizer.weight_decay": 0.5,
    "optimizer.decay_all": True,
    "optimizer.head_lr": 0.01,
    "optimizer.layer_decay": 0.5,
    "optimizer.momentum": 0.5,
    "optimizer.nesterov": False,
    "schedule.name": "constant",
    "schedule.warmup": 3,
    "schedule.final": 0.5,
    "loss.name": "focal",
    "loss.label_smoothing": 0.3,
    "loss.class_weights": [1.0, 2.0, 9.0],
    "loss.gamma": 1.0,
    "loss.outputs": "equal",
    "mix.mixup": 1.0,
    "mix.cutmix": 1.0,
    "sampling": "balanced",
    "clip": 0.01,
    "ema": 0.5,
    "precision": "bf16",
    "memory_format": "channels_last",
    "freeze": ["0"],
    "ramp_drop": True,
    "sync_batch_norm": True,
    "fsdp": True,
    "evaluate_every": 1,
    "checkpoint_every": 1,
    "keep_checkpoints": 1,
    "early_stopping.patience": 1,
    "test_time_augmentation": ["horizontal"],
    "seed": 3,
    "augment.flip": "both",
    "augment.shift": 3,
    "augment.pad_crop": 3,
    "augment.rotate": 30.0,
    "augment.zoom": [0.5, 2.0],
    "augment.shear": 10.0,
    "augment.scale": [0.3, 0.9],
    "augment.ratio": [0.5, 2.0],
    "augment.elastic": 20.0,
    "augment.brightness": 0.5,
    "augment.contrast": 0.5,
    "augment.saturation": 0.5,
    "augment.hue": 0.3,
    "augment.gray": 0.5,
    "augment.blur": 0.9,
    "augment.noise": 0.1,
    "augment.erase": 0.9,
    "augment.auto": "trivial_augment",
    "augment.foreground": 0.9,
    "data.window": "each",
    "data.patches": 2,
    "data.spacing": [2.0, 2.0, 2.0],
}
"""A value of each key by which a training would be another one, if that key meant something to it."""

UNSEEN = {
    "recipe": "there is one version",
    "description": "for lists of recipes",
    "source": "for lists of recipes",
    "threads": "how fast it is, and rounding",
    "compile": "how fast it is, and rounding",
    "early_stopping.least": "with early stopping, which has a test of its own",
    "data.workers": "how fast it is: a test holds batches equal",
    "data.cache": "where images are kept: a test holds batches equal",
    "data.skip_bad": "of data in files",
    "data.ground": "of data in files",
    **dict.fromkeys(
        ("data.test", "data.validation", "data.fold", "data.seed"), "of data that are named, whose parts are chosen"
    ),
    **dict.fromkeys(("data.size", "data.resize", "data.interpolation", "data.normalize"), "of data that are named"),
    **dict.fromkeys(("optimizer.betas", "optimizer.eps", "optimizer.adamw_lr"), "of other optimizers"),
    **dict.fromkeys(
        (
            "schedule.milestones",
            "schedule.gamma",
            "schedule.power",
            "schedule.pct_start",
            "schedule.div_factor",
            "schedule.final_div_factor",
        ),
        "of other schedules",
    ),
}
"""The keys that this training does not see, and why."""


def tell(result: TrainResult) -> list[Any]:
    """All that came of a training, but for its times."""
    history = [(row.step, row.loss, row.learning_rate, row.measured.to_dict("it")) for row in result.history]
    return [history, {name: value.numpy().tobytes() for name, value in result.state.items()}]


@pytest.fixture(scope="module")
def plain() -> list[Any]:
    return tell(train(make_large(), DATA, make_recipe({})))


def test_every_key_is_looked_at() -> None:
    sections = {path for path, _ in list_fields(Recipe) if "." in path}
    keys = {path for path, _ in list_fields(Recipe)} - {path.partition(".")[0] for path in sections}
    assert keys == OTHER.keys() | UNSEEN.keys()
    assert {f"augment.{name}" for name in AugmentSection.model_fields} <= OTHER.keys()


@pytest.mark.parametrize("path", OTHER)
def test_a_key_makes_a_difference_or_is_told(path: str, plain: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    try:
        changes = {path: OTHER[path], **({"steps": None} if path == "epochs" else {})}
        found = tell(train(make_large(), DATA, make_recipe(changes)))
    except (InputError, ValueError) as error:  # what pydantic's errors say is told by the key in other tests
        found, said = plain, [str(error)]
    else:
        said = caplog.messages
    assert found != plain or any(name in text for text in said for name in path.split("."))
