"""Whole volumes are measured by windows: with the figures that the whole output has at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.dataset import Dataset, Samples
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.sliding import Slide
from runtime.recipes.objective import LossSection
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid, place_output
from runtime.tasks.registry import find_task
from runtime.training import volume_evaluation
from runtime.training.evaluation import PartEvaluator
from runtime.training.metrics import Measured
from runtime.training.objective import Objective
from runtime.training.ranks import Ranks
from runtime.training.volume_evaluation import spread
from tests.support.phantoms import draw_spheres

PREPROCESS = Preprocess(1, (8, 8, 8), (0.5,), (0.25,), resize="none", window=((-1000.0, 1000.0),))
MODULE = nn.Conv3d(1, 3, 1)
MODULE.load_state_dict(
    {"weight": torch.tensor([0.0, 4.0, 8.0]).reshape(3, 1, 1, 1, 1), "bias": torch.tensor([0.0, 2.0, 1.0])}
)


class Drawn(Samples):
    """Volumes of different extents, one of them smaller than a window."""

    def __init__(self, extents: Sequence[tuple[int, int, int]]) -> None:
        self.drawn = [draw_spheres(each, 2, number, (2, 3)) for number, each in enumerate(extents)]

    def __len__(self) -> int:
        return len(self.drawn)

    def __getitem__(self, index: int, /) -> tuple[Array, Array]:
        values, labels = self.drawn[index]
        levels = (values.astype(np.float64).clip(-1000, 1000) + 1000) / 2000 * 65535
        return levels.round().astype(np.uint16)[None], labels


SAMPLES = Drawn([(16, 20, 12), (9, 8, 24), (7, 12, 12)])
DATA = Dataset("drawn", SAMPLES, SAMPLES, ("rest", "dark", "bright"), PREPROCESS, "maps")


def measure(module: nn.Module, grid: OutputGrid, samples: Samples = SAMPLES) -> Measured:
    objective = Objective(find_task("maps"), {"output": grid}, LossSection(class_weights="none"), 3)
    return PartEvaluator(DATA, objective, Ranks()).measure(module, samples)


def compute_whole(samples: Samples) -> tuple[float, float]:
    """The cross-entropy of all voxels, and the mean IoU, of the module on each volume at once."""
    outputs, truths = [], []
    for index in range(len(samples)):
        image, labels = samples[index]
        with torch.no_grad():
            found = MODULE(torch.from_numpy(PREPROCESS.normalize(image))[None])[0]
        outputs.append(found.reshape(3, -1))
        truths.append(torch.from_numpy(labels.astype(np.int64)).reshape(-1))
    output, truth = torch.cat(outputs, 1), torch.cat(truths)
    loss = float(F.cross_entropy(output.T, truth))
    answer = output.argmax(0)
    ious = [float(((answer == c) & (truth == c)).sum() / ((answer == c) | (truth == c)).sum()) for c in range(3)]
    return loss, float(np.mean(ious))


def test_figures_are_those_of_the_whole_volumes() -> None:
    measured = measure(MODULE, place_output((8, 8, 8), (8, 8, 8)))
    loss, iou = compute_whole(SAMPLES)
    assert measured.loss == pytest.approx(loss, rel=1e-5)
    assert measured.scores["mean_iou"] == pytest.approx(iou, rel=1e-6)
    assert 0.2 < iou < 0.99
    control = measure(MODULE, place_output((8, 8, 8), (8, 8, 8)), Drawn([(16, 20, 12)]))
    assert abs(control.scores["mean_iou"] - iou) > 1e-4


def test_windows_are_mirrored_where_a_recipe_asks() -> None:
    """A network that looks at single voxels answers the same in a mirror; one that looks to the side does not."""
    grid = place_output((8, 8, 8), (8, 8, 8))
    objective = Objective(find_task("maps"), {"output": grid}, LossSection(class_weights="none"), 3)

    def compare(module: nn.Module) -> tuple[float, float]:
        recipes = (Recipe(test_time_augmentation=list(both)) for both in ((), ("horizontal", "vertical")))
        evaluators = (PartEvaluator(DATA, objective, Ranks(), recipe) for recipe in recipes)
        plain, mean = (evaluator.measure(module, Drawn([(9, 8, 12)])).loss for evaluator in evaluators)
        return plain, mean

    plain, mean = compare(MODULE)
    assert mean == pytest.approx(plain, rel=1e-5)
    torch.manual_seed(0)
    plain, mean = compare(nn.Conv3d(1, 3, 3, padding=1))
    assert mean != pytest.approx(plain, rel=1e-3)


def test_the_modules_mode_stays() -> None:
    norm = nn.BatchNorm3d(3)
    module = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), norm)
    measure(module, place_output((8, 8, 8), (8, 8, 8)))
    assert module.training
    assert norm.running_mean is not None
    assert not norm.running_mean.any()


def test_positions_of_a_stride_are_spread() -> None:
    plan = Slide((16, 9, 8), place_output((8, 8, 8), (4, 4, 4)))
    found = np.random.default_rng(0).normal(size=(2, *plan.positions)).astype(np.float32)
    wanted = F.interpolate(torch.from_numpy(found)[None], (16, 10, 8), mode="trilinear")[0, :, :, :9].numpy()
    np.testing.assert_allclose(spread(found, plan), wanted, atol=1e-5)
    whole = Slide((16, 9, 8), place_output((8, 8, 8), (8, 8, 8)))
    assert spread(found, whole) is found or whole.positions != plan.positions


def test_an_output_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_evaluation, "MAX_OUTPUT_BYTES", 1000)
    with pytest.raises(InputError, match=r"the output for a volume of 3,840 voxels takes 46.1 kB, more than 1"):
        measure(MODULE, place_output((8, 8, 8), (8, 8, 8)))
