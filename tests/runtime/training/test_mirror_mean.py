"""Answers for mirrored images are turned back, and their mean is that of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.errors import InputError
from runtime.data.dataset import Dataset
from runtime.recipes.objective import LossSection
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import TASKS
from runtime.training.evaluation import PartEvaluator
from runtime.training.metrics import Measured
from runtime.training.mirror_mean import AXES, Mirror, MirrorMean
from runtime.training.objective import Objective
from runtime.training.ranks import Ranks
from runtime.training.train import train
from tests.support.models import make_data
from tests.support.training import QUICK, change, make_net

BOTH: tuple[Mirror, ...] = ("horizontal", "vertical")
NAMES = ("nose", "left", "right")
GRIDS: Mapping[str, OutputGrid] = {
    "labels": OutputGrid((), ()),
    "maps": OutputGrid((8, 6), (8, 6)),
    "joints": OutputGrid((8, 6), (4, 3), 2),
}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def make(task: str, mirrors: tuple[Mirror, ...] = BOTH) -> MirrorMean:
    return MirrorMean(TASKS[task], {"output": GRIDS[task]}, mirrors, NAMES, (0, 2, 1))


class Even(nn.Module):
    """A network that answers the same in a mirror: a kernel that is its own mirror image, and for joints a channel for
    both of a pair."""

    def __init__(self, task: str) -> None:
        super().__init__()
        self.task = task
        kernel = draw(3, 2, 3, 3)
        kernel = kernel + kernel.flip(-1)
        self.kernel, self.ramp = kernel + kernel.flip(-2), torch.ones(6)
        if task == "joints":
            self.kernel[2] = self.kernel[1]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        found = F.conv2d(images, self.kernel, padding=1)
        if self.task == "labels":
            found = (found * self.ramp).mean((2, 3))
        return {"output": F.avg_pool2d(found, 2) if self.task == "joints" else found}


def probabilities(task: str, output: Tensor) -> Tensor:
    return output if task == "joints" else output.softmax(1)


@pytest.mark.parametrize("mirrors", [BOTH, BOTH[:1], BOTH[1:]])
@pytest.mark.parametrize("task", TASKS)
def test_nothing_changes_for_a_network_that_answers_the_same_in_a_mirror(
    task: str, mirrors: tuple[Mirror, ...]
) -> None:
    """One that is not, and looks to one side, is the control."""
    net, images = Even(task), draw(4, 2, 8, 6)
    before, after = net(images)["output"], make(task, mirrors)(net, images)["output"]
    assert torch.allclose(probabilities(task, after), probabilities(task, before), atol=1e-6)
    net.kernel, net.ramp = draw(3, 2, 3, 3, seed=1), 10 * torch.arange(6.0)
    before, after = net(images)["output"], make(task, mirrors)(net, images)["output"]
    assert not torch.allclose(probabilities(task, after), probabilities(task, before), atol=1e-2)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_mean_is_that_of_probabilities(channels: int) -> None:
    """Written out for each mirror image; the mean of logits is the control."""
    net, images = nn.Conv2d(2, channels, 3, padding=1), draw(4, 2, 8, 6)
    mean = MirrorMean(TASKS["maps"], {"output": GRIDS["maps"]}, BOTH)
    logits = []
    for axes in [(), (-1,), (-2,), (-1, -2)]:
        logits.append(net(images.flip(axes)).flip(axes).detach())
    found = mean(lambda batch: {"output": net(batch)}, images)["output"].detach()
    squash = torch.sigmoid if channels == 1 else lambda x: x.softmax(1)
    expected = torch.stack([squash(view) for view in logits]).mean(0)
    assert torch.allclose(squash(found), expected, atol=1e-6)
    assert not torch.allclose(squash(torch.stack(logits).mean(0)), expected, atol=1e-3)
    if channels == 3:
        entropy = F.cross_entropy(found, torch.zeros(4, 8, 6, dtype=torch.long))
        assert torch.allclose(entropy, -expected[:, 0].log().mean())


def test_paired_joints_change_places_in_one_mirror_and_not_in_two() -> None:
    """A network that finds the left one on the left of the image, whichever way it is seen."""
    joints = draw(1, 3, 4, 3)

    def find(images: Tensor) -> dict[str, Tensor]:
        turned = tuple(axis for axis, sign in ((-1, images[0, 0, 0, 0] < 0), (-2, images[0, 1, 0, 0] < 0)) if sign)
        found = joints.flip(turned)
        return {"output": found[:, [0, 2, 1]] if len(turned) == 1 else found}

    images = torch.ones(1, 2, 8, 6)
    images[0, 0, :, 3:], images[0, 1, 4:] = -1, -1
    assert torch.allclose(make("joints")(find, images)["output"], joints)
    plain = MirrorMean(TASKS["joints"], {"output": GRIDS["joints"]}, BOTH, NAMES, (0, 1, 2))
    assert not torch.allclose(plain(find, images)["output"], joints, atol=0.1)


def test_volumes_and_every_output_are_turned_back() -> None:
    grids = {"coarse": OutputGrid((8, 8, 6), (4, 4, 3), 2), "fine": OutputGrid((8, 8, 6), (8, 8, 6))}
    mean = MirrorMean(TASKS["maps"], grids, BOTH)
    seen = []

    def run(images: Tensor) -> dict[str, Tensor]:
        seen.append(images)
        return {"coarse": F.avg_pool3d(images, 2), "fine": images}

    images = draw(2, 3, 8, 8, 6)
    found = mean(run, images)
    assert len(seen) == 4
    assert all(
        torch.equal(seen[number], images.flip(axes))
        for number, axes in enumerate(axes for count in range(3) for axes in combinations(sorted(AXES.values()), count))
    )
    assert torch.allclose(found["fine"].softmax(1), images.softmax(1), atol=1e-6)
    assert torch.allclose(found["coarse"].softmax(1), F.avg_pool3d(images, 2).softmax(1), atol=1e-6)


def test_without_mirrors_the_outputs_are_the_networks() -> None:
    net, images = Even("maps"), draw(1, 2, 8, 6)
    assert torch.equal(make("maps", ())(net, images)["output"], net(images)["output"])


def test_what_cannot_be_turned_back_is_refused() -> None:
    with pytest.raises(InputError, match="do not say which joints change places in a mirror"):
        MirrorMean(TASKS["joints"], {"output": GRIDS["joints"]}, BOTH, NAMES)
    MirrorMean(TASKS["joints"], {"output": GRIDS["joints"]}, (), NAMES)
    with pytest.raises(InputError, match="must name each of the 3 joints"):
        MirrorMean(TASKS["joints"], {"output": GRIDS["joints"]}, BOTH, NAMES, (0, 1))
    uneven = {"output": OutputGrid((8, 9), (4, 4), 2)}
    with pytest.raises(InputError, match=r"'output' does not lie in the middle of its image \(1 pixels of 9"):
        MirrorMean(TASKS["maps"], uneven, ("horizontal",))
    MirrorMean(TASKS["maps"], uneven, ("vertical",))


def evaluate(data: Dataset, objective: Objective, net: nn.Module, mirrors: tuple[Mirror, ...]) -> Measured:
    recipe = change(QUICK, test_time_augmentation=list(mirrors))
    return PartEvaluator(data, objective, Ranks(), recipe).measure(net, data.test)


def test_what_is_evaluated_is_the_mean() -> None:
    """The witness is the mean of probabilities, written out; the network's own figures are the control."""
    data, net = make_data(), make_net()
    objective = Objective(TASKS["labels"], {"output": OutputGrid((), ())}, LossSection(), 3)
    images, labels = torch.from_numpy(data.held_out.images), torch.from_numpy(data.held_out.labels)
    with torch.no_grad():
        views = torch.stack([net.eval()(images.flip(axes)).softmax(1) for axes in [(), (-1,), (-2,), (-1, -2)]])
    witness = F.nll_loss(views.mean(0).log(), labels).item()
    plain, mean = (evaluate(data, objective, net, mirrors) for mirrors in ((), BOTH))
    assert mean.loss == pytest.approx(witness, rel=1e-5)
    assert mean.scores == {"accuracy": (views.mean(0).argmax(1) == labels).float().mean().item()}
    assert plain.loss != pytest.approx(witness, rel=1e-3)


def test_a_recipe_asks_for_it() -> None:
    data, net = make_data(), make_net()
    recipe = change(QUICK, epochs=1, test_time_augmentation=["vertical"])
    result = train(net, data, recipe)
    mirrors: tuple[tuple[Mirror, ...], ...] = ((), ("vertical",))
    objective = Objective.of(data, {"output": OutputGrid((), ())}, recipe.loss)
    plain, mean = (evaluate(data, objective, net, each) for each in mirrors)
    assert result.test_loss == pytest.approx(mean.loss, rel=1e-6)
    assert result.test_loss != pytest.approx(plain.loss, rel=1e-3)
