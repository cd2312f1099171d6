"""Training for any task: SGD with a warm-up and a cosine, the same weights for the same seed."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.extras import extra
from compiler.torch_target.modes import device_of, limited_to
from runtime.data.dataset import Dataset, Split
from runtime.data.sampling import count_steps, iterate_batches, mix_seed, shift_images
from runtime.tasks.grid import Grid
from runtime.tasks.task import Task, find_task
from runtime.training.outputs import ONLY, evaluate_module, last_of, name_outputs, run_images

with extra("train"):
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How to train; the defaults are chosen by cross-validation within the training digits, and suit small networks.

    `learning_rate` is the highest one, reached after the fraction `warmup` of all steps; `shift` is the largest move of
    an image in pixels; it and `label_smoothing` are for labels alone, which do not move with their image. With
    `ramp_drop` the probability of survival of stochastic depth and ShakeDrop falls in a straight line from 1 to the
    network's own (RandomDrop). `threads` bounds torch's (None: its default), and equal weights need an equal number.
    """

    epochs: int = 30
    batch: int = 32
    learning_rate: float = 0.05
    weight_decay: float = 5e-4
    momentum: float = 0.9
    label_smoothing: float = 0.1
    warmup: float = 0.2
    shift: int = 1
    ramp_drop: bool = False
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        positive = ("epochs", "batch", "learning_rate")
        for name in (*positive, "weight_decay", "shift", "seed"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name in positive and not value):
                raise ArchspecError(f"{name} must be {'positive' if name in positive else 'at least 0'}, found {value}")
        for name in ("momentum", "label_smoothing", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise ArchspecError(f"{name} must be at least 0 and below 1, found {getattr(self, name)}")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Progress:
    """After a step: loss and score run over the epoch so far; `step` of `steps` counts through all epochs.

    `score` is the value of the task's main metric, called `metric`.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    metric: str
    score: float
    learning_rate: float
    samples_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch, counted from 1: means over its (varied) training images, and the last step's learning rate."""

    epoch: int
    loss: float
    metric: str
    score: float
    learning_rate: float
    seconds: float
    samples_per_second: float

    def to_dict(self) -> dict[str, Any]:
        """The score stands under its metric's name."""
        names = ("learning_rate", "seconds", "samples_per_second")
        return {"epoch": self.epoch, "loss": self.loss, self.metric: self.score} | {
            name: getattr(self, name) for name in names
        }


@dataclass(frozen=True, eq=False)
class TrainResult:
    """The last step's weights, by name, on the CPU. The held-out images chose nothing: they were seen afterwards.

    `test_scores` are the task's metrics, the main one first; with several outputs the loss is the sum of theirs, and
    the scores are those of the last one. `stride` is how many pixels its positions are apart; None where it has none.
    """

    state: dict[str, Tensor]
    history: tuple[Epoch, ...]
    steps: int
    seconds: float
    test_images: int
    test_loss: float
    test_scores: dict[str, float]
    stride: int | None

    def to_dict(self) -> dict[str, Any]:
        """Everything but the weights and the stride; each score stands under `test_` and its metric's name."""
        return {
            "history": [epoch.to_dict() for epoch in self.history],
            "steps": self.steps,
            "seconds": self.seconds,
            "test_images": self.test_images,
            "test_loss": self.test_loss,
            **{f"test_{name}": score for name, score in self.test_scores.items()},
        }


def train(
    module: nn.Module,
    data: Dataset,
    settings: TrainSettings | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    *,
    strides: Mapping[str, int] | None = None,
) -> TrainResult:
    """Train `module`, from images (N, C, H, W) to what the data's task needs, in place and on the device it is on.

    A module with several outputs learns on each of them: the loss is their sum. `strides` are those of the outputs by
    name, where they are known; otherwise `place_output` finds them.

    Raises ArchspecError where the module does not fit the data, or the loss stops being finite. On the CPU, the same
    module, settings and number of threads give the same weights, bit for bit.
    """
    settings = settings or TrainSettings()
    task = find_task(data.task)
    device = device_of(module)
    own_generators = [device] if device.type == "cuda" else []
    with limited_to(settings.threads), torch.random.fork_rng(devices=own_generators):
        grids = check_module(module, data, strides)
        with _Ramp(module, settings.ramp_drop) as ramp:
            trainer = _Trainer(module, data, settings, grids, ramp, on_step)
            history = []
            for epoch in range(settings.epochs):
                history.append(trainer.train_epoch(epoch))
                on_epoch(history[-1])
        state = read_state(module)
        loss, scores = measure(evaluate_module(module, data.test), data.test, task, grids)
    took = trainer.step, trainer.seconds
    return TrainResult(state, tuple(history), *took, len(data.test), loss, scores, find_stride(grids))


def learning_rate_at(step: int, steps: int, settings: TrainSettings) -> float:
    """A straight line up to the highest rate over the warm-up, then half a cosine down to nearly nothing."""
    warm = settings.warmup * steps
    if step < warm:
        return settings.learning_rate * (step + 1) / (warm + 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def find_stride(grids: Mapping[str, Grid]) -> int | None:
    """How many pixels the positions of the last output are apart; None where it has none."""
    return last_of(grids).stride if last_of(grids).extents else None


def check_module(module: nn.Module, data: Dataset, strides: Mapping[str, int] | None = None) -> dict[str, Grid]:
    """Where each output of the module lies on the data's images, by name.

    Raises ArchspecError unless two of the images give two rows of what the data's task needs, from every output.
    """
    if not any(weight.requires_grad for weight in module.parameters()):
        raise ArchspecError("the network has no weights to train")
    task, images = find_task(data.task), data.train.images[:2]
    grids = {}
    for name, output in run_images(module, images, data).items():
        shape = tuple(output.shape[1:])
        where = "the network" if name == ONLY else f"the output '{name}'"
        if len(output) != len(images):
            raise ArchspecError(
                f"{where} gives {len(output)} rows for {len(images)} images; it must give one per image"
            )
        try:
            grids[name] = task.place(data.preprocess.shape, shape, (strides or {}).get(name))
        except ArchspecError as error:
            raise ArchspecError(f"{where} does not fit {data.name}: {error}") from error
        if task.count_channels(shape) != len(data.classes):
            needed = (len(data.classes), *shape[1:])
            raise ArchspecError(
                f"{where} gives {shape} per image; {data.name} has {len(data.classes)} {task.names}, "
                f"so it must give {needed}"
            )
    return grids


class _Ramp:
    """Moves the progress of what drops at random from 0 to 1 over the steps, where that is wanted; 1 afterwards."""

    def __init__(self, module: nn.Module, wanted: bool) -> None:
        self.parts: list[Any] = [part for part in module.modules() if hasattr(part, "progress")] if wanted else []
        if wanted and not self.parts:
            raise ArchspecError("the network has no stochastic depth and no ShakeDrop whose survival could fall slowly")

    def move(self, progress: float) -> None:
        for part in self.parts:
            part.progress = progress

    def __enter__(self) -> _Ramp:
        return self

    def __exit__(self, *error: object) -> None:
        self.move(1.0)


class _Trainer:
    """The optimizer, the images on the device, and how far things are."""

    def __init__(
        self,
        module: nn.Module,
        data: Dataset,
        settings: TrainSettings,
        grids: Mapping[str, Grid],
        ramp: _Ramp,
        on_step: Callable[[Progress], None],
    ) -> None:
        self.module, self.settings, self.grids, self.ramp, self.on_step = module, settings, grids, ramp, on_step
        self.task: Task = find_task(data.task)
        device = device_of(module)
        self.images = torch.from_numpy(data.train.images).to(device)
        self.labels = data.train.labels
        self.targets = _make_targets(self.task, data.train, grids, device)
        self.balance = torch.from_numpy(self.task.balance(data.train.labels, len(data.classes))).to(device)
        blank = data.preprocess.normalize(np.zeros((data.preprocess.channels, 1, 1)))
        self.blank: list[float] = blank.ravel().tolist()
        self.optimizer = _build_optimizer(module, settings)
        self.step, self.steps = 0, settings.epochs * count_steps(len(data.train), settings.batch)
        self.start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start

    def train_epoch(self, epoch: int) -> Epoch:
        self.module.train()
        metric = self.task.metrics[0]
        start, seen, loss, rate, score, counts = self.seconds, 0, 0.0, 0.0, 0.0, np.zeros(())
        for chosen in iterate_batches(len(self.labels), self.settings.batch, self.settings.seed, epoch):
            rate = learning_rate_at(self.step, self.steps, self.settings)
            step_loss, step_counts = self.take_step(chosen, epoch, rate)
            seen, loss, counts = seen + len(chosen), loss + step_loss * len(chosen), counts + step_counts
            score = self.task.score(counts)[metric]
            speed = seen / max(self.seconds - start, 1e-9)
            left = self.seconds / self.step * (self.steps - self.step)
            through = (epoch + 1, self.settings.epochs, self.step, self.steps)
            self.on_step(Progress(*through, loss / seen, metric, score, rate, speed, left))
        seconds = self.seconds - start
        return Epoch(epoch + 1, loss / seen, metric, score, rate, seconds, seen / max(seconds, 1e-9))

    def take_step(self, chosen: Tensor, epoch: int, rate: float) -> tuple[float, npt.NDArray[np.float64]]:
        """One step of the optimizer; the mean loss of its images, and the task's counts of right and wrong."""
        seed = mix_seed(self.settings.seed, epoch, self.step)
        torch.manual_seed(seed)  # for dropout and its like inside the module
        self.ramp.move(self.step / self.steps)
        picked = chosen.to(self.images.device)
        shift = self.settings.shift if self.task.shifted else 0
        images = shift_images(self.images[picked], shift, self.blank, seed)
        try:
            outputs = name_outputs(self.module(images))
        except ValueError as error:  # batch normalization of one value per channel, which evaluation does not mind
            raise ArchspecError(
                f"the network cannot train on a step of {len(images)} of {len(self.labels)} images "
                f"(batch {self.settings.batch}): {error}; try a larger batch"
            ) from error
        loss = self.compute_loss(outputs, picked)
        self.step += 1
        value = float(loss.item())
        if not math.isfinite(value):
            raise ArchspecError(
                f"the loss became {value} at step {self.step} of {self.steps} (epoch {epoch + 1}); "
                f"try a learning rate below {self.settings.learning_rate:g} (--lr; in Python also a longer `warmup`)"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        grid = last_of(self.grids)
        answers = self.task.decide(last_of(outputs).detach().float().cpu().numpy(), grid)
        return value, self.task.count(answers, self.labels[chosen.numpy()], grid)

    def compute_loss(self, outputs: Mapping[str, Tensor], chosen: Tensor) -> Tensor:
        smoothing = self.settings.label_smoothing
        losses = [
            self.task.compute_loss(output, self.targets[name][chosen], smoothing, self.balance)
            for name, output in outputs.items()
        ]
        return reduce(torch.add, losses)


def _make_targets(task: Task, split: Split, grids: Mapping[str, Grid], device: torch.device) -> dict[str, Tensor]:
    """By output, what it is compared with; outputs that lie alike share theirs."""
    made = {grid: torch.from_numpy(task.make_targets(split.labels, grid)).to(device) for grid in set(grids.values())}
    return {name: made[grid] for name, grid in grids.items()}


def _build_optimizer(module: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Weight decay on kernels and matrices alone: on biases and normalization it only hurts."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    # `nesterov` asks for a momentum
    return torch.optim.SGD(
        groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=settings.momentum > 0
    )


def read_state(module: nn.Module) -> dict[str, Tensor]:
    """The weights as they are now, by name, on the CPU. Raises ArchspecError where one is not finite."""
    state = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ArchspecError(f"'{name}' is no longer finite after training; try a smaller learning rate (--lr)")
    return state


def measure(
    outputs: Mapping[str, npt.NDArray[Any]], split: Split, task: Task, grids: Mapping[str, Grid]
) -> tuple[float, dict[str, float]]:
    """The sum of the outputs' plain losses, without smoothing and balance, and the scores of the last one."""
    targets = _make_targets(task, split, grids, torch.device("cpu"))
    losses = [task.compute_loss(torch.from_numpy(outputs[name]), targets[name]) for name in grids]
    grid = last_of(grids)
    counts = task.count(task.decide(last_of(outputs), grid), split.labels, grid)
    return float(sum(loss.item() for loss in losses)), task.score(counts)
