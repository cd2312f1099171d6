"""What operations compute and move: against what torch dispatches, and by hand; and how parts add up to the whole."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from archspec.api import elaborate, load, to_torch
from archspec.cli.tables.cost import print_cost
from archspec.cli.tables.memory import print_memory
from archspec.cli.tables.receptive_field import print_receptive_field
from archspec.ops import Shape
from archspec.spec.zoo import zoo_specs
from compiler.analysis.cost.cost import CONVENTIONS, Cost, measure_cost
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.memory.memory import measure_memory
from tests.support.documents import graph_from

aten = torch.ops.aten
Count = Callable[[Any, Any], int]

PER_NUMBER: Mapping[Any, Count] = {  # operations of one dispatched call, by its arguments and its result
    aten.add: lambda args, out: out.numel(),
    aten.mul: lambda args, out: out.numel(),
    aten.relu: lambda args, out: out.numel(),
    aten.hardtanh: lambda args, out: out.numel(),
    aten.sigmoid: lambda args, out: out.numel(),
    aten.gelu: lambda args, out: out.numel(),
    aten.mean: lambda args, out: args[0].numel(),
    aten.max_pool2d_with_indices: lambda args, out: out[0].numel() * args[1][0] * args[1][1],
    aten.avg_pool2d: lambda args, out: out.numel() * args[1][0] * args[1][1],
    aten.native_batch_norm: lambda args, out: 2 * out[0].numel(),
    aten._native_batch_norm_legit_no_training: lambda args, out: 2 * out[0].numel(),
    aten.native_layer_norm: lambda args, out: 7 * out[0].numel(),
}
NOTHING = {aten.convolution, aten.addmm, aten.mm, aten.cat, aten.upsample_nearest2d}
VIEWS = {
    aten.empty,
    aten.t,
    aten.view,
    aten._unsafe_view,
    aten.permute,
    aten.slice,
    aten.transpose,
    aten.movedim,
    aten.detach,
}


class Counter(TorchDispatchMode):
    """Counts the operations of all dispatched calls, and the bytes of their arguments and results."""

    elementwise = bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if packet in PER_NUMBER:
            self.elementwise += PER_NUMBER[packet](args, out)
        else:
            assert packet in NOTHING | VIEWS, packet
        if packet not in VIEWS:
            results = out if isinstance(out, tuple) else (out,)
            tensors = [*flatten(args), *results[:1]]  # indices and statistics of a batch are no values
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return out


def flatten(args: Any) -> list[Tensor]:
    if isinstance(args, Tensor):
        return [args]
    return [tensor for arg in args for tensor in flatten(arg)] if isinstance(args, list | tuple) else []


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "mobilenet_v2", "se_net", "residual_mlp", "vgg11"])
def test_elementwise_and_bytes_are_those_of_dispatched_calls(name: str) -> None:
    graph = elaborate(load(name))
    graph = graph.resize({size: 64 for size, value in graph.sizes.items() if value > 64})
    module, cost = to_torch(graph).eval(), measure_cost(graph)
    for batch in (1, 3):
        inputs = [torch.rand(batch, *node.shape) for node in graph.inputs.values()]
        with torch.no_grad(), Counter() as counter:  # type: ignore[no-untyped-call]  # of torch, which types no __init__ here
            module(*inputs)
        assert batch * cost.elementwise == counter.elementwise
        assert cost.moved(batch=batch) == counter.bytes


def test_views_move_nothing() -> None:
    network: list[Any] = [{"dropout": 0.5}, "flatten"]
    assert measure_cost(graph_from({"archspec": 1, "inputs": {"x": [2, 5]}, "network": network})).moved() == 0


def test_intensity_of_a_linear_layer_by_hand() -> None:
    """Ten inputs, twenty outputs: 2 · 200 + 20 operations; 10 + 20 values and 220 weights of four bytes."""
    cost = measure_cost(graph_from({"archspec": 1, "inputs": {"x": [10]}, "network": [{"linear": 20}]}))
    assert cost.operations == 420
    assert cost.moved() == 4 * 250
    assert cost.intensity() == 420 / 1000
    assert cost.intensity(batch=8, precision="fp16") == 8 * 420 / (2 * (220 + 8 * 30))


def test_softmax_norms_and_resizing_by_hand() -> None:
    network: list[Any] = [
        {"group_norm": 2},
        {"upsample": {"mode": "linear"}},
        "upsample",
        {"avg_pool": 2},
        "softmax",
        {"scale": 2},
    ]
    cost = measure_cost(graph_from({"archspec": 1, "inputs": {"x": [4, 3, 3]}, "network": network}))
    norm, image = 7 * 36, 4 * 36
    assert [node.elementwise for node in cost.nodes] == [0, norm, 4 * image, 0, 4 * image, 3 * image, image]


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_stages_add_up_to_the_whole(name: str) -> None:
    cost = measure_cost(elaborate(load(name)))
    for count in ("parameters", "elementwise", "operations", "activations"):
        assert sum(getattr(stage, count) for stage in cost.stages) == getattr(cost, count)
    assert sum(stage.macs["conv-linear"] for stage in cost.stages) == cost.macs["conv-linear"]
    assert sum(len(stage.nodes) for stage in cost.stages) == len(cost.nodes)
    assert json.loads(json.dumps(cost.to_dict())) == cost.to_dict()


def test_stages_of_resnet50() -> None:
    """The paper's table 1: conv1, conv2_x to conv5_x with the pooling before them, and the head."""
    stages = measure_cost(elaborate(load("resnet50"))).stages
    assert [stage.space for stage in stages] == [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7), (1, 1)]
    assert [len(stage.blocks) for stage in stages] == [0, 3, 4, 6, 3, 0]


def test_gates_stay_in_their_stage() -> None:
    stages = measure_cost(elaborate(load("se_resnet50"))).stages
    assert [stage.space for stage in stages] == [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7), (1, 1)]


def test_stages_of_a_valid_unet_are_its_levels() -> None:
    """Convolutions without padding make maps smaller, and leave the distance of their positions as it is."""
    stages = measure_cost(elaborate(load("unet"))).stages
    assert [stage.space[0] for stage in stages] == [568, 280, 136, 64, 28, 52, 100, 196, 388]


def test_blocks_of_resnet50() -> None:
    """The second one by hand: 1×1 from 256 to 64, 3×3, 1×1 back, at 56×56."""
    blocks = measure_cost(elaborate(load("resnet50"))).blocks
    assert len(blocks) == 16
    block = list(blocks.values())[1]
    assert block.macs["conv-linear"] == 56 * 56 * (256 * 64 + 9 * 64 * 64 + 64 * 256)
    assert block.parameters == 256 * 64 + 9 * 64 * 64 + 64 * 256 + 2 * (64 + 64 + 256)
    assert block.nodes[-1].kind == "add"


def test_inner_blocks_keep_their_own() -> None:
    """A hourglass holds residual units in one another's branches; each node belongs to the innermost body."""
    cost = measure_cost(elaborate(load("hourglass1")))
    assert sum(len(block.nodes) for block in cost.blocks.values()) == sum(node.block is not None for node in cost.nodes)


def test_what_is_larger_costs_more() -> None:
    """The control: nothing above would hold for a wider network's counts."""
    small, large = (measure_cost(elaborate(load(name))) for name in ("resnet18", "resnet34"))
    assert all(small.macs[name] < large.macs[name] for name in CONVENTIONS)
    assert small.elementwise < large.elementwise
    assert small.moved() < large.moved()


def printed(show: Callable[..., None], result: Any, *marks: Any) -> str:
    out = Console(file=io.StringIO(), width=160, markup=False)
    show(result, out, *marks)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_table_of_cost() -> None:
    graph = elaborate(load("resnet50"))
    text = printed(print_cost, measure_cost(graph), {})
    assert all(name in text for name in CONVENTIONS)
    assert "4,132,436,968" in text
    assert "56×56" in text
    assert "×5" in text  # the alike bodies of conv4_x
    assert "bodies" not in printed(print_cost, measure_cost(elaborate(load("vgg11"))), {})


def test_tables_of_memory_and_fields() -> None:
    graph = elaborate(load("se_net"))
    text = printed(print_memory, measure_memory(graph, batch=2, optimizer="adam"), {})
    assert "memory for 2 samples in fp32" in text
    assert "adam" in text
    text = printed(print_receptive_field, measure_receptive_field(graph))
    assert "32 × 32" in text
    assert "global_avg_pool_0" in text
    assert "no spatial axes" in printed(print_receptive_field, measure_receptive_field(elaborate(load("residual_mlp"))))


def test_table_of_misaligned_merges() -> None:
    network = [{"residual": {"body": [{"conv": {"out": 2, "stride": 2}}], "shortcut": [{"avg_pool": 2}]}}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [2, 8]}, "network": network})
    assert "-1/2" in printed(print_receptive_field, measure_receptive_field(graph))


def test_names_in_tables_are_no_markup() -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [2, 8]}, "network": [{"conv": 2}]})
    node = replace(graph["conv_0"], id="[red]conv")
    graph = replace(graph, nodes={"x": graph["x"], node.id: node}, outputs={"y": node.id})
    assert "[red]conv" in printed(print_memory, measure_memory(graph), {})
    assert "[red]conv" in printed(print_receptive_field, measure_receptive_field(graph))


def test_an_empty_part_has_no_intensity() -> None:
    assert Cost(()).intensity() == 0
    assert Cost(()).space == ()
    assert Shape(3, 2).elements == 6
