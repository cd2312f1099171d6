"""The torch target: names, generated code, initialization, torch.compile, gradients, training-only behaviour."""

from __future__ import annotations

import math
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import nn

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from archspec.ops import Conv, ConvTranspose, Dropout, Linear, Scale, Shape, Shift, StochasticDepth, Vote
from archspec.spec.reserved import MODULE_NAMES
from compiler.torch_target.module import assign_weights
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, export, graph_of, run_onnx, run_torch


def test_modules_are_nested_and_named_as_the_spec_is() -> None:
    module = to_torch(elaborate(load("resnet_digits")))
    assert [name for name, _ in module.named_children()][:3] == ["conv_0", "norm_0", "relu_0"]
    inner = module.get_submodule("repeat_0.stage1.basic_block_0.residual_0.body.conv_0")
    assert isinstance(inner, nn.Conv2d)
    assert inner.stride == (2, 2)
    assert module.__class__.__name__ == "resnet_digits"


def test_generated_code_reads_like_the_network() -> None:
    code = to_torch(elaborate(load("residual_mlp", {"blocks": 1}))).code
    assert "linear = self.linear_0(x)" in code
    assert "relu = self.repeat_0.i0.residual_0.body.relu_0(linear)" in code
    assert "add = linear + linear_1" in code


def test_reserved_names_are_torchs() -> None:
    """A node's name must not hide an attribute of a module; what starts with _ no name can be."""
    from torch import fx

    taken = {name for kind in (nn.Module, fx.GraphModule) for name in dir(kind) if not name.startswith("_")}
    assert taken | {"training", "meta"} <= MODULE_NAMES


def test_seed_decides_and_leaves_torchs_own_state_alone() -> None:
    graph = elaborate(load("resnet_digits"))
    before = torch.get_rng_state()
    first, again, other = to_torch(graph, seed=1), to_torch(graph, seed=1), to_torch(graph, seed=2)
    assert torch.equal(before, torch.get_rng_state())
    name = "conv_0.weight"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])


def test_one_more_layer_changes_no_other_layers_start() -> None:
    small = to_torch(elaborate(load("residual_mlp", {"blocks": 2}))).state_dict()
    large = to_torch(elaborate(load("residual_mlp", {"blocks": 3}))).state_dict()
    assert small.keys() < large.keys()
    assert all(torch.equal(value, large[name]) for name, value in small.items())


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        ("he", math.sqrt(2 / (64 * 9))),
        ("he_fan_out", math.sqrt(2 / (128 * 9))),
        ("glorot", math.sqrt(2 / ((64 + 128) * 9))),
        ("torch", math.sqrt(1 / (3 * 64 * 9))),
        ("zeros", 0.0),
    ],
)
def test_initialization_has_its_spread(init: str, expected: float) -> None:
    conv = Conv(out=128, init=init)
    weights = to_torch(graph_of(conv, Shape(64, 8, 8))).state_dict()
    assert float(weights["op.weight"].std()) == pytest.approx(expected, rel=0.02)
    bias = float(weights["op.bias"].abs().max())
    assert (bias > 0) is (init == "torch")


@pytest.mark.parametrize("init", ["he", "he_fan_out", "glorot", "torch"])
def test_gain_multiplies_the_first_kernel_alone(init: str) -> None:
    usual, small = (
        to_torch(graph_of(Conv(out=8, init=init, gain=gain), Shape(4, 8, 8))).state_dict() for gain in (1.0, 0.25)
    )
    torch.testing.assert_close(small["op.weight"], 0.25 * usual["op.weight"])
    assert torch.equal(small["op.bias"], usual["op.bias"])


@pytest.mark.parametrize("op", [Conv(out=64, init="torch"), Linear(out=64, init="torch")])
def test_torchs_own_rule_is_torchs(op: Conv | Linear) -> None:
    """Bounds of weights and biases against a layer that torch itself has just made."""
    shape = Shape(32, 9, 9) if isinstance(op, Conv) else Shape(32)
    ours = to_torch(graph_of(op, shape)).state_dict()
    theirs = (nn.Conv2d(32, 64, 3) if isinstance(op, Conv) else nn.Linear(32, 64)).state_dict()
    for name in ("weight", "bias"):
        assert float(ours[f"op.{name}"].abs().max()) == pytest.approx(float(theirs[name].abs().max()), rel=0.1)


@pytest.mark.parametrize("op", [Conv(out=256), ConvTranspose(out=256), ConvTranspose(out=256, kernel=4, padding=1)])
def test_he_keeps_the_second_moment_behind_a_relu(op: Conv | ConvTranspose) -> None:
    """With variance 2/fan-in, half the input's values zero: the output's variance is the input's (He et al., 2015)."""
    module = to_torch(graph_of(op, Shape(256, 16, 16)))
    with torch.no_grad():
        x = torch.randn(4, 256, 16, 16, generator=torch.Generator().manual_seed(0))
        y = module(x.relu())
    inner = y[:, :, 3:-3, 3:-3]
    assert float(inner.var()) == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize("name", ["se_net", "unet", "hourglass2", "densenet121"])
def test_compiles_as_one_graph(name: str) -> None:
    sizes = {"unet": 188, "hourglass2": 64}.get(name, 32)
    graph = elaborate(load(name), {"H": sizes, "W": sizes})
    module = to_torch(graph).eval()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    x = torch.randn(1, *next(iter(graph.inputs.values())).shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = module(x), compiled(x)
    if isinstance(expected, torch.Tensor):
        expected, found = {"output": expected}, {"output": found}
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-4 * float(value.abs().max()))


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's default compiler backend needs a C++ compiler")
def test_compiles_with_the_default_backend() -> None:
    graph = elaborate(load("residual_mlp"))
    module = to_torch(graph).eval()
    x = torch.randn(3, 100, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(module, fullgraph=True)(x), module(x), rtol=1e-4, atol=1e-4)


def test_stochastic_depth_drops_whole_samples_and_keeps_the_mean() -> None:
    module = to_torch(graph_of(StochasticDepth(survival=0.7), Shape(4, 3, 3)))
    x = torch.ones(4000, 4, 3, 3)
    torch.manual_seed(0)
    kept = module.train()(x)
    alive = kept.amax((1, 2, 3))
    assert set(alive.tolist()) == {0.0, 1.0}
    assert torch.equal(kept.amin((1, 2, 3)), alive)
    assert float(alive.mean()) == pytest.approx(0.7, abs=0.03)
    assert torch.equal(module.eval()(x), x * 0.7)


def test_dropout_is_nothing_at_inference() -> None:
    module = to_torch(graph_of(Dropout(rate=0.5), Shape(1000)))
    x = torch.ones(8, 1000)
    torch.manual_seed(0)
    assert set(module.train()(x).unique().tolist()) == {0.0, 2.0}
    assert torch.equal(module.eval()(x), x)


def test_weights_that_do_not_fit_are_named() -> None:
    graph = graph_of(Linear(out=3), Shape(4))
    module = to_torch(graph)
    weights = {"op.weight": torch.zeros(3, 5), "extra": torch.zeros(1)}
    with pytest.raises(ArchspecError, match=r"op.bias is missing; extra is of no layer; op.weight should be \(3, 4\)"):
        assign_weights(module, graph, weights)


def test_a_learned_scale_starts_at_its_value() -> None:
    state = to_torch(graph_of(Scale(value=0.25, trainable=True), Shape(4))).state_dict()
    assert state["op.factor"].item() == 0.25
    assert state["op.factor"].shape == ()


@pytest.mark.parametrize("shape", [Shape(3), Shape(3, 4, 5)])
def test_scales_and_shifts_by_channel(shape: Shape) -> None:
    """Layer scale, and a bias that starts at -2: the channel's own number at every position."""
    factor, term = Scale(value=1e-2, trainable=True, per="channel"), Shift(value=-2, trainable=True, per="channel")
    for op, name, start in ((factor, "factor", 1e-2), (term, "term", -2.0)):
        module = to_torch(graph_of(op, shape))
        learned = module.get_parameter(f"op.{name}")
        assert learned.tolist() == pytest.approx([start] * 3)
        with torch.no_grad():
            learned.copy_(torch.tensor([1.0, 2.0, 3.0]))
            result = module(torch.full((2, *shape), 5.0))
        for channel, number in enumerate((1.0, 2.0, 3.0)):
            assert result[:, channel].unique().tolist() == [5 * number if op is factor else 5 + number]


def test_padding_follows_dynamic_sizes(tmp_path: Path) -> None:
    """Behind a pooling and an upsampling an odd extent has lost a pixel; the pads are the file's to compute."""
    document = {
        "archspec": 1,
        "inputs": {"image": [2, "H", "W"]},
        "sizes": {"H": 9, "W": 8},
        "network": [{"add": {"branches": [[], ["max_pool", {"upsample": 2}]], "fit": "pad"}}],
    }
    sizes = [{"H": height, "W": width} for height, width in ((9, 8), (9, 9), (5, 11), (4, 6))]
    assert compare(graph_from(document), tmp_path, sizes=sizes) < TOLERANCE
    for chosen in sizes:
        x = torch.randn(2, 2, *chosen.values(), generator=torch.Generator().manual_seed(0))
        expected = x.clone()
        whole = nn.functional.interpolate(nn.functional.max_pool2d(x, 2), scale_factor=2.0)
        expected[:, :, : whole.shape[2], : whole.shape[3]] += whole  # the odd pixel is at the end
        found = to_torch(graph_from(document, sizes=chosen))(x)
        torch.testing.assert_close(found, expected)


def test_a_vote_counts_and_gives_a_draw_to_the_first(tmp_path: Path) -> None:
    graph = graph_of(Vote(), Shape(3), Shape(3), Shape(3))
    rows = [[[0, 5, 5], [7, 7, 7]], [[0, 9, 0], [1, 1, 0]], [[-1, -2, -1], [0, 3, 3]]]
    inputs = {f"x{i}": torch.tensor(row, dtype=torch.float32).numpy() for i, row in enumerate(rows)}
    expected = torch.tensor([[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]]).numpy()
    for found in (run_torch(graph, to_torch(graph), inputs), run_onnx(export(graph, {}, tmp_path), inputs)):
        assert found["y"] == pytest.approx(expected)


@pytest.mark.parametrize("name", ["self", "torch", "forward", "image", "device"])
def test_an_input_may_have_any_name(name: str, tmp_path: Path) -> None:
    document = {"archspec": 1, "inputs": {"x": [4], name: [3]}, "network": [{"concat": [[], [{"from": name}]]}]}
    assert compare(graph_from(document), tmp_path) < TOLERANCE


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("channels", "out", "kernel", "stride"), [(8, 6, 2, 2), (8, 4, 4, 2), (4, 32, 3, 2), (2, 2, 1, 3)]
)
def test_a_transposed_convolution_starts_within_torchs_own_bound(
    channels: int, out: int, kernel: int, stride: int, groups: int
) -> None:
    weights = ConvTranspose(out=out, kernel=kernel, stride=stride, groups=groups, init="torch").weights(
        Shape(channels, 5, 5)
    )
    peer = nn.ConvTranspose2d(channels, out, kernel, stride, groups=groups)
    fan_in, _ = nn.init._calculate_fan_in_and_fan_out(peer.weight)
    for weight in weights.values():
        assert weight.deviation * math.sqrt(3) == pytest.approx(1 / math.sqrt(fan_in))
    assert max(float(peer.weight.detach().abs().max()), float(peer.bias.detach().abs().max())) <= 1 / math.sqrt(fan_in)  # type: ignore[union-attr]


def test_the_mean_fan_in_of_a_transposed_convolution_is_not_rounded() -> None:
    """Kernels of 3 at every second position: of 4 outputs two are reached once along an axis, two twice."""
    weight = ConvTranspose(out=1, kernel=3, bias=False).weights(Shape(3, 5, 5))["weight"]
    assert weight.fan_in == Fraction(27, 4)
