"""Shared weights through the whole house, against networks written in torch: two towers, and one head on n levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from archspec import api
from compiler.analysis.compare.structure import find_same
from compiler.analysis.memory.memory import measure_memory
from compiler.analysis.signal.signal import predict_signal
from compiler.graph import Graph
from compiler.onnx_source.read import read_graph
from compiler.onnx_target.options import ExportOptions
from compiler.torch_target.module import to_torch
from runtime.export.plan import Calibration
from tests.archspec.spec.texts import graph_of
from tests.support.lowering import TOLERANCE, difference, export, run_onnx, run_torch, sample_inputs, stir
from tests.support.memory_witness import draw_inputs, saved_bytes

RETINA = """\
archspec: 1
name: retina
params: {levels: 3, boxes: 36}
inputs: {image: [3, H, W]}
sizes: {H: 32, W: 32}
blocks:
  head:
    args: {out: int}
    body:
      - repeat: {n: 2, body: [conv: in_channels, batch_norm, relu]}
      - conv: out
network:
  - conv: {out: 8, stride: 2}
  - repeat: {n: levels, body: [conv: {out: 8, stride: 2}, relu, tap: "p{i}"]}
  - repeat: {n: levels, body: [from: "p{i}", head: {out: boxes, share: box_head}, output: "box{i}"]}
"""
TOWERS = """\
archspec: 1
name: towers
inputs: {left: [3, H, W], right: [3, H, W]}
sizes: {H: 12, W: 12}
blocks:
  tower: {body: [conv: 8, batch_norm, relu, conv: {out: 8, stride: 2}, global_avg_pool, flatten, linear: 16]}
network:
  - tower: {share: tower}
  - tap: left_code
  - from: right
  - tower: {share: tower}
  - mul: [[], [from: left_code]]
  - linear: 1
"""


class Head(nn.Sequential):
    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()]
        super().__init__(*layers, nn.Conv2d(8, 36, 3, padding=1))


class Retina(nn.Module):
    """The same network, written in torch: one head, called on each level."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.levels = nn.ModuleList([nn.Conv2d(8, 8, 3, 2, 1) for _ in range(3)])
        self.head = Head()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x, maps = self.stem(image), []
        for level in self.levels:
            x = level(x).relu()
            maps.append(x)
        return {f"box{i}": self.head(x) for i, x in enumerate(maps)}


def build_witness(state: dict[str, Tensor]) -> Retina:
    """The witness with the weights of a state dict, in order: the names are others, torch's counters aside."""
    witness = Retina()
    names = [name for name in witness.state_dict() if not name.endswith("num_batches_tracked")]
    assert len(names) == len(state)
    witness.load_state_dict(dict(zip(names, state.values(), strict=True)), strict=False)
    return witness


@pytest.fixture(scope="module")
def retina() -> Graph:
    return graph_of(RETINA)


def test_parameters_count_once_and_products_each_time(retina: Graph) -> None:
    cost, witness = api.analyze(retina).cost, Retina()
    assert cost.parameters == sum(parameter.numel() for parameter in witness.parameters())
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        witness.eval()(torch.zeros(1, 3, 32, 32))
    assert cost.macs["flops"] == counter.get_total_flops()
    assert cost.parameters == sum(stage.parameters for stage in cost.stages)
    apart = api.analyze(graph_of(RETINA.replace(", share: box_head", ""))).cost
    assert apart.macs == cost.macs
    assert apart.parameters > cost.parameters


def test_torchinfo_counts_the_same_products(retina: Graph) -> None:
    torchinfo = pytest.importorskip("torchinfo")
    found = torchinfo.summary(Retina(), (1, 3, 32, 32), verbose=0)
    cost = api.analyze(retina).cost
    assert (found.total_params, found.total_mult_adds) == (cost.parameters, cost.macs["torchinfo"])


def test_one_module_computes_for_all(retina: Graph) -> None:
    module = stir(to_torch(retina))
    assert list(module.state_dict()) == list(retina.weights)
    assert [name for name in module.state_dict() if name.startswith("box_head")][:2] == [
        "box_head.repeat_0.i0.conv_0.weight",
        "box_head.repeat_0.i0.conv_0.bias",
    ]
    witness, inputs = build_witness(module.state_dict()), sample_inputs(retina, 2)
    image = torch.from_numpy(inputs["image"])
    with torch.no_grad():
        expected = {name: value.numpy() for name, value in witness.eval()(image).items()}
    assert difference(expected, run_torch(retina, module, inputs)) < 1e-5


def test_gradients_are_summed_and_statistics_shared(retina: Graph) -> None:
    module = stir(to_torch(retina))
    witness = build_witness(module.state_dict())
    image = torch.from_numpy(sample_inputs(retina, 2)["image"])
    for network in (module, witness):
        network.train()
        sum(value.square().mean() for value in network(image).values()).backward()
    for ours, theirs in zip(module.parameters(), witness.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)
    statistics = [value for name, value in witness.named_buffers() if not name.endswith("tracked")]
    assert all(torch.allclose(a, b, rtol=1e-5) for a, b in zip(module.buffers(), statistics, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_memory_counts_weights_once_and_saved_values_each_time(retina: Graph, precision: Any) -> None:
    module = to_torch(retina)
    training = measure_memory(retina, batch=2, precision=precision).training
    dtype = None if precision == "fp32" else torch.bfloat16
    assert training.saved == saved_bytes(module, draw_inputs(retina, 2), dtype)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert (training.parameters, training.gradients) == (4 * parameters, 4 * parameters)


@pytest.mark.parametrize("text", [RETINA, TOWERS], ids=["retina", "towers"])
@pytest.mark.parametrize("target", ["any", "cpu"])
def test_file_holds_each_weight_once(text: str, target: Any, tmp_path: Path) -> None:
    graph = graph_of(text)
    module = stir(to_torch(graph))
    path = tmp_path / "m.onnx"
    api.to_onnx(graph, module.state_dict(), path, options=ExportOptions(target=target))
    names = [tensor.name for tensor in onnx.load(path).graph.initializer]
    assert len(names) == len(set(names))
    assert not any("head_0" in name or "tower_" in name for name in names)
    inputs = sample_inputs(graph, 3)
    assert difference(run_torch(graph, module, inputs), run_onnx(path, inputs)) < TOLERANCE


def test_norms_of_their_own_leave_kernels_of_their_own(tmp_path: Path) -> None:
    text = RETINA.replace("[conv: in_channels, batch_norm, relu]", "[conv: {out: 8, share: c}, batch_norm, relu]")
    graph = graph_of(text.replace(", share: box_head", ""))
    module = stir(to_torch(graph))
    path = export(graph, module.state_dict(), tmp_path)
    inputs = sample_inputs(graph, 2)
    assert difference(run_torch(graph, module, inputs), run_onnx(path, inputs)) < TOLERANCE


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_holds_each_weight_once(retina: Graph, precision: Any, tmp_path: Path) -> None:
    module = stir(to_torch(retina))
    path = tmp_path / "m.onnx"
    api.to_onnx(retina, module.state_dict(), path, options=ExportOptions(precision=precision))
    kernels = [tensor for tensor in onnx.load(path).graph.initializer if len(tensor.dims) == 4]
    assert len(kernels) == 7


def test_file_is_read_back_with_what_it_shares(retina: Graph, tmp_path: Path) -> None:
    text = RETINA.replace("batch_norm, ", "")  # which would be folded
    graph = graph_of(text)
    found = read_graph(export(graph, to_torch(graph).state_dict(), tmp_path))
    assert api.analyze(found).cost.parameters == api.analyze(graph).cost.parameters
    assert find_same(graph, found) is not None
    assert find_same(graph_of(text.replace(", share: box_head", "")), found) is None
    assert sorted(map(len, found.users.values())) == sorted(map(len, graph.users.values()))


def test_integers_lie_beside_each_other_where_scales_differ(retina: Graph, tmp_path: Path) -> None:
    module, inputs = stir(to_torch(retina)), sample_inputs(retina, 16)
    np.save(tmp_path / "images.npy", inputs["image"])
    path, calibration = tmp_path / "m.onnx", Calibration(data=tmp_path / "images.npy")
    api.to_onnx(retina, module.state_dict(), path, options=ExportOptions(precision="int8"), calibration=calibration)
    names = [tensor.name for tensor in onnx.load(path).graph.initializer]
    assert len(names) == len(set(names))
    kernels = [name for name in names if name.startswith("box_head") and name.endswith("weight.integers")]
    assert len(kernels) == 3
    expected, found = run_torch(retina, module, inputs), run_onnx(path, inputs)
    assert 0 < difference(expected, found) < 0.2


@pytest.mark.parametrize("share", [True, False])
def test_signal_of_one_value_twice_is_that_of_its_double(share: bool) -> None:
    label = "share: c, " if share else ""
    branch = f"[conv: {{{label}out: 256, bias: false}}]"
    graph = graph_of(f"archspec: 1\ninputs: {{x: [64, 16, 16]}}\nnetwork: [add: [{branch}, {branch}], global_max_pool]")
    predicted = predict_signal(graph)["add_0.add"].second_moment
    module = to_torch(graph)
    kernels = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    with torch.no_grad():
        x = torch.randn(8, 64, 16, 16, generator=torch.Generator().manual_seed(0))
        measured = sum(kernel(x) for kernel in kernels * (3 - len(kernels))).square().mean()
    assert predicted == pytest.approx(float(measured), rel=0.05)


def test_weights_are_drawn_by_the_label(retina: Graph) -> None:
    first, again = to_torch(retina, seed=3).state_dict(), to_torch(graph_of(RETINA, params={"levels": 2}), seed=3)
    kernel = "box_head.conv_0.weight"
    assert np.array_equal(first[kernel], again.state_dict()[kernel])
