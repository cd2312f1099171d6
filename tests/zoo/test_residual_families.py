"""The residual and plain families against torchvision's models, against networks written in plain torch from the
papers, and against published figures; and what makes each of them what it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import elaborate, load, to_torch
from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph
from tests.support.lowering import TOLERANCE, Arrays, difference, run_torch, sample_inputs, stir
from tests.support.torchvision_models import build_on_meta, import_torchvision_models
from tests.zoo import residual_witnesses as witnesses

TORCHVISIONS = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2"),
]
"""Specs that equal the models of torchvision with their names."""

GROUPED: dict[str, dict[str, Any]] = {
    "resnet50_group_norm": {"norm_layer": partial(nn.GroupNorm, 32)},
    "resnext50_2x40d": {"groups": 2, "width_per_group": 40},
    "resnext50_4x24d": {"groups": 4, "width_per_group": 24},
    "resnext50_8x14d": {"groups": 8, "width_per_group": 14},
}
"""Specs that equal torchvision's ResNet-50 with other arguments."""

WITNESSES: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: witnesses.mlp(norm=False),
    "mlp_norm": lambda: witnesses.mlp(norm=True),
    "residual_mlp": lambda: witnesses.residual_mlp(lambda: [nn.ReLU(), nn.Linear(100, 100)]),
    "residual_mlp_a": lambda: witnesses.residual_mlp(lambda: [nn.Linear(100, 100), nn.ReLU()]),
    "residual_mlp_c": lambda: witnesses.residual_mlp(
        lambda: [nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 100)]
    ),
    "plain18": lambda: witnesses.plain([2, 2, 2, 2]),
    "plain34": lambda: witnesses.plain([3, 4, 6, 3]),
    "resnet34_a": lambda: witnesses.resnet([3, 4, 6, 3], "A"),
    "resnet34_c": lambda: witnesses.resnet([3, 4, 6, 3], "C"),
    **{f"resnet{6 * n + 2}": partial(witnesses.cifar, n, "A") for n in (3, 5, 7, 9, 18, 200)},
    "resnet20_b": lambda: witnesses.cifar(3, "B"),
    "resnet20_c": lambda: witnesses.cifar(3, "C"),
    "resnet110_fixup": lambda: witnesses.cifar_fixup(18),
    **{f"resnet110_{rule}": partial(witnesses.cifar_bare, 18, rule) for rule in ("skip_init", "stable", "sqrt_half")},
    "resnet110_stochastic_depth": lambda: witnesses.cifar_decaying(18),
    "resnet110_shake_drop": lambda: witnesses.cifar_decaying(18),
    "preresnet110": lambda: witnesses.pre_basic(18),
    "preresnet164": lambda: witnesses.pre_bottlenecks(18),
    "preresnet1001": lambda: witnesses.pre_bottlenecks(111),
    "preresnet200": lambda: witnesses.pre_image([3, 24, 36, 3]),
    **{
        f"wide_resnet{6 * n + 4}_{widen}": partial(witnesses.pre_basic, n, widen, first=False, drop=0.3)
        for n, widen in ((2, 4), (2, 8), (3, 8), (4, 10), (6, 1), (6, 2), (6, 4))
    },
    "resnext50_form_a": lambda: witnesses.resnext_form("a", [3, 4, 6, 3], 32),
    "resnext50_form_b": lambda: witnesses.resnext_form("b", [3, 4, 6, 3], 32),
    "resnext29_8x64d": lambda: witnesses.resnext_cifar(3, 8, 64),
    "resnext29_16x64d": lambda: witnesses.resnext_cifar(3, 16, 64),
    "resnext29_32x4d": lambda: witnesses.resnext_cifar(3, 32, 4),
    "resnet_digits": lambda: witnesses.digits(2),
    "se_net": witnesses.se_net,
    "se_resnet50": lambda: witnesses.se_resnet([3, 4, 6, 3], 16),
    "d2l_resnet18": lambda: witnesses.d2l([2, 2, 2, 2]),
    "highway": lambda: witnesses.highway(50),
    "highway10": lambda: witnesses.highway(10),
    "highway100": lambda: witnesses.highway(100),
    "highway_conv": lambda: witnesses.highway_conv(3),
    "order_original": lambda: witnesses.ordered(18, "a"),
    "order_norm_after_addition": lambda: witnesses.ordered(18, "b"),
    "order_relu_before_addition": lambda: witnesses.ordered(18, "c"),
    "order_relu_pre_activation": lambda: witnesses.ordered(18, "d"),
    "order_full_pre_activation": lambda: witnesses.ordered(18, "e"),
    "shortcut_original": lambda: witnesses.with_shortcuts(18, "a"),
    "shortcut_scaled": lambda: witnesses.with_shortcuts(18, "b"),
    "shortcut_exclusive_gate": lambda: witnesses.with_shortcuts(18, "c"),
    "shortcut_only_gate": lambda: witnesses.with_shortcuts(18, "d"),
    "shortcut_conv": lambda: witnesses.with_shortcuts(18, "e"),
    "shortcut_dropout": lambda: witnesses.with_shortcuts(18, "f"),
}

CIFAR = {"H": 20, "W": 16}
IMAGE = {"H": 64, "W": 32}

SMALL: list[tuple[str, dict[str, Any], dict[str, int], Callable[[], nn.Module]]] = [
    *(
        (name, {}, {}, WITNESSES[name])
        for name in (
            "mlp_norm",
            "residual_mlp",
            "residual_mlp_a",
            "residual_mlp_c",
            "highway10",
            "resnet_digits",
            "se_net",
        )
    ),
    ("plain18", {"depths": [1, 2, 1, 1]}, IMAGE, lambda: witnesses.plain([1, 2, 1, 1])),
    *(
        ("resnet18", {"depths": [1, 2, 1, 1], "shortcut": i}, IMAGE, partial(witnesses.resnet, [1, 2, 1, 1], option))
        for i, option in enumerate("ABC", start=1)
    ),
    *(
        ("resnet20", {"blocks": 2, "shortcut": i}, CIFAR, partial(witnesses.cifar, 2, option))
        for i, option in enumerate("ABC", start=1)
    ),
    ("resnet110_fixup", {"blocks": 2}, CIFAR, lambda: witnesses.cifar_fixup(2)),
    *(
        (f"resnet110_{rule}", {"blocks": 2}, CIFAR, partial(witnesses.cifar_bare, 2, rule))
        for rule in ("skip_init", "stable", "sqrt_half")
    ),
    *(
        (f"resnet110_{drop}", {"blocks": 2}, CIFAR, lambda: witnesses.cifar_decaying(2))
        for drop in ("stochastic_depth", "shake_drop")
    ),
    ("preresnet110", {"blocks": 2}, CIFAR, lambda: witnesses.pre_basic(2)),
    ("preresnet164", {"blocks": 2}, CIFAR, lambda: witnesses.pre_bottlenecks(2)),
    (
        "preresnet200",
        {"depths": [1, 2, 1, 1], "classes": 10},
        IMAGE,
        lambda: witnesses.pre_image([1, 2, 1, 1], classes=10),
    ),
    *(
        ("wide_resnet28_10", {"blocks": 2, "widen": n}, CIFAR, partial(witnesses.pre_basic, 2, n, first=False))
        for n in (1, 3)
    ),
    *(
        (
            f"resnext50_form_{form}",
            {"depths": [1, 2, 1, 1], "cardinality": 4, "classes": 10},
            IMAGE,
            partial(witnesses.resnext_form, form, [1, 2, 1, 1], 4, 10),
        )
        for form in "ab"
    ),
    ("resnext29_32x4d", {"blocks": 2}, CIFAR, lambda: witnesses.resnext_cifar(2, 32, 4)),
    ("se_resnet50", {"depths": [1, 2, 1, 1], "classes": 10}, IMAGE, lambda: witnesses.se_resnet([1, 2, 1, 1], 16, 10)),
    ("d2l_resnet18", {"depths": [1, 2, 1, 1]}, IMAGE, lambda: witnesses.d2l([1, 2, 1, 1])),
    ("highway_conv", {"layers": 2}, CIFAR, lambda: witnesses.highway_conv(2)),
    *(
        ("order_original", {"blocks": 2, "order": i}, CIFAR, partial(witnesses.ordered, 2, order))
        for i, order in enumerate("abcde", start=1)
    ),
    *(
        ("shortcut_original", {"blocks": 2, "kind": i}, CIFAR, partial(witnesses.with_shortcuts, 2, kind))
        for i, kind in enumerate("abef", start=1)
    ),
    *(
        (
            "shortcut_exclusive_gate",
            {"blocks": 2, "exclusive": kind == "c"},
            CIFAR,
            partial(witnesses.with_shortcuts, 2, kind),
        )
        for kind in "cd"
    ),
]
"""A spec with params and sizes that keep it quick, and its witness."""


@cache
def at_home(name: str) -> Graph:
    return elaborate(load(name))


def stored(module: nn.Module) -> list[Tensor]:
    """The values of a state dict in its order, without BatchNorm's counters."""
    return [value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")]


def lean(value: Any) -> list[int]:
    """A shape without extents of 1, in which a 1×1 kernel differs from a linear layer's."""
    return [extent for extent in value.shape if extent != 1]


def assert_equal_figures(graph: Graph, witness: nn.Module) -> None:
    """Parameters, statistics, multiply-accumulates, shapes of weights and of the output; the witness is on meta."""
    cost = measure_cost(graph)
    statistics = [b for key, b in witness.named_buffers() if not key.endswith("num_batches_tracked")]
    with FlopCounterMode(display=False) as counter:
        result = witness.eval()(*(torch.empty(1, *node.shape, device="meta") for node in graph.inputs.values()))
    assert cost.parameters == sum(parameter.numel() for parameter in witness.parameters())
    assert cost.buffers == sum(buffer.numel() for buffer in statistics)
    assert cost.macs["flops"] == counter.get_total_flops() == 2 * cost.macs["conv-linear"]
    assert tuple(graph[graph.outputs["output"]].shape) == tuple(result.shape[1:])
    assert [lean(weight) for weight in graph.weights.values()] == [lean(value) for value in stored(witness)]


def stirred(graph: Graph) -> nn.Module:
    """The graph's module with weights that show; factors that start at 0, behind which nothing does, are near 1."""
    module = stir(to_torch(graph)).eval()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("factor"):
                value.fill_(1.2)
    return module


def run_witness(witness: nn.Module, inputs: Arrays) -> Arrays:
    with torch.no_grad():
        return {"output": witness.eval()(*map(torch.from_numpy, inputs.values())).numpy()}


@pytest.mark.parametrize("name", TORCHVISIONS)
def test_figures_and_stored_shapes_are_torchvisions(name: str) -> None:
    assert_equal_figures(at_home(name), build_on_meta(name))


@pytest.mark.parametrize("name", GROUPED)
def test_figures_are_those_of_torchvisions_resnet_with_other_arguments(name: str) -> None:
    with torch.device("meta"):
        model = import_torchvision_models().resnet50(weights=None, **GROUPED[name])
    assert_equal_figures(at_home(name), model)


@pytest.mark.parametrize("name", WITNESSES)
def test_figures_are_those_of_an_independent_network(name: str) -> None:
    with torch.device("meta"):
        witness = WITNESSES[name]()
    assert_equal_figures(at_home(name), witness)


@pytest.mark.parametrize(
    ("name", "params", "sizes", "build"), SMALL, ids=[f"{r[0]}-{list(r[1].values())}" for r in SMALL]
)
def test_outputs_are_those_of_an_independent_network(
    name: str, params: dict[str, Any], sizes: dict[str, int], build: Callable[[], nn.Module]
) -> None:
    """The witness computes what the graph's module does, with its weights; and something else with one of them
    changed."""
    graph, witness = elaborate(load(name, params), sizes), build()
    module = stirred(graph)
    state = module.state_dict()
    for theirs, ours in zip(stored(witness), [state[key] for key in graph.weights], strict=True):
        assert lean(theirs) == lean(ours)
        theirs.copy_(ours.reshape(theirs.shape))
    inputs = sample_inputs(graph, 2)
    expected = run_torch(graph, module, inputs)
    assert difference(expected, run_witness(witness, inputs)) < TOLERANCE
    kernels = [value for value in stored(witness) if value.ndim > 1]
    kernels[len(kernels) // 2].mul_(1.5)
    assert difference(expected, run_witness(witness, inputs)) > 10 * TOLERANCE


@pytest.mark.parametrize(
    ("name", "published"),
    [
        *(("resnet20", "0.27"), ("resnet32", "0.46"), ("resnet44", "0.66"), ("resnet56", "0.85")),  # He et al., 2015,
        *(("resnet110", "1.7"), ("resnet1202", "19.4")),  # table 6
        ("preresnet164", "1.7"),  # He et al., 2016, table 4
        *(("wide_resnet40_1", "0.6"), ("wide_resnet40_2", "2.2"), ("wide_resnet40_4", "8.9")),  # Zagoruyko and
        *(("wide_resnet16_8", "11.0"), ("wide_resnet22_8", "17.2"), ("wide_resnet28_10", "36.5")),  # Komodakis, 2016
        *(("resnext50_32x4d", "25.0"), ("resnext29_8x64d", "34.4")),  # Xie et al., 2017, tables 1 and 7
    ],
)
def test_parameters_round_to_the_papers_millions(name: str, published: str) -> None:
    digits = len(published.partition(".")[2])
    assert f"{measure_cost(at_home(name)).parameters / 1e6:.{digits}f}" == published
