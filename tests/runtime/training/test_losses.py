"""The losses, against torch's, MONAI's and formulas that are written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.losses.dice import DiceCELoss, DiceLoss
from monai.losses.focal_loss import FocalLoss
from torch import Tensor
from torch.nn import functional as F

from runtime.pictures.geometry import NOT_ASKED
from runtime.training.losses import (
    LOSSES,
    CrossEntropyTerm,
    DiceTerm,
    FocalTerm,
    LossSettings,
    LossTerm,
    SquaredErrorTerm,
    balance_classes,
)

WEIGHTS = torch.tensor([0.5, 2.0, 1.0])
EXTENTS = [(), (6,), (5, 4), (3, 4, 2)]


def draw(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draw_classes(extents: tuple[int, ...], classes: int = 3, ignored: bool = False, seed: int = 0) -> Tensor:
    """Classes of four images, every one in each image of more than one position."""
    generator = np.random.default_rng(seed)
    found = generator.integers(0, classes, (4, *extents))
    if extents:
        found.reshape(4, -1)[:, :classes] = np.arange(classes)
    if ignored:
        flat = found.reshape(4, -1)
        flat[:, classes:][generator.random((4, flat.shape[1] - classes)) < 0.4] = NOT_ASKED
    return torch.from_numpy(found)


def compute(term: LossTerm, output: Tensor, targets: Tensor) -> float:
    with torch.no_grad():
        return float(term.total(output, targets) / term.weigh(targets))


def choose(**settings: object) -> LossSettings:
    return LossSettings(classes=3, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("extents", EXTENTS)
def test_cross_entropy_is_torchs(extents: tuple[int, ...], weights: Tensor | None, smoothing: float) -> None:
    output, targets = draw((4, 3, *extents)), draw_classes(extents, ignored=len(extents) > 1)
    found = compute(CrossEntropyTerm(choose(weights=weights, smoothing=smoothing, ignored=NOT_ASKED)), output, targets)
    witness = F.cross_entropy(output, targets, weights, ignore_index=NOT_ASKED, label_smoothing=smoothing)
    assert found == pytest.approx(witness.item(), rel=1e-5)
    control = compute(CrossEntropyTerm(choose(weights=WEIGHTS.flip(0), ignored=NOT_ASKED)), output, targets)
    assert control != pytest.approx(witness.item(), rel=1e-3)


def test_shares_of_classes_have_torchs_cross_entropy() -> None:
    output, shares = draw((4, 3)), F.softmax(draw((4, 3), 1), 1)
    term = CrossEntropyTerm(choose(smoothing=0.1))
    witness = F.cross_entropy(output, shares, label_smoothing=0.1)
    assert compute(term, output, shares) == pytest.approx(witness.item(), rel=1e-5)
    assert compute(term, output, shares.flip(0)) != pytest.approx(witness.item(), rel=1e-3)


@pytest.mark.parametrize("kind", [CrossEntropyTerm, FocalTerm])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_whole_shares_are_classes(kind: type[LossTerm], smoothing: float) -> None:
    """Also with class weights, where torch divides the two in different ways."""
    output, targets = draw((4, 3)), draw_classes(())
    term = kind(choose(weights=WEIGHTS, smoothing=smoothing))
    assert compute(term, output, F.one_hot(targets, 3).float()) == pytest.approx(compute(term, output, targets))
    assert compute(term, output, F.one_hot(targets.flip(0), 3).float()) != pytest.approx(
        compute(term, output, targets), rel=1e-3
    )


@pytest.mark.parametrize("extents", EXTENTS[1:])
def test_dice_is_monais(extents: tuple[int, ...]) -> None:
    """Where every class is in every image; MONAI's passes over a class too."""
    output, targets = draw((4, 3, *extents)), draw_classes(extents, ignored=True)
    found = compute(DiceTerm(choose(ignored=NOT_ASKED)), output, targets)
    monai = DiceLoss(softmax=True, to_onehot_y=True, ignore_index=NOT_ASKED)
    assert found == pytest.approx(monai(output, targets[:, None]).item(), rel=1e-4)
    squared = DiceLoss(softmax=True, to_onehot_y=True, ignore_index=NOT_ASKED, squared_pred=True)
    assert found != pytest.approx(squared(output, targets[:, None]).item(), rel=1e-3)


def test_dice_is_the_mean_over_the_classes_that_are_there() -> None:
    """MONAI gives the loss of each image and class; those of the others are nearly 1, and have no slope."""
    output, targets = draw((4, 3, 5, 4)).requires_grad_(), draw_classes((5, 4))
    targets[0], targets[1][targets[1] == 2] = 1, 0
    each = DiceLoss(softmax=True, to_onehot_y=True, reduction="none")(output, targets[:, None]).flatten(1)
    there = torch.tensor([[False, True, False], [True, True, False], [True] * 3, [True] * 3])
    term = DiceTerm(choose(ignored=NOT_ASKED))
    assert compute(term, output, targets) == pytest.approx(each[there].mean().item(), rel=1e-4)
    assert compute(term, output, targets) != pytest.approx(each.mean().item(), rel=1e-2)
    weighed = DiceTerm(choose(weights=WEIGHTS))
    rows = WEIGHTS.expand(4, 3)[there]
    assert compute(weighed, output, targets) == pytest.approx((each[there] @ rows / rows.sum()).item(), rel=1e-4)
    absent = torch.autograd.grad(each[~there].sum(), output, retain_graph=True)[0].abs().max()
    present = torch.autograd.grad(each[there].sum(), output)[0].abs().max()
    assert float(absent) < 1e-5 < 1e-3 < float(present)
    perfect = 100 * F.one_hot(targets, 3).movedim(-1, 1).float()
    assert compute(term, perfect, targets) == pytest.approx(0, abs=1e-6)


def test_dice_and_cross_entropy_are_monais_sum() -> None:
    output, targets = draw((4, 3, 4, 3, 2)), draw_classes((4, 3, 2))
    found = sum(compute(kind(choose()), output, targets) for kind in LOSSES["dice_cross_entropy"])
    witness = DiceCELoss(softmax=True, to_onehot_y=True)
    assert found == pytest.approx(witness(output, targets[:, None]).item(), rel=1e-5)
    assert found != pytest.approx(witness(output, targets.flip(0)[:, None]).item(), rel=1e-3)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_focal_is_monais(gamma: float, weights: Tensor | None) -> None:
    """MONAI's mean is taken over all classes, of which one is true, and not over the weights."""
    output, targets = draw((4, 3, 5, 4)), draw_classes((5, 4))
    monai = FocalLoss(use_softmax=True, to_onehot_y=True, gamma=gamma, reduction="none", weight=weights)
    divisor = targets.numel() if weights is None else WEIGHTS[targets].sum().item()
    found = compute(FocalTerm(choose(gamma=gamma, weights=weights)), output, targets)
    assert found == pytest.approx(monai(output, targets[:, None]).sum().item() / divisor, rel=1e-5)
    control = FocalTerm(choose(gamma=gamma + 0.5, weights=weights))
    assert compute(control, output, targets) != pytest.approx(found, rel=1e-3)


def test_focal_of_one_channel_is_the_papers() -> None:
    """Equations 1 to 4 of Lin et al. (2017), by sigmoid, as `torchvision.ops.sigmoid_focal_loss` writes them."""
    output, targets = draw((4, 1, 5, 4)), draw_classes((5, 4), classes=2, ignored=True)
    asked, true = targets != NOT_ASKED, (targets == 1).float()
    p = torch.sigmoid(output[:, 0])
    entropy = F.binary_cross_entropy_with_logits(output[:, 0], true, reduction="none")
    right = p * true + (1 - p) * (1 - true)
    witness = (entropy * (1 - right) ** 2)[asked].mean().item()
    found = compute(FocalTerm(LossSettings(2, ignored=NOT_ASKED)), output, targets)
    assert found == pytest.approx(witness, rel=1e-5)
    assert found != pytest.approx((entropy * right**2)[asked].mean().item(), rel=1e-2)


@given(st.integers(0, 1000), st.sampled_from(EXTENTS), st.sampled_from([0.0, 0.3]))
def test_focal_without_gamma_is_cross_entropy(seed: int, extents: tuple[int, ...], smoothing: float) -> None:
    output, targets = draw((4, 3, *extents), seed), draw_classes(extents, ignored=len(extents) > 1, seed=seed)
    both = (
        compute(kind(choose(gamma=0.0, weights=WEIGHTS, smoothing=smoothing, ignored=NOT_ASKED)), output, targets)
        for kind in (FocalTerm, CrossEntropyTerm)
    )
    assert next(both) == pytest.approx(next(both), rel=1e-4)


def test_focal_has_a_slope_where_everything_is_right() -> None:
    """(1 - p) is 0 in float32, where the slope of its root is infinite."""
    output = torch.tensor([[100.0, 0.0, 0.0]], requires_grad=True)
    FocalTerm(choose(gamma=0.5)).total(output, torch.tensor([0])).backward()
    assert output.grad is not None
    assert bool(output.grad.isfinite().all())


@pytest.mark.parametrize("kind", [CrossEntropyTerm, DiceTerm, FocalTerm])
def test_one_channel_is_the_second_of_two_classes(kind: type[LossTerm]) -> None:
    output, targets = draw((4, 1, 5, 4)), draw_classes((5, 4), classes=2, ignored=True)
    term = kind(LossSettings(2, ignored=NOT_ASKED))
    both = torch.cat([torch.zeros_like(output), output], 1)
    assert compute(term, output, targets) == compute(term, both, targets)
    assert compute(term, output, targets) != pytest.approx(compute(term, both.flip(1), targets), rel=1e-3)
    asked = targets != NOT_ASKED
    if kind is CrossEntropyTerm:
        witness = F.binary_cross_entropy_with_logits(output[:, 0][asked], targets[asked].float())
        assert compute(term, output, targets) == pytest.approx(witness.item(), rel=1e-5)


def test_the_squared_error_is_torchs_where_a_target_is_a_number() -> None:
    output, targets = draw((4, 3, 5, 5)), draw((4, 3, 5, 5), 1)
    term = SquaredErrorTerm(choose())
    assert compute(term, output, targets) == pytest.approx(F.mse_loss(output, targets).item(), rel=1e-6)
    targets[0, 1], targets[2, 2] = float("nan"), float("nan")
    asked = targets.isfinite()
    assert compute(term, output, targets) == pytest.approx(F.mse_loss(output[asked], targets[asked]).item(), rel=1e-6)
    output.requires_grad_()
    term.total(output, targets).backward()
    assert output.grad is not None
    assert not output.grad[0, 1].any()
    assert bool(output.grad[1].abs().min() > 0)


TERMS = [*(LOSSES["dice_cross_entropy"]), FocalTerm]


@pytest.mark.parametrize("kind", TERMS)
@given(parts=st.lists(st.integers(1, 3), min_size=1, max_size=4), seed=st.integers(0, 100))
def test_parts_of_a_batch_add_up(kind: type[LossTerm], parts: list[int], seed: int) -> None:
    """In whichever parts a batch comes, sums and weights are those of all; the mean of means is not."""
    total = sum(parts)
    output, targets = (
        draw((total, 3, 4, 3), seed),
        draw_classes((4, 3), ignored=True, seed=seed).repeat(3, 1, 1)[:total],
    )
    targets[0, 1:] = NOT_ASKED
    term = kind(choose(weights=WEIGHTS, ignored=NOT_ASKED))
    pairs = list(zip(output.split(parts), targets.split(parts), strict=True))
    assert sum(float(term.total(*pair)) for pair in pairs) == pytest.approx(
        float(term.total(output, targets)), rel=1e-4
    )
    weights = [float(term.weigh(part)) for _, part in pairs]
    assert sum(weights) == pytest.approx(float(term.weigh(targets)), rel=1e-5)


@pytest.mark.parametrize("kind", TERMS)
def test_what_is_not_asked_has_no_loss_and_no_slope(kind: type[LossTerm]) -> None:
    output, targets = draw((4, 3, 5, 4)).requires_grad_(), draw_classes((5, 4), ignored=True)
    term = kind(choose(ignored=NOT_ASKED, weights=WEIGHTS))
    hidden = (targets == NOT_ASKED)[:, None].expand(-1, 3, -1, -1)
    changed = torch.where(hidden, -3 * output.detach(), output.detach())
    assert compute(term, output, targets) == pytest.approx(compute(term, changed, targets), rel=1e-6)
    (slope,) = torch.autograd.grad(term.total(output, targets), output)
    assert not slope[hidden].any()
    assert slope[~hidden].any()
    nothing = torch.full_like(targets, NOT_ASKED)
    assert float(term.total(output, nothing).detach()) == float(term.weigh(nothing)) == 0


@pytest.mark.parametrize("make", [torch.Tensor.half, torch.Tensor.bfloat16])
@pytest.mark.parametrize("kind", [*TERMS, SquaredErrorTerm])
def test_sums_are_in_float32(kind: type[LossTerm], make: Callable[[Tensor], Tensor]) -> None:
    """As under autocast: 100,000 terms of about 1 are more than a half can hold."""
    output, targets = make(draw((4, 3, 200, 300))), draw_classes((200, 300))
    wanted = draw((4, 3, 200, 300)) if kind is SquaredErrorTerm else targets
    term = kind(choose())
    assert compute(term, output, wanted) == pytest.approx(compute(term, output.double().float(), wanted), rel=1e-5)
    assert term.total(output, wanted).dtype == torch.float32


def test_dice_of_a_million_places_is_exact() -> None:
    """A third of each is the class that is everywhere: by hand 2/3 of all over 4/3 of all. Added up one by one in
    float32, the control, it is another."""
    output, targets = torch.zeros(1, 3, 1000, 1000), torch.zeros((1, 1000, 1000), dtype=torch.int64)
    assert compute(DiceTerm(choose()), output, targets) == pytest.approx(0.5, abs=1e-6)
    thirds = torch.full((1, 1_000_000), 1 / 3)
    added = torch.zeros(1, 3).scatter_add(1, targets.flatten(1), thirds)
    assert added[0, 0].item() != pytest.approx(1e6 / 3, rel=1e-4)


def test_rare_classes_weigh_more() -> None:
    """By hand: 86 pixels, 4, and none."""
    weights = balance_classes(np.array([86, 4, 0]))
    assert weights[1] / weights[0] == pytest.approx(np.sqrt(86 / 4))
    assert weights[0] * 86 + weights[1] * 4 == pytest.approx(90)
    assert weights[2] == 0
