"""Training a classifier: SGD with a warm-up and a cosine, the same weights for the same seed."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from runtime.data import Dataset, Split
from runtime.extras import extra
from runtime.modes import device_of, evaluating, limited_to
from runtime.sampling import count_steps, iterate_batches, mix_seed, shift_images

with extra("train"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

EVALUATION_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How to train; the defaults are chosen by cross-validation within the training digits, and suit small networks.

    `learning_rate` is the highest one, reached after the fraction `warmup` of all steps; `shift` is the largest move of
    an image in pixels; `threads` bounds torch's (None: its default), and equal weights need an equal number.
    """

    epochs: int = 30
    batch: int = 32
    learning_rate: float = 0.05
    weight_decay: float = 5e-4
    momentum: float = 0.9
    label_smoothing: float = 0.1
    warmup: float = 0.2
    shift: int = 1
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
    """After a step: loss and accuracy run over the epoch so far; `step` of `steps` counts through all epochs."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    learning_rate: float
    samples_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch, counted from 1: means over its (varied) training images, and the last step's learning rate."""

    epoch: int
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float
    samples_per_second: float

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class TrainResult:
    """The last step's weights, by name, on the CPU. The held-out images chose nothing: they were seen afterwards."""

    state: dict[str, Tensor]
    history: tuple[Epoch, ...]
    steps: int
    seconds: float
    test_images: int
    test_loss: float
    test_accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """Everything but the weights."""
        names = ("steps", "seconds", "test_images", "test_loss", "test_accuracy")
        return {
            "history": [epoch.to_dict() for epoch in self.history],
            **{name: getattr(self, name) for name in names},
        }


def train(
    module: nn.Module,
    data: Dataset,
    settings: TrainSettings | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> TrainResult:
    """Train `module`, (N, C, H, W) → (N, classes), in place and on the device it is on.

    Raises ArchspecError where the module does not fit the data, or the loss stops being finite. On the CPU, the same
    module, settings and number of threads give the same weights, bit for bit.
    """
    settings = settings or TrainSettings()
    device = device_of(module)
    own_generators = [device] if device.type == "cuda" else []
    with limited_to(settings.threads), torch.random.fork_rng(devices=own_generators):
        check_module(module, data)
        trainer = _Trainer(module, data, settings, on_step)
        history = []
        for epoch in range(settings.epochs):
            history.append(trainer.train_epoch(epoch))
            on_epoch(history[-1])
        state = _read_state(module)
        loss, accuracy = _measure(evaluate_module(module, data.test), data.test)
    return TrainResult(
        state, tuple(history), trainer.step, trainer.seconds, len(data.test), test_loss=loss, test_accuracy=accuracy
    )


def evaluate_module(module: nn.Module, split: Split, batch: int = EVALUATION_BATCH) -> npt.NDArray[np.float32]:
    """The module's logits, (N, classes) in float32, in evaluation mode; the module's own mode is left as it was."""
    device = device_of(module)
    with evaluating(module):
        parts = [module(part.to(device)).float().cpu() for part in torch.split(torch.from_numpy(split.images), batch)]
    return torch.cat(parts).numpy()


def learning_rate_at(step: int, steps: int, settings: TrainSettings) -> float:
    """A straight line up to the highest rate over the warm-up, then half a cosine down to nearly nothing."""
    warm = settings.warmup * steps
    if step < warm:
        return settings.learning_rate * (step + 1) / (warm + 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def check_module(module: nn.Module, data: Dataset) -> None:
    """Raises ArchspecError unless two of the data's images give two rows of as many numbers as it has classes."""
    if not any(weight.requires_grad for weight in module.parameters()):
        raise ArchspecError("the network has no weights to train")
    images = torch.from_numpy(data.train.images[:2]).to(device_of(module))
    try:
        with evaluating(module):
            found = module(images)
    except (RuntimeError, ValueError, TypeError) as error:
        raise ArchspecError(
            f"the network does not take {data.name}'s images of shape {data.preprocess.shape}: {error}"
        ) from error
    if isinstance(found, dict):
        raise ArchspecError(f"training needs a network with one output; this one has several: {', '.join(found)}")
    if not isinstance(found, Tensor):
        raise ArchspecError(f"training needs a network that gives a tensor; this one gives a {type(found).__name__}")
    if found.shape != (len(images), len(data.classes)):
        raise ArchspecError(
            f"the network gives {tuple(found.shape[1:])} per image; {data.name} has {len(data.classes)} classes, "
            f"so it must give ({len(data.classes)},)"
        )


class _Trainer:
    """The optimizer, the images on the device, and how far things are."""

    def __init__(
        self, module: nn.Module, data: Dataset, settings: TrainSettings, on_step: Callable[[Progress], None]
    ) -> None:
        self.module, self.settings, self.on_step = module, settings, on_step
        device = device_of(module)
        self.images = torch.from_numpy(data.train.images).to(device)
        self.labels = torch.from_numpy(data.train.labels).to(device)
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
        start, seen, loss, right, rate = self.seconds, 0, 0.0, 0, 0.0
        for chosen in iterate_batches(len(self.labels), self.settings.batch, self.settings.seed, epoch):
            rate = learning_rate_at(self.step, self.steps, self.settings)
            step_loss, step_right = self.take_step(chosen.to(self.labels.device), epoch, rate)
            seen, loss, right = seen + len(chosen), loss + step_loss * len(chosen), right + step_right
            speed = seen / max(self.seconds - start, 1e-9)
            left = self.seconds / self.step * (self.steps - self.step)
            self.on_step(
                Progress(
                    epoch + 1, self.settings.epochs, self.step, self.steps, loss / seen, right / seen, rate, speed, left
                )
            )
        seconds = self.seconds - start
        return Epoch(epoch + 1, loss / seen, right / seen, rate, seconds, seen / max(seconds, 1e-9))

    def take_step(self, chosen: Tensor, epoch: int, rate: float) -> tuple[float, int]:
        """One step of the optimizer; the mean loss of its images, and how many were classified rightly."""
        seed = mix_seed(self.settings.seed, epoch, self.step)
        torch.manual_seed(seed)  # for dropout and its like inside the module
        images = shift_images(self.images[chosen], self.settings.shift, self.blank, seed)
        labels = self.labels[chosen]
        logits = self.module(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        self.step += 1
        value = float(loss.item())
        if not math.isfinite(value):
            raise ArchspecError(
                f"the loss became {value} at step {self.step} of {self.steps} (epoch {epoch + 1}); "
                f"try a learning rate below {self.settings.learning_rate:g}, or a longer warm-up"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return value, int((logits.detach().argmax(1) == labels).sum().item())


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


def _read_state(module: nn.Module) -> dict[str, Tensor]:
    state = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ArchspecError(f"'{name}' is no longer finite after training; try a smaller learning rate")
    return state


def _measure(logits: npt.NDArray[np.float32], split: Split) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    found, labels = torch.from_numpy(logits), torch.from_numpy(split.labels)
    loss = F.cross_entropy(found, labels).item()
    return float(loss), float((found.argmax(1) == labels).double().mean().item())
