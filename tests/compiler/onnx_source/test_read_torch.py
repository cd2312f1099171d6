"""Files of torch's two exporters: counts against torch's own, shapes against ONNX Runtime's, blocks against specs."""

from __future__ import annotations

from math import prod
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.api import elaborate, load
from archspec.ops import BatchNorm, Conv, LayerNorm
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.paths.counting import count_paths
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import check_elements, count_macs, export_torch
from tests.support.torchvision_models import import_torchvision_models


class Convolutions(nn.Module):
    """Depthwise, dilated, grouped, rectangular and transposed ones."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.depth = nn.Conv2d(8, 8, (3, 1), padding=(1, 0), groups=8)
        self.wide = nn.Conv2d(8, 12, (1, 5), stride=(1, 2), dilation=(1, 2), padding="valid", groups=2)
        self.up = nn.ConvTranspose2d(12, 6, 4, 2, 1)
        self.odd = nn.ConvTranspose2d(6, 4, (3, 2), stride=(2, 1), output_padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        return self.odd(self.up(self.wide(F.pad(self.depth(self.stem(x)), (1, 0, 2, 1)))))


class Gates(nn.Module):
    """Squeeze and excitation, and activations that an exporter takes apart."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16)
        self.down, self.up = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.group, self.head = nn.GroupNorm(4, 16), nn.Linear(16, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(F.relu(self.conv(x))))  # not behind the convolution, whose part it would become
        x = x * torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))
        x = F.gelu(self.group(F.hardswish(x)))
        return self.head(F.gelu(x, approximate="tanh").mean((2, 3)))


class Attention(nn.Module):
    """One head over the positions of a map."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
        self.keys, self.place = nn.Linear(8, 24), nn.Parameter(torch.zeros(1, 16, 8))
        self.out = nn.Linear(8, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.place
        q, k, v = self.keys(self.norm(x)).chunk(3, dim=-1)
        return x + self.out((q @ k.transpose(1, 2) / 8**0.5).softmax(-1) @ v)


class Resized(nn.Module):
    """Upsampling of every kind, slices, and what moves numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(F.max_pool2d(self.a(x), 2), scale_factor=2.0)
        y = F.pixel_shuffle(self.b(F.pixel_unshuffle(x[:, :2], 2)), 2)
        y = F.interpolate(y, size=x.shape[2:], mode="bilinear") * F.interpolate(y, (16, 16), mode="bicubic")
        left, right = F.interpolate(y, size=(16, 16), mode="bilinear", align_corners=True).split([1, 3], 1)
        return torch.cat([left, right, x.flip(1)[..., ::2].repeat(1, 1, 1, 2)], 1).clamp(0, 6)


MODULES = {"convolutions": Convolutions, "gates": Gates, "attention": Attention, "resized": Resized}


@pytest.mark.parametrize("name", MODULES)
def test_counts_are_torchs(name: str, tmp_path: Path) -> None:
    module = MODULES[name]()
    path = export_torch(module, (1, 3, 16, 16), tmp_path / "m.onnx")
    graph = verify(read_graph(path))
    cost = measure_cost(graph)
    assert cost.parameters == sum(value.numel() for value in module.parameters())
    assert cost.macs["flops"] == 2 * count_macs(module, (1, 3, 16, 16))
    assert check_elements(graph, path) > 4


def test_tokens_keep_their_channels_first(tmp_path: Path) -> None:
    """Layers along the last axis of transposed maps are 1×1 convolutions, as a spec would say them."""

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.LayerNorm(8)
            self.a, self.b = nn.Linear(8, 32), nn.Linear(32, 8)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return x + self.b(F.gelu(self.a(self.norm(x.permute(0, 2, 3, 1))))).permute(0, 3, 1, 2)

    graph = read_graph(export_torch(Module(), (1, 3, 8, 8), tmp_path / "m.onnx"))
    assert [node.op.kind for node in graph] == ["input", "conv", "layer_norm", "conv", "gelu", "conv", "add"]
    assert all(isinstance(node.op, LayerNorm) <= (node.shape == (8, 8, 8)) for node in graph)
    assert measure_receptive_field(graph).to_dict()["size"] == [3, 3]


@pytest.mark.parametrize("shared", [True, False])
def test_a_shared_tensor_is_counted_once(shared: bool, tmp_path: Path) -> None:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(4, 4, 3, padding=1)
            self.second = self.first if shared else nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(F.relu(self.first(x)))

    module = Module()
    graph = read_graph(export_torch(module, (1, 4, 8, 8), tmp_path / "m.onnx"))
    assert sum(isinstance(node.op, Conv) for node in graph) == 2
    assert measure_cost(graph).parameters == sum(value.numel() for value in module.parameters())
    assert measure_cost(graph).macs["conv-linear"] == count_macs(module, (1, 4, 8, 8))


class Field(nn.Module):
    """A network whose receptive field torch can measure by gradients: no weight is negative, and nothing else bends."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 2, (3, 5), stride=(1, 2), padding=(1, 0))
        self.b = nn.Conv2d(8, 2, 3, dilation=(2, 1), padding=(0, 3))
        self.c = nn.ConvTranspose2d(2, 1, (4, 3), stride=(2, 3), padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_unshuffle(F.pad(self.a(x)[:, :, 1:-1, :-2], (2, 2, 1, 1)), 2)
        x = F.interpolate(self.b(x), scale_factor=1.5, mode="bilinear")
        return self.c(F.avg_pool2d(x, (2, 1), stride=1))


def test_the_receptive_field_is_that_of_gradients(tmp_path: Path) -> None:
    module, shape = Field(), (1, 1, 96, 160)
    graph = read_graph(export_torch(module, shape, tmp_path / "m.onnx"))
    field = measure_receptive_field(graph)
    last = graph.outputs[next(iter(graph.outputs))]
    assert len(field.of(last)) == 1
    module.double()
    x = torch.rand(*shape, dtype=torch.float64, requires_grad=True)
    out = module(x)
    assert out.shape[1:] == graph[last].shape
    middle = [extent // 2 for extent in out.shape[2:]]
    extents = set()
    for down in range(12):  # upsampling makes positions see more or less in turns
        (gradient,) = torch.autograd.grad(out[0, 0, middle[0] + down, middle[1] + down], x, retain_graph=True)
        seen = gradient[0, 0].nonzero()
        extents.add(tuple((seen.max(0).values - seen.min(0).values + 1).tolist()))
    largest = [max(extent[axis] for extent in extents) for axis in (0, 1)]
    assert field.to_dict()["size"] == largest


def test_gates_are_found_in_a_file(tmp_path: Path) -> None:
    paths = count_paths(read_graph(export_torch(Gates(), (1, 3, 16, 16), tmp_path / "m.onnx")))
    assert (paths.block.total, paths.ungated.total) == (2, 1)


def compare_with_spec(graph: Graph, spec: str) -> None:
    expected = elaborate(load(spec))
    assert measure_cost(graph).macs["conv-linear"] == measure_cost(expected).macs["conv-linear"]
    found, wanted = count_paths(graph), count_paths(expected)
    assert found.block.by_length == wanted.block.by_length
    assert [*found.through.values()] == [*wanted.through.values()]
    for key in ("size", "stride", "centre"):
        ours = measure_receptive_field(expected).to_dict()[key]
        assert measure_receptive_field(graph).to_dict()[key] == ours


@pytest.fixture(scope="session")
def torchvision_resnet18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = import_torchvision_models().resnet18(weights=None)
    return export_torch(model, (1, 3, 224, 224), tmp_path_factory.mktemp("foreign") / "resnet18.onnx")


def count_folded(spec: str) -> int:
    """What folding takes away: of each norm behind a layer, with a scale and a shift, a bias is left."""
    graph = elaborate(load(spec))
    kinds = (graph[node.inputs[0]] for node in graph if isinstance(node.op, BatchNorm))
    return sum(node.shape.channels for node in kinds if isinstance(node.op, Conv))


def test_torchvisions_resnet18(torchvision_resnet18: Path) -> None:
    graph = verify(read_graph(torchvision_resnet18))
    compare_with_spec(graph, "resnet18")
    assert measure_cost(graph).parameters == 11_689_512 - count_folded("resnet18")
    assert measure_receptive_field(graph).to_dict()["size"] == [435, 435]
    bodies = [node.body for node in graph if node.body]
    assert bodies == [f"layer{stage}.{block}" for stage in range(1, 5) for block in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
@pytest.mark.parametrize("dynamo", [False, True])
def test_torchvisions_networks(name: str, dynamo: bool, tmp_path: Path) -> None:
    model = getattr(import_torchvision_models(), name)(weights=None)
    path = export_torch(model, (1, 3, 224, 224), tmp_path / "m.onnx", dynamo=dynamo)
    graph = verify(read_graph(path))
    compare_with_spec(graph, name)
    sizes = [prod(item.dims) for item in onnx.load(path).graph.initializer if item.data_type == onnx.TensorProto.FLOAT]
    cost = measure_cost(graph)
    assert cost.parameters + cost.buffers == sum(size for size in sizes if size > 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "published"),
    [
        *(("mobilenet_v3_small", 0.057), ("efficientnet_b0", 0.386), ("shufflenet_v2_x1_0", 0.145)),
        *(("vit_b_16", 17.564), ("swin_t", 4.491), ("convnext_tiny", 4.456), ("googlenet", 1.498)),
    ],
)
def test_published_counts(name: str, published: float, tmp_path: Path) -> None:
    """torchvision's own `_ops` of these weights, in G: https://docs.pytorch.org/vision/stable/models.html."""
    options = {"init_weights": False} if name == "googlenet" else {}
    model = getattr(import_torchvision_models(), name)(weights=None, **options)
    graph = verify(read_graph(export_torch(model, (1, 3, 224, 224), tmp_path / "m.onnx")))
    assert round(measure_cost(graph).macs["flops"] / 2e9, 3) == published
    assert check_elements(graph, tmp_path / "m.onnx") > 50


def test_the_other_exporter(tmp_path: Path) -> None:
    path = export_torch(Gates(), (1, 3, 16, 16), tmp_path / "m.onnx", dynamo=True)
    graph, module = verify(read_graph(path)), Gates()
    assert measure_cost(graph).macs["conv-linear"] == count_macs(module, (1, 3, 16, 16))
    assert measure_cost(graph).parameters == sum(value.numel() for value in module.parameters())
    assert check_elements(graph, path) > 10


def test_nodes_have_the_names_of_modules(torchvision_resnet18: Path) -> None:
    names = read_graph(torchvision_resnet18).nodes
    assert "layer1.0.conv1.Conv" in names
    assert "layer4.1.Add" in names
