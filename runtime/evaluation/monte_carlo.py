"""Monte Carlo batch normalization (Teye, Azizpour and Smith, "Bayesian Uncertainty Estimation for Batch Normalized Deep
Networks", 2018): at prediction, too, batch normalization takes the statistics of random training mini-batches, and the
answers of several are averaged. The spread says how sure the network is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.arrays import Float64Array
from archspec.errors import InputError
from archspec.extras import extra
from compiler.torch_target.modes import device_of
from runtime.data.batches import mix_seed
from runtime.data.dataset import Dataset, Split
from runtime.tasks.grid import OutputGrid
from runtime.tasks.labels import softmax
from runtime.tasks.registry import find_task
from runtime.training.module_outputs import evaluate_module, last_of, run_images

with extra("train"):
    import torch
    from torch import Tensor, nn
    from torch.nn.modules.batchnorm import _BatchNorm


SEED = 0
"""The seed of the mini-batches on which both ways of prediction are compared."""

TINY = float(np.finfo(np.float64).tiny)
"""The probability that zero counts as, so that its logarithm is finite."""


def sample_states(module: nn.Module, dataset: Dataset, passes: int, batch: int, seed: int) -> list[dict[str, Tensor]]:
    """Sample the module's state dict `passes` times, each with the statistics of another mini-batch of the training
    images.

    In each, every batch normalization has the mean and the (biased) variance of what reaches it from the `batch` images
    of one mini-batch, which all layers before it normalized likewise: with that state, in evaluation mode, the module
    gives those images what it gives them in training mode, without dropout and its like. Ghost batch normalization and
    batch renormalization take the statistics of the whole mini-batch as well. The states share their parameters and lie
    on the CPU; the module stays as it was.

    Raises InputError where the network has no batch normalization, or does not take the images.
    """
    layers = find_layers(module)
    if passes < 1:
        raise InputError(f"Monte Carlo batch normalization needs at least 1 pass, found {passes}")
    shared = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
    states = []
    with _restoring(layers), measuring(layers):
        for number in range(passes):
            chosen = draw_batch(len(dataset.train), batch, seed, number)
            run_images(module, dataset.prepare(dataset.train, chosen).images, dataset)
            states.append(shared | _read_statistics(layers))
    return states


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """Plain prediction (with the running statistics) against the mean of `passes` predictions with statistics of
    mini-batches of `batch` images; over all that is asked: images, or pixels.

    A log-likelihood is the mean natural logarithm of the probability of the true class. `deviation` is the mean
    standard deviation, over the passes, of the answered class's probability; `entropy` the mean of -Σ p ln p, in nats.
    """

    passes: int
    batch: int
    seed: int
    accuracy_plain: float
    accuracy: float
    log_likelihood_plain: float
    log_likelihood: float
    deviation: float
    entropy: float


def measure_monte_carlo(module: nn.Module, data: Dataset, grid: OutputGrid, passes: int, batch: int) -> MonteCarlo:
    """Measure both ways of prediction on the held-out images; `grid` is that of the last output. Raises InputError for
    tasks without probabilities."""
    task = find_task(data.task)
    if not task.has_probabilities:
        what = f"{task.values} of {task.names}"
        raise InputError(f"Monte Carlo batch normalization averages probabilities, and {what} are none")
    states = sample_states(module, data, passes, batch, SEED)
    truth = task.make_targets(data.held_out.labels, grid)
    asked = task.find_asked(truth)

    def predict(states: Sequence[Mapping[str, Tensor]]) -> list[Float64Array]:
        return [np.moveaxis(found, 1, -1)[asked] for found in predict_states(module, data.held_out, states)]

    plain, _ = predict([module.state_dict()])
    mean, deviation = predict(states)
    chosen = mean.argmax(1)
    return MonteCarlo(
        passes=passes,
        batch=batch,
        seed=SEED,
        accuracy_plain=float((plain.argmax(1) == truth[asked]).mean()),
        accuracy=float((chosen == truth[asked]).mean()),
        log_likelihood_plain=_mean_log(plain, truth[asked]),
        log_likelihood=_mean_log(mean, truth[asked]),
        deviation=float(deviation[np.arange(len(chosen)), chosen].mean()),
        entropy=float(-(mean * np.log(np.maximum(mean, TINY))).sum(1).mean()),
    )


def predict_states(
    module: nn.Module, split: Split, states: Sequence[Mapping[str, Tensor]]
) -> tuple[Float64Array, Float64Array]:
    """Compute mean and standard deviation, over the states, of the last output's probabilities, (N, classes, ...).

    The standard deviation is that of these very states (divided by their number, not by one less).
    """
    device = device_of(module)
    total, squares = np.zeros(()), np.zeros(())
    for state in states:
        moved = {name: value.to(device) for name, value in state.items()}
        logits = last_of(evaluate_module(_WithState(module, moved), split)).astype(np.float64)
        # one number is the second class's logit, against 0 for the first
        found = softmax(np.concatenate([np.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits)
        total, squares = total + found, squares + found**2
    mean = total / len(states)
    return mean, np.sqrt(np.maximum(squares / len(states) - mean**2, 0))


class _WithState(nn.Module):
    """A module as it would be with another state."""

    def __init__(self, module: nn.Module, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.module, self.state = module, dict(state)

    def forward(self, images: Tensor) -> Any:
        return torch.func.functional_call(self.module, self.state, (images,))


def _mean_log(rows: Float64Array, truth: npt.NDArray[np.int64]) -> float:
    """A probability of zero counts as the smallest positive float64."""
    return float(np.log(np.maximum(rows[np.arange(len(truth)), truth], TINY)).mean())


def find_layers(module: nn.Module) -> dict[str, _BatchNorm]:
    """Find the module's batch normalizations by name. Raises InputError where there is none."""
    layers = {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, _BatchNorm) and part.running_mean is not None
    }
    if not layers:
        raise InputError(
            "the network has no batch normalization, whose statistics Monte Carlo batch normalization draws; "
            "choose another one in the spec, as in `defaults: {norm: {kind: batch}}`"
        )
    return layers


def draw_batch(images: int, batch: int, seed: int, number: int) -> npt.NDArray[np.int64]:
    """Draw the indices (batch,) of the training images in the mini-batch of that number, all different."""
    if not 2 <= batch <= images:
        raise InputError(f"a mini-batch for statistics has 2 to {images} images, found {batch}")
    return np.random.default_rng(mix_seed(seed, number)).choice(images, batch, replace=False)


@contextmanager
def measuring(layers: Mapping[str, _BatchNorm]) -> Iterator[None]:
    """Have every layer first take over the statistics of its input, then normalize with them."""
    handles = [layer.register_forward_pre_hook(_take_statistics) for layer in layers.values()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _take_statistics(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    assert isinstance(layer, _BatchNorm)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    axes = [axis for axis in range(inputs[0].dim()) if axis != 1]
    variance, mean = torch.var_mean(inputs[0].to(layer.running_var.dtype), axes, correction=0)
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(variance)


@contextmanager
def _restoring(layers: Mapping[str, _BatchNorm]) -> Iterator[None]:
    before = _read_statistics(layers)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, layer in layers.items():
                for key, buffer in _statistics(layer).items():
                    buffer.copy_(before[_join(name, key)])


def _read_statistics(layers: Mapping[str, _BatchNorm]) -> dict[str, Tensor]:
    found = {}
    for name, layer in layers.items():
        for key, buffer in _statistics(layer).items():
            found[_join(name, key)] = buffer.detach().cpu().clone()
            if not bool(torch.isfinite(buffer).all()):
                raise InputError(f"'{_join(name, key)}' holds infinite numbers or NaN")
    return found


def _statistics(layer: _BatchNorm) -> dict[str, Tensor]:
    return {key: buffer for key, buffer in layer.named_buffers() if key in ("running_mean", "running_var")}


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
