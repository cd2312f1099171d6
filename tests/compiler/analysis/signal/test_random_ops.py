"""What draws while training: how often, how much, forward and backward apart, and the same on average at inference."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor, fx

from archspec.api import to_torch
from archspec.ops import Dropout, Op, Shake, ShakeDrop, Shape, StochasticDepth
from archspec.ops.values import Draw
from compiler.torch_target.randomness import Shake as ShakeModule
from compiler.torch_target.randomness import Surviving, combine
from tests.support.documents import graph_from
from tests.support.lowering import graph_of

MANY = 20_000
"""Draws of one frequency."""

ERRORS = 5
"""Standard errors within which a mean must lie: by chance one in two million does not."""


def training(op: Op, *shapes: Shape) -> fx.GraphModule:
    return to_torch(graph_of(op, *shapes)).train()


def factors(module: Callable[..., Tensor], *values: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The result, and what each value's gradient is multiplied by."""
    leaves = [value.clone().requires_grad_() for value in values]
    result = module(*leaves)
    result.sum().backward()
    return result.detach(), [leaf.grad for leaf in leaves if leaf.grad is not None]


def assert_frequency(found: Tensor, share: float) -> None:
    assert abs(float(found.double().mean()) - share) <= ERRORS * math.sqrt(share * (1 - share) / found.numel())


def assert_uniform(found: Tensor, low: float, high: float) -> None:
    """Kolmogorov and Smirnov's test, in double precision."""
    assert low <= float(found.min())
    assert float(found.max()) <= high
    assert stats.kstest(found.double().numpy(), "uniform", (low, high - low)).pvalue > 1e-3


def assert_drawn_apart(first: Tensor, second: Tensor) -> None:
    assert first.unique().numel() > first.numel() * 0.9
    assert not torch.isin(first, second).all()
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < ERRORS / math.sqrt(first.numel())


@pytest.mark.parametrize("survival", [0.0, 0.2, 0.7, 0.95, 1.0])
@pytest.mark.parametrize("rescale", [False, True])
def test_samples_survive_as_often_as_they_should(survival: float, rescale: bool) -> None:
    module = training(StochasticDepth(survival=survival, rescale=rescale), Shape(2, 3))
    torch.manual_seed(0)
    kept, (gradient,) = factors(module, torch.ones(MANY, 2, 3))
    alive = kept[:, 0, 0] > 0
    assert_frequency(alive, survival)
    worth = torch.tensor(1 / survival if rescale and survival else 1.0)
    expected = torch.where(alive, worth, torch.tensor(0.0))[:, None, None].expand_as(kept)
    torch.testing.assert_close(kept, expected)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("op", [StochasticDepth(survival=0.7, draw="batch"), ShakeDrop(survival=0.7, draw="batch")])
def test_a_batch_survives_as_a_whole(op: Op) -> None:
    module = training(op, Shape(2))
    torch.manual_seed(0)
    draws = [factors(module, torch.ones(4, 2)) for _ in range(2000)]
    assert all(result.unique().numel() == 1 and gradient.unique().numel() == 1 for result, (gradient,) in draws)
    assert_frequency(torch.tensor([float(result[0, 0]) == 1 for result, _ in draws]), 0.7)


def test_progress_lowers_survival_step_by_step() -> None:
    """RandomDrop: everything survives at the start of training; `survival` holds at its end."""
    graph = graph_of(StochasticDepth(survival=0.4), Shape(1))
    module = to_torch(graph).train()
    part = module.get_submodule("op")
    assert isinstance(part, Surviving)
    torch.manual_seed(0)
    for progress, survival in ((0.0, 1.0), (0.5, 0.7), (1.0, 0.4)):
        part.progress = progress
        assert part.keeping == pytest.approx(survival)
        assert_frequency(module(torch.ones(MANY, 1)), survival)
    part.progress = 0.0
    assert torch.equal(module.eval()(torch.ones(3, 1)), torch.full((3, 1), 0.4))
    assert not module.state_dict()


@pytest.mark.parametrize(
    "op",
    [
        Dropout(rate=0.3),
        StochasticDepth(survival=0.3),
        StochasticDepth(survival=0.3, rescale=True),
        ShakeDrop(survival=0.3),
        Shake(),
    ],
    ids=str,
)
def test_inference_is_the_mean_of_training(op: Op) -> None:
    """The same samples many times over: their mean lies within the standard errors of the expected form."""
    shapes = [Shape(2, 3)] * (3 if isinstance(op, Shake) else 1)
    module = training(op, *shapes)
    generator = torch.Generator().manual_seed(1)
    values = [torch.randn(1, *shape, generator=generator) for shape in shapes]
    torch.manual_seed(0)
    drawn = module(*(value.expand(MANY, 2, 3) for value in values)).double()
    expected = module.eval()(*values)[0].double()
    error = drawn.std(0) / math.sqrt(MANY)
    assert ((drawn.mean(0) - expected).abs() <= ERRORS * error).all()
    assert (drawn[0] - expected).abs().max() > ERRORS * error.max()  # the control: one draw is not the mean


def test_shake_weighs_two_branches_by_numbers_drawn_apart() -> None:
    """One branch of ones and one of zeros: the result is α; the gradients are β and 1 - β."""
    module = training(Shake(), Shape(2, 3), Shape(2, 3))
    torch.manual_seed(0)
    ones = torch.ones(MANY, 2, 3)
    result, (first, second) = factors(module, ones, torch.zeros_like(ones))
    for value in (result, first, second):  # one number for each sample
        assert torch.equal(value.amin((1, 2)), value.amax((1, 2)))
    alpha, beta = result[:, 0, 0], first[:, 0, 0]
    assert_uniform(alpha, 0, 1)
    assert_uniform(beta, 0, 1)
    assert_drawn_apart(alpha, beta)
    torch.testing.assert_close(first + second, ones)


def test_shakes_forward_weights_sum_to_one() -> None:
    module = training(Shake(), Shape(2), Shape(2))
    torch.manual_seed(0)
    x = torch.randn(50, 2)
    torch.testing.assert_close(module(x, x), x)
    assert not torch.allclose(module(x, 2 * x), x)


def test_shake_draws_many_weights_evenly_from_the_simplex() -> None:
    """Dirichlet's distribution with three ones: means 1/3, variances 1/18; each weight is beta(1, 2)."""
    weights = ShakeModule("sample").draw_weights
    torch.manual_seed(0)
    drawn = weights((torch.zeros(MANY, 1),) * 3).squeeze()
    torch.testing.assert_close(drawn.sum(0), torch.ones(MANY))
    for row in drawn.double():
        assert float(row.var()) == pytest.approx(1 / 18, rel=0.03)
        assert stats.kstest(row.numpy(), "beta", (1, 2)).pvalue > 1e-3


def test_shake_may_draw_once_for_a_batch() -> None:
    module = training(Shake(draw="batch"), Shape(2), Shape(2))
    torch.manual_seed(0)
    draws = [factors(module, torch.ones(4, 2), torch.zeros(4, 2)) for _ in range(500)]
    assert all(result.unique().numel() == 1 and first.unique().numel() == 1 for result, (first, _) in draws)
    alpha = torch.stack([result[0, 0] for result, _ in draws])
    beta = torch.stack([first[0, 0] for _, (first, _) in draws])
    assert_uniform(alpha, 0, 1)
    assert_drawn_apart(alpha, beta)


def test_shake_drop_draws_its_factors_apart() -> None:
    """On ones: what survives has the factors 1 and 1; the others α in [-1, 1] forward and β in [0, 1] backward."""
    module = training(ShakeDrop(survival=0.6), Shape(2, 3))
    torch.manual_seed(0)
    result, (gradient,) = factors(module, torch.ones(MANY, 2, 3))
    for value in (result, gradient):
        assert torch.equal(value.amin((1, 2)), value.amax((1, 2)))
    forward, backward = result[:, 0, 0], gradient[:, 0, 0]
    alive = (forward == 1) & (backward == 1)
    assert torch.equal(alive, (forward == 1) | (backward == 1))
    assert_frequency(alive, 0.6)
    alpha, beta = forward[~alive], backward[~alive]
    assert_uniform(alpha, -1, 1)
    assert_uniform(beta, 0, 1)
    assert_drawn_apart(alpha, beta)


@pytest.mark.parametrize("survival", [0.0, 1.0])
def test_shake_drop_at_the_ends(survival: float) -> None:
    module = training(ShakeDrop(survival=survival), Shape(1))
    torch.manual_seed(0)
    result, (gradient,) = factors(module, torch.ones(100, 1))
    assert bool((result == 1).all()) is (survival == 1)
    assert bool((gradient == 1).all()) is (survival == 1)


def test_gradients_are_the_forward_ones_only_where_the_weights_are() -> None:
    """torch's own check of a gradient against differences; the control: it refuses weights drawn apart."""
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(3, 2, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    forward, backward = (torch.rand(2, 3, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    assert torch.autograd.gradcheck(lambda *xs: combine(forward, forward, *xs), values)
    assert not torch.autograd.gradcheck(lambda *xs: combine(forward, backward, *xs), values, raise_exception=False)


@pytest.mark.parametrize("draw", ["sample", "batch"])
def test_a_seed_decides_every_draw(draw: Draw) -> None:
    document = {
        "archspec": 1,
        "inputs": {"x": [4]},
        "network": [
            {"shake": {"branches": [["relu"], ["tanh"], ["sigmoid"]], "draw": draw}},
            {"shake_drop": {"draw": draw}},
            {"stochastic_depth": {"draw": draw}},
        ],
    }
    module = to_torch(graph_from(document)).train()
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))

    def run(seed: int) -> tuple[Tensor, list[Tensor]]:
        torch.manual_seed(seed)
        return factors(module, x)

    (first, (gradient,)), (again, (gradient_again,)) = run(1), run(1)
    assert torch.equal(first, again)
    assert torch.equal(gradient, gradient_again)
    assert not torch.equal(first, run(2)[0])


@pytest.mark.parametrize("op", [Shake(), ShakeDrop(), StochasticDepth(), StochasticDepth(rescale=True)], ids=str)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_values_keep_their_type(op: Op, dtype: torch.dtype) -> None:
    shapes = [Shape(3, 4)] * (2 if isinstance(op, Shake) else 1)
    module = training(op, *shapes)
    leaves = [torch.randn(5, *shape).to(dtype).requires_grad_() for shape in shapes]
    result = module(*leaves)
    result.sum().backward()
    assert result.dtype == dtype
    assert all(leaf.grad is not None and leaf.grad.dtype == dtype for leaf in leaves)


def test_shake_takes_branches_of_two_types_under_autocast() -> None:
    """A convolution gives half precision, the identity beside it does not; each gradient has its branch's type."""
    document = {"archspec": 1, "inputs": {"x": [4, 5]}, "network": [{"shake": [[{"conv": 4}], []]}, "shake_drop"]}
    module = to_torch(graph_from(document)).train()
    x = torch.randn(3, 4, 5, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = module(x)
    result.float().sum().backward()
    for leaf in (x, *module.parameters()):
        assert leaf.grad is not None
        assert leaf.grad.dtype == torch.float32
        assert torch.isfinite(leaf.grad).all()


# torch's compiler itself does what torch warns of
@pytest.mark.filterwarnings("ignore:.*Function'> should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("op", [Shake(), ShakeDrop(), StochasticDepth()], ids=str)
def test_compiled_training_draws_the_same(op: Op) -> None:
    """One operation alone: in a whole network the compiler moves the draws of the backward weights into the backward
    pass, behind all those of the forward pass."""
    shapes = [Shape(4, 5)] * (2 if isinstance(op, Shake) else 1)
    module = training(op, *shapes)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(64, *shape, generator=generator) for shape in shapes]
    results = []
    for form in (module, compiled):
        torch.manual_seed(3)
        result, gradients = factors(form, *values)
        results.append([result, *gradients])
    torch.testing.assert_close(results[1], results[0])
