"""The optimizer of a recipe: torch's own, over groups of weights that say how their rate follows the schedule's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from runtime.recipes.optimization import AdamW, Muon, Optimizer, Sgd
from runtime.training.roles import WeightRole, guess_roles

with extra("train"):
    import torch
    from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class HasOptimizer(Protocol):
    """A recipe, of which only the optimizer is asked."""

    @property
    def optimizer(self) -> Optimizer: ...


def build_optimizer(
    module: nn.Module, recipe: HasOptimizer, roles: Mapping[str, WeightRole] | None = None
) -> torch.optim.Optimizer:
    """Build torch's optimizer over the module's trainable weights, in groups of those that are treated alike.

    `roles` are those of `find_roles(graph)`; without them, or for a weight that they do not name, they are guessed from
    the module. Each group has `lr_scale`: before a step, `group["lr"]` is to be `group["lr_scale"]` times the
    schedule's rate; and `param_names`, the names of its weights. Raises InputError where no weight can be trained, or
    this torch has no such optimizer.
    """
    trainable = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    if not trainable:
        raise InputError("the network has no weights to train")
    known = {**guess_roles(module), **(roles or {})}
    groups = _group({name: (weight, known[name]) for name, weight in trainable.items()}, recipe.optimizer)
    return _build(groups, recipe.optimizer)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of each group for a step, of which the schedule says that it is `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = group["lr_scale"] * rate


def _group(weights: Mapping[str, tuple[Tensor, WeightRole]], wanted: Optimizer) -> list[dict[str, Any]]:
    """Put weights that are treated alike into a group, in the order in which the first of each is named."""
    deepest = max(role.depth for _, role in weights.values())
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, (weight, role) in weights.items():
        is_matrix = isinstance(wanted, Muon) and role.is_matrix
        decay = wanted.weight_decay if role.decays or wanted.decay_all else 0.0
        scale = _scale_rate(wanted, role, deepest, is_matrix=is_matrix)
        group = groups.setdefault(
            (is_matrix, decay, scale),
            {"params": [], "weight_decay": decay, "lr_scale": scale, "lr": scale * wanted.lr, "is_matrix": is_matrix},
        )
        group["params"].append((name, weight))
    return list(groups.values())


def _scale_rate(wanted: Optimizer, role: WeightRole, deepest: int, *, is_matrix: bool) -> float:
    """The rate of a weight over the highest one: `head_lr` for a head, and `layer_decay` for each layer behind it."""
    if role.is_head and wanted.head_lr is not None:
        return wanted.head_lr / wanted.lr
    own = wanted.adamw_lr if isinstance(wanted, Muon) and not is_matrix else wanted.lr
    return own / wanted.lr * wanted.layer_decay ** (deepest - role.depth)


def _build(groups: list[dict[str, Any]], wanted: Optimizer) -> torch.optim.Optimizer:
    if isinstance(wanted, Muon):
        return MuonWithAdamW(groups, wanted)
    if isinstance(wanted, AdamW):
        return torch.optim.AdamW(groups, lr=wanted.lr, betas=(wanted.betas[0], wanted.betas[1]), eps=wanted.eps)
    assert isinstance(wanted, Sgd)
    return torch.optim.SGD(groups, lr=wanted.lr, momentum=wanted.momentum, nesterov=wanted.nesterov)


class MuonWithAdamW(torch.optim.Optimizer):
    """torch.optim.Muon for the groups with `is_matrix` and torch.optim.AdamW for the others, as one optimizer.

    A kernel of a convolution is a matrix with a row for each index of its first axis, (out, in * positions), as Jordan
    et al. ("Muon", 2024) take it; its momentum has that shape. Raises InputError where this torch has no Muon.
    """

    def __init__(self, groups: list[dict[str, Any]], wanted: Muon) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise InputError(
                f"torch {torch.__version__} has no Muon: install 2.9 or later, or take optimizer.name=adamw"
            )
        super().__init__(groups, {"lr": wanted.lr, "weight_decay": wanted.weight_decay})
        self._steppers: list[torch.optim.Optimizer] = [
            _start_muon(group["params"], wanted) if group["is_matrix"] else torch.optim.AdamW(group["params"])
            for group in self.param_groups
        ]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step down the gradients."""
        for group, stepper in zip(self.param_groups, self._steppers, strict=True):
            (inner,) = stepper.param_groups
            inner |= {name: group[name] for name in ("lr", "weight_decay")}
            weights = [weight for weight in group["params"] if weight.grad is not None]
            inner["params"] = [_make_stand_in(weight) for weight in weights] if group["is_matrix"] else weights
            stepper.state.clear()  # what is remembered is here, where it is saved and loaded
            stepper.state.update(
                {own: self.state[weight] for own, weight in zip(inner["params"], weights, strict=True)}
            )
            stepper.step()


def _start_muon(weights: list[Tensor], wanted: Muon) -> torch.optim.Optimizer:
    matrices = [_as_matrix(weight.detach(), weight) for weight in weights]
    return torch.optim.Muon(matrices, momentum=wanted.momentum, nesterov=wanted.nesterov)


def _make_stand_in(weight: Tensor) -> Tensor:
    """Make the matrix that stands for a weight: of its numbers and its gradient's, not copied."""
    matrix = _as_matrix(weight.detach(), weight)
    if matrix.data_ptr() != weight.data_ptr():
        raise ArchspecError(f"Muon cannot step a weight {tuple(weight.shape)} with the strides {weight.stride()}")
    assert weight.grad is not None
    matrix.grad = _as_matrix(weight.grad, weight)
    return matrix


def _as_matrix(values: Tensor, weight: Tensor) -> Tensor:
    """Lay the values of a weight, or of its gradient, out in rows; the order in them is that in which the weight's own
    lie, so that these are a view. (An orthogonal update of permuted columns is the permuted update.)"""
    return (values if weight.is_contiguous() else values.movedim(1, -1)).flatten(1)
