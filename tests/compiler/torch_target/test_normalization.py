"""Normalizations in training against torch's own, and against formulas written out in float64."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from archspec.api import to_torch
from archspec.ops import (
    NORMALIZATIONS,
    BatchNorm,
    BatchRenorm,
    Conv,
    ConvTranspose,
    GhostBatchNorm,
    Init,
    Linear,
    Op,
    Shape,
)
from compiler.torch_target.normalization import WeightNormalized
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, graph_of, stir

NORMS: dict[int, type[nn.BatchNorm1d] | type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {
    1: nn.BatchNorm1d,
    2: nn.BatchNorm1d,
    3: nn.BatchNorm2d,
    4: nn.BatchNorm3d,
}
"""torch's own batch normalization by the number of axes of a sample."""

SHAPES = [Shape(6), Shape(6, 5), Shape(6, 4, 5), Shape(6, 2, 3, 4)]


def pair(op: BatchNorm, shape: Shape) -> tuple[fx.GraphModule, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d]:
    """Our module and torch's batch normalization with the same weights, both training."""
    module = to_torch(graph_of(op, shape))
    stir(module)
    witness = NORMS[len(shape)](shape.channels, op.eps, op.momentum, op.affine, track_running_stats=True)
    state = {name.removeprefix("op."): value for name, value in module.state_dict().items()}
    witness.load_state_dict(state | {"num_batches_tracked": torch.tensor(0)})
    module.train()
    witness.train()
    return module, witness


def statistics(module: nn.Module) -> list[Tensor]:
    return [value for name, value in module.state_dict().items() if "running" in name]


def gradients(module: nn.Module, x: Tensor, result: Tensor) -> list[Tensor]:
    """Of a sum that weighs every element differently."""
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view_as(result)
    return list(torch.autograd.grad((result * weights).sum(), [x, *module.parameters()]))


def samples(count: int, shape: Shape, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(count, *shape, generator=random) + 1).requires_grad_()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_ghost_batch_norm_is_batch_norm_on_each_part(shape: Shape, affine: bool) -> None:
    module, witness = pair(GhostBatchNorm(size=3, momentum=0.3, affine=affine), shape)
    whole = copy.deepcopy(witness)
    x = samples(8, shape)
    expected = torch.cat([witness(x[:3]), witness(x[3:6]), witness(x[6:])])
    found = module(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(module, x, found), gradients(witness, x, expected))
    torch.testing.assert_close(statistics(module), statistics(witness)[:2])
    # the control: the batch as a whole is something else
    assert not torch.allclose(found, whole(x), rtol=1e-3)
    assert not torch.allclose(statistics(module)[1], statistics(whole)[1], rtol=1e-3)


def test_ghost_batch_norm_at_inference_is_batch_norm() -> None:
    module, witness = pair(GhostBatchNorm(size=3), Shape(6, 4, 5))
    x = samples(8, Shape(6, 4, 5))
    torch.testing.assert_close(module.eval()(x), witness.eval()(x))


@pytest.mark.parametrize("count", [2, 5])
def test_a_batch_of_one_part_is_batch_norm(count: int) -> None:
    module, witness = pair(GhostBatchNorm(size=5), Shape(6))
    x = samples(count, Shape(6))
    torch.testing.assert_close(module(x), witness(x))


def test_a_vector_left_over_joins_the_part_before_it() -> None:
    """A single value for each channel has no variance: torch's own refuses it."""
    module, witness = pair(GhostBatchNorm(size=3), Shape(6))
    x = samples(7, Shape(6))
    with pytest.raises(ValueError, match="more than 1 value"):
        witness(x[6:])
    torch.testing.assert_close(module(x), torch.cat([witness(x[:3]), witness(x[3:])]))


def renormalize(x: Tensor, state: dict[str, Tensor], op: BatchRenorm) -> Tensor:
    """Algorithm 1 of Ioffe, 2017, line by line in float64; gradients flow through μ_B and σ_B, not through r and d."""
    extents, axes = (1, -1, *[1] * (x.dim() - 2)), (0, *range(2, x.dim()))
    mean, deviation = x.mean(axes), ((x - x.mean(axes, keepdim=True)).square().mean(axes) + op.eps).sqrt()
    running, running_deviation = state["op.running_mean"], (state["op.running_var"] + op.eps).sqrt()
    r = (deviation / running_deviation).clamp(1 / op.r_max, op.r_max).detach()
    d = ((mean - running) / running_deviation).clamp(-op.d_max, op.d_max).detach()
    normal = (x - mean.view(extents)) / deviation.view(extents) * r.view(extents) + d.view(extents)
    return normal * state["op.weight"].view(extents) + state["op.bias"].view(extents)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("op", [BatchRenorm(), BatchRenorm(r_max=1.2, d_max=0.1)], ids=["wide", "narrow"])
def test_batch_renorm_is_its_formula(shape: Shape, op: BatchRenorm) -> None:
    module, _ = pair(op, shape)
    module = module.double()
    x = samples(8, shape).double().detach().requires_grad_()
    state = {name: value.clone() for name, value in module.state_dict().items()}
    leaves = {name: state[name].requires_grad_() for name in ("op.weight", "op.bias")}
    expected = renormalize(x, state, op)
    weights = torch.linspace(-1, 1, x.numel(), dtype=torch.float64).view_as(x)
    wanted = torch.autograd.grad((expected * weights).sum(), [x, *leaves.values()])
    found = module(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(module, x, found), [*wanted])
    # the control: other bounds are felt
    other = op.model_copy(update={"r_max": 1.1, "d_max": 0.05})
    assert not torch.allclose(found, renormalize(x, state, other), rtol=1e-3)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_batch_renorm_without_room_is_batch_norm(shape: Shape, affine: bool) -> None:
    """Running statistics too: they move as torch's do, by momentum towards the mean and the unbiased variance."""
    module, witness = pair(BatchRenorm(r_max=1, d_max=0, affine=affine), shape)
    x = samples(8, shape)
    found, expected = module(x), witness(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(module, x, found), gradients(witness, x, expected))
    torch.testing.assert_close(statistics(module), statistics(witness)[:2])


def test_batch_renorm_with_room_trains_as_it_infers() -> None:
    """Within wide bounds r and d undo the batch's statistics: the result is that of the running ones."""
    module, witness = pair(BatchRenorm(r_max=1e6, d_max=1e6), Shape(6, 4, 5))
    x = samples(8, Shape(6, 4, 5))
    expected = witness.eval()(x)
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(module.eval()(x), expected, rtol=1e-4)  # the running statistics have moved


def test_batch_renorm_takes_half_precision() -> None:
    module, _ = pair(BatchRenorm(), Shape(6, 4, 5))
    again = copy.deepcopy(module)
    x = samples(8, Shape(6, 4, 5)).detach()
    found = module(x.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), again(x.bfloat16().float()), rtol=0.02, atol=0.05)


@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_scales_start_at_start(kind: str) -> None:
    op = NORMALIZATIONS[kind](start=0.25, affine=True, **({"groups": 2} if kind == "group" else {}))
    state = to_torch(graph_of(op, Shape(6, 4))).state_dict()
    assert state["op.weight"].eq(0.25).all()
    assert "op.bias" not in state if kind == "rms" else state["op.bias"].eq(0).all()


WEIGHT_NORMALIZED: list[tuple[Conv | ConvTranspose | Linear, Shape, nn.Module]] = [
    (Conv(out=6, padding=1), Shape(4, 7), nn.Conv1d(4, 6, 3, padding=1)),
    (Conv(out=6, stride=2, groups=2, dilation=2), Shape(4, 9, 9), nn.Conv2d(4, 6, 3, 2, 2, 2, 2)),
    (Conv(out=6, kernel=1, bias=False), Shape(4, 5, 5), nn.Conv2d(4, 6, 1, bias=False)),
    (Conv(out=6, padding=0), Shape(4, 5, 6, 7), nn.Conv3d(4, 6, 3)),
    (ConvTranspose(out=6), Shape(4, 5), nn.ConvTranspose1d(4, 6, 2, 2)),
    (ConvTranspose(out=6, kernel=3, padding=1, output_padding=1), Shape(4, 5, 5), nn.ConvTranspose2d(4, 6, 3, 2, 1, 1)),
    (ConvTranspose(out=6, stride=1, dilation=2), Shape(4, 3, 4, 5), nn.ConvTranspose3d(4, 6, 2, dilation=2)),
    (Linear(out=6), Shape(4), nn.Linear(4, 6)),
    (Linear(out=6, bias=False), Shape(4), nn.Linear(4, 6, bias=False)),
]


def normalized(op: Op, shape: Shape) -> fx.GraphModule:
    module = to_torch(graph_of(op.model_copy(update={"weight_norm": True}), shape))
    stir(module)
    return module


@pytest.mark.parametrize(("op", "shape", "layer"), WEIGHT_NORMALIZED, ids=lambda value: f"{value}".replace(" ", ","))
def test_weight_norm_is_torchs_own(op: Conv | ConvTranspose | Linear, shape: Shape, layer: nn.Module) -> None:
    module = normalized(op, shape)
    state = module.state_dict()
    axis = 1 if isinstance(op, ConvTranspose) else 0
    witness = parametrizations.weight_norm(layer, dim=axis)
    length = state["op.length"].view([-1 if i == axis else 1 for i in range(state["op.weight"].dim())])
    names = {"parametrizations.weight.original0": length, "parametrizations.weight.original1": state["op.weight"]}
    witness.load_state_dict(names | ({"bias": state["op.bias"]} if op.bias else {}))
    x = samples(3, shape)
    found, expected = module(x), witness(x)
    torch.testing.assert_close(found, expected)
    theirs = dict(zip(["x", *dict(witness.named_parameters())], gradients(witness, x, expected), strict=True))
    ours = dict(zip(["x", *dict(module.named_parameters())], gradients(module, x, found), strict=True))
    torch.testing.assert_close(ours["x"], theirs["x"])
    torch.testing.assert_close(ours["op.length"], theirs["parametrizations.weight.original0"].flatten())
    torch.testing.assert_close(ours["op.weight"], theirs["parametrizations.weight.original1"])
    # the control: one direction a little off
    with torch.no_grad():
        module.get_parameter("op.weight").view(-1)[0] += 0.1
    assert not torch.allclose(module(x), expected, rtol=1e-3)


def test_weight_norm_of_a_grouped_transposed_convolution_is_each_groups_own() -> None:
    """torch's has one length for the equal outputs of all groups, so each group stands by itself here."""
    module = normalized(ConvTranspose(out=6, groups=2), Shape(4, 5, 5))
    state, x = module.state_dict(), samples(3, Shape(4, 5, 5))
    parts = []
    for group in range(2):
        layer = parametrizations.weight_norm(nn.ConvTranspose2d(2, 3, 2, 2), dim=1)
        inputs, outputs = slice(2 * group, 2 * group + 2), slice(3 * group, 3 * group + 3)
        weights = {
            "parametrizations.weight.original0": state["op.length"][outputs].view(1, -1, 1, 1),
            "parametrizations.weight.original1": state["op.weight"][inputs],
        }
        layer.load_state_dict(weights | {"bias": state["op.bias"][outputs]})
        parts.append(layer(x[:, inputs]))
    torch.testing.assert_close(module(x), torch.cat(parts, 1))


def kernels_at_start(init: Init, gain: float) -> Iterator[tuple[Tensor, float]]:
    """The kernel that weight normalization makes of first values, and the deviation that the layer asks for."""
    for op, shape in (
        (Conv(out=64, init=init, gain=gain), Shape(32, 8, 8)),
        (Conv(out=64, init=init, gain=gain, groups=4), Shape(32, 8, 8)),
        (ConvTranspose(out=64, init=init, gain=gain), Shape(32, 8, 8)),
        (ConvTranspose(out=64, init=init, gain=gain, groups=4), Shape(32, 8, 8)),
        (Linear(out=64, init=init, gain=gain), Shape(256)),
    ):
        graph = graph_of(op.model_copy(update={"weight_norm": True}), shape)
        layer = to_torch(graph).get_submodule("op")
        assert isinstance(layer, WeightNormalized)
        yield layer.kernel, op.weights(shape)["weight"].deviation


@pytest.mark.parametrize("init", ["he", "he_fan_out", "glorot", "torch"])
@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_weight_norm_starts_with_the_deviation_of_the_rule(init: Init, gain: float) -> None:
    for kernel, deviation in kernels_at_start(init, gain):
        assert float(kernel.detach().std()) == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize(("init", "gain"), [("zeros", 1.0), ("he", 0.0)])
def test_weight_norm_may_start_at_zero_and_learns(init: Init, gain: float) -> None:
    for kernel, _ in kernels_at_start(init, gain):
        assert kernel.eq(0).all()
    graph = graph_of(Linear(out=3, init=init, gain=gain, weight_norm=True), Shape(4))
    module = to_torch(graph)
    F.mse_loss(module(torch.ones(2, 4)), torch.ones(2, 3)).backward()
    length = module.get_parameter("op.length").grad
    assert length is not None
    assert length.ne(0).all()


def test_weight_norm_of_a_whole_network_in_onnx_runtime(tmp_path: Path) -> None:
    document = {
        "archspec": 1,
        "inputs": {"image": [3, "H", "W"]},
        "sizes": {"H": 9, "W": 8},
        "defaults": {"norm": {"kind": "weight"}},
        "network": [
            *({"conv": 6}, "norm", "relu", {"conv_transpose": {"out": 4, "groups": 2}}, "batch_norm"),
            *("global_avg_pool", "flatten", {"linear": 5}),
        ],
    }
    graph = graph_from(document)
    assert {name for name in graph.weights if name.endswith("length")} == {
        f"{layer}_0.length" for layer in ("conv", "conv_transpose", "linear")
    }
    assert compare(graph, tmp_path, sizes=({}, {"H": 5, "W": 12})) < TOLERANCE


@pytest.mark.parametrize("lengths", [False, True])
def test_standardized_kernels_are_the_formula_in_double_precision(lengths: bool) -> None:
    op, x = Conv(out=6, groups=2, standardize=True, weight_norm=lengths, eps=0.01), samples(3, Shape(4, 7, 7))
    module = to_torch(graph_of(op, Shape(4, 7, 7)))
    stir(module)
    v = module.get_parameter("op.weight").detach().double().requires_grad_()
    variance, mean = torch.var_mean(v, (1, 2, 3), correction=0, keepdim=True)
    kernel = (v - mean) / (variance + op.eps).sqrt()
    if lengths:
        kernel = kernel * module.get_parameter("op.length").view(-1, 1, 1, 1) / 18**0.5
    expected = F.conv2d(x.double(), kernel, module.get_parameter("op.bias").double(), padding=1, groups=2)
    found = module(x)
    torch.testing.assert_close(found, expected.float())
    assert not torch.allclose(found, F.conv2d(x, v.float(), None, padding=1, groups=2), rtol=1e-2)
    ours, theirs = (
        torch.autograd.grad(y.square().sum(), w)[0]
        for y, w in ((found, module.get_parameter("op.weight")), (expected, v))
    )
    # sums of products that cancel: their rounding goes by the largest of them
    torch.testing.assert_close(ours, theirs.float(), rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def test_weight_norm_compiles_and_is_copied() -> None:
    module = normalized(Conv(out=6), Shape(4, 7))
    x = samples(3, Shape(4, 7))
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), module(x))
    torch.testing.assert_close(copy.deepcopy(module)(x), module(x))
