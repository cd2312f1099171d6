"""The loss that is trained on and the one that is reported are torch's own, in however many parts a batch comes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.dataset import Dataset, Split
from runtime.data.registry import load_data
from runtime.pictures.geometry import NOT_ASKED
from runtime.recipes.objective import LossSection
from runtime.tasks.grid import OutputGrid, place_output
from runtime.tasks.registry import find_task
from runtime.training.objective import Objective, ObjectiveMeter, measure

NOWHERE = OutputGrid((), ())
TWO = {"a": NOWHERE, "b": NOWHERE}


@pytest.fixture(scope="module")
def maps() -> Dataset:
    return load_data("digit_maps")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draw_volumes(count: int = 4) -> Tensor:
    generator = np.random.default_rng(0)
    found = generator.integers(0, 3, (count, 8, 8, 8)).astype(np.uint8)
    found[generator.random(found.shape) < 0.3] = NOT_ASKED
    return torch.from_numpy(found)


def make(task: str, grids: Mapping[str, OutputGrid], classes: int = 3, **settings: object) -> Objective:
    section = LossSection.model_validate(settings)
    return Objective(find_task(task), grids, section, classes, np.arange(1, classes + 1))


def test_the_loss_of_labels_is_torchs_with_smoothing() -> None:
    objective = make("labels", TWO, label_smoothing=0.2)
    logits, targets = draw(3, 3), torch.tensor([2, 0, 1])
    outputs = {"a": logits, "b": 2 * logits}
    expected = F.cross_entropy(logits, targets, label_smoothing=0.2)
    expected += F.cross_entropy(2 * logits, targets, label_smoothing=0.2)
    assert torch.allclose(objective.compute_loss(outputs, targets), expected)
    assert not torch.allclose(objective.compute_loss(outputs, targets.flip(0)), expected)
    weighed = make("labels", TWO, label_smoothing=0.2, outputs={"a": 0.3})
    expected -= 0.7 * F.cross_entropy(logits, targets, label_smoothing=0.2)
    assert torch.allclose(weighed.compute_loss(outputs, targets), expected)


def test_an_output_without_weight_is_not_looked_at() -> None:
    objective = make("labels", TWO, outputs={"a": 0})
    logits, targets = draw(3, 3), torch.tensor([2, 0, 1])
    found = objective.compute_loss({"a": logits * float("nan"), "b": logits}, targets)
    assert torch.allclose(found, F.cross_entropy(logits, targets))


def test_the_last_output_is_counted() -> None:
    targets = torch.tensor([1, 2])
    right = F.one_hot(targets, 3).float()
    objective = make("labels", TWO)
    assert objective.task.score(objective.count({"a": -right, "b": right}, targets)) == {"accuracy": 1}
    assert objective.task.score(objective.count({"a": right, "b": -right}, targets)) == {"accuracy": 0}


def test_training_weighs_the_classes_and_the_report_does_not(maps: Dataset) -> None:
    grid = OutputGrid((32, 32), (32, 32))
    objective = Objective.of(maps, {"output": grid}, LossSection(label_smoothing=0.1))
    logits, part = draw(4, 11, 32, 32), maps.training.labels[:4]
    targets = torch.from_numpy(part)
    counts = np.bincount(maps.training.labels[maps.training.labels != NOT_ASKED], minlength=11)
    weights = torch.from_numpy((counts**-0.5 * counts.sum() / (counts**0.5).sum()).astype(np.float32))
    weighed = F.cross_entropy(logits, targets, weights, ignore_index=NOT_ASKED, label_smoothing=0.1)
    plain = F.cross_entropy(logits, targets, ignore_index=NOT_ASKED)
    assert not torch.allclose(weighed, plain)
    assert torch.allclose(objective.compute_loss({"output": logits}, targets), weighed)
    assert torch.allclose(objective.plain.compute_loss({"output": logits}, targets), plain)
    split = Split(maps.training.images[:4], part)
    loss, scores = measure({"output": logits.numpy()}, split, find_task("maps"), {"output": grid})
    assert loss == pytest.approx(plain.item())
    answers = logits.argmax(1)[targets != NOT_ASKED]
    assert scores["pixel_accuracy"] == pytest.approx((answers == targets[targets != NOT_ASKED]).double().mean().item())


def test_outputs_of_volumes_are_supervised_at_their_places() -> None:
    """The witness cuts the targets by hand; the coarser output weighs half."""
    grids = {"coarse": OutputGrid((8, 8, 8), (4, 4, 4), 2), "fine": OutputGrid((8, 8, 8), (8, 8, 8))}
    objective = make("maps", grids, class_weights="none")
    targets = draw_volumes()
    outputs = {"coarse": draw(4, 3, 4, 4, 4), "fine": draw(4, 3, 8, 8, 8)}
    losses = [
        F.cross_entropy(outputs[name], part.long(), ignore_index=NOT_ASKED)
        for name, part in (("coarse", targets[:, 1::2, 1::2, 1::2]), ("fine", targets))
    ]
    assert torch.allclose(objective.compute_loss(outputs, targets), losses[0] / 2 + losses[1])
    other = F.cross_entropy(outputs["coarse"], targets[:, ::2, ::2, ::2].long(), ignore_index=NOT_ASKED)
    assert not torch.allclose(other, losses[0], rtol=1e-3), "the control"


def test_an_output_that_is_coarser_along_some_axes_is_supervised_there() -> None:
    """As nnU-Net's for volumes of thick slices. The witness cuts by hand; the centre of the volume is the control."""
    grids = {"coarse": place_output((8, 8, 8), (8, 4, 2)), "fine": place_output((8, 8, 8), (8, 8, 8))}
    objective = make("maps", grids, class_weights="none", outputs={"fine": 0})
    targets, output = draw_volumes(), draw(4, 3, 8, 4, 2)
    wanted = targets[:, :, 1::2, 2::4].long()
    found = objective.compute_loss({"coarse": output, "fine": draw(4, 3, 8, 8, 8)}, targets)
    assert torch.allclose(found, F.cross_entropy(output, wanted, ignore_index=NOT_ASKED))
    centre = F.cross_entropy(output, targets[:, :, 2:6, 3:5].long(), ignore_index=NOT_ASKED)
    assert not torch.allclose(found, centre, rtol=1e-3)
    assert make("maps", grids).weights == {"coarse": 0.5, "fine": 1.0}


@pytest.mark.parametrize("name", ["cross_entropy", "dice", "dice_cross_entropy", "focal"])
def test_a_step_in_parts_is_the_step(name: str) -> None:
    """Losses and slopes of micro-batches with other numbers of asked pixels add up to those of the whole; the mean of
    the parts' own losses is another."""
    grids = {"output": OutputGrid((8, 8, 8), (8, 8, 8))}
    objective = make("maps", grids, name=name, class_weights="balanced")
    targets, output = draw_volumes(5), draw(5, 3, 8, 8, 8).requires_grad_()
    targets[0, :, 1:] = NOT_ASKED
    targets[1] = NOT_ASKED
    objective.compute_loss({"output": output}, targets).backward()
    assert output.grad is not None
    expected = output.grad.clone()
    output.grad.zero_()
    parts = [slice(0, 1), slice(1, 2), slice(2, 5)]
    whole = torch.stack([objective.weigh(targets[part]) for part in parts]).sum(0)
    losses = [objective.compute_loss({"output": output[part]}, targets[part], whole) for part in parts]
    torch.stack(losses).sum().backward()
    assert torch.allclose(output.grad, expected, rtol=1e-4, atol=1e-8)
    own = [objective.compute_loss({"output": output[part]}, targets[part]) for part in parts]
    with torch.no_grad():
        complete = objective.compute_loss({"output": output}, targets)
        assert torch.allclose(torch.stack(losses).sum(), complete, rtol=1e-5)
        assert not torch.allclose(torch.stack(own).mean(), complete, rtol=1e-3)
        assert own[1] == 0


def test_the_report_does_not_depend_on_the_batches() -> None:
    """The witness is the mean over all asked pixels at once; that of the batches' means is the control."""
    grids = {"output": OutputGrid((8, 8, 8), (8, 8, 8))}
    objective = make("maps", grids, label_smoothing=0.1)
    targets, output = draw_volumes(5), draw(5, 3, 8, 8, 8)
    targets[0, :, 1:] = NOT_ASKED
    meters = [ObjectiveMeter(objective) for _ in range(2)]
    for meter, size in zip(meters, (1, 3), strict=True):
        for found, wanted in zip(output.split(size), targets.split(size), strict=True):
            meter.add({"output": found}, wanted)
    witness = F.cross_entropy(output, targets.long(), ignore_index=NOT_ASKED).item()
    assert [meter.loss for meter in meters] == pytest.approx([witness] * 2, rel=1e-5)
    assert meters[0].scores == meters[1].scores
    means = [
        F.cross_entropy(output[i : i + 1], targets[i : i + 1].long(), ignore_index=NOT_ASKED).item() for i in range(5)
    ]
    assert np.mean(means) != pytest.approx(witness, rel=1e-3)


def test_mixed_labels_are_counted_by_the_heavier() -> None:
    shares = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.2, 0.8]])
    objective = make("labels", {"output": NOWHERE})
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    assert objective.task.score(objective.count({"output": logits}, shares)) == {"accuracy": 0.5}
    assert torch.allclose(objective.compute_loss({"output": logits}, shares), F.cross_entropy(logits, shares))


@pytest.mark.parametrize(("task", "targets"), [("labels", np.array([1, 3])), ("maps", np.full((2, 4, 4), 3, np.uint8))])
def test_a_class_that_is_not_there_is_told(task: str, targets: Array) -> None:
    grids = {"output": NOWHERE if task == "labels" else OutputGrid((4, 4), (4, 4))}
    output = {"output": torch.zeros((2, 3, *targets.shape[1:]))}
    with pytest.raises(InputError, match=r"an image has the class 3, and there are 3 \(0 to 2\)"):
        make(task, grids).compute_loss(output, torch.from_numpy(targets))
    make(task, grids).compute_loss(output, torch.from_numpy(targets - 1))


def test_joints_that_are_not_labelled_are_not_learned() -> None:
    grid = OutputGrid((32, 32), (8, 8), 4)
    objective = make("joints", {"output": grid}, classes=2)
    points = torch.tensor([[[5.0, 6, 2], [7, 8, 0]], [[20, 3, 1], [1, 1, 2]]])
    heatmaps = draw(2, 2, 8, 8)
    drawn = torch.from_numpy(find_task("joints").make_targets(points[..., :2].numpy(), grid))
    asked = torch.tensor([[True, False], [True, True]])
    found = objective.compute_loss({"output": heatmaps}, points)
    assert torch.allclose(found, F.mse_loss(heatmaps[asked], drawn[asked]))
    assert not torch.allclose(found, F.mse_loss(heatmaps, drawn), rtol=1e-3)
