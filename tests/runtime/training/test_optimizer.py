"""The optimizer is torch's, and treats each weight as its recipe and its part in the network say."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archspec
from archspec.errors import ArchspecError, InputError
from compiler.graph import Graph
from runtime.recipes.optimization import AdamW, Muon, Optimizer, Sgd
from runtime.recipes.recipe import Recipe
from runtime.training.optimizer import build_optimizer, set_learning_rate
from runtime.training.roles import find_roles


@pytest.fixture(scope="module")
def graph() -> Graph:
    return archspec.elaborate(archspec.load("resnet_digits"))


def build(graph: Graph, optimizer: Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
    module = archspec.to_torch(graph)
    return module, build_optimizer(module, Recipe(optimizer=optimizer), find_roles(graph))


def settings(optimizer: torch.optim.Optimizer, key: str) -> dict[str, Any]:
    """The setting of each weight by its name."""
    return {name: group[key] for group in optimizer.param_groups for name in group["param_names"]}


def learn(module: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> dict[str, Tensor]:
    """The weights after some steps on random images of digits."""
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        images = torch.randn(4, 1, 8, 8, generator=generator)
        optimizer.zero_grad()
        module(images).square().mean().backward()
        set_learning_rate(optimizer, 0.01 * (step + 1))
        optimizer.step()
    return copy.deepcopy(module.state_dict())


def test_a_step_is_what_the_papers_formula_gives() -> None:
    """Nesterov's momentum with decay (Sutskever et al., 2013), written out; without the momentum is the control."""
    weight, gradient = torch.full((2, 2), 3.0), torch.full((2, 2), 0.5)
    for momentum in (0.9, 0.0):
        layer = nn.Linear(2, 2, bias=False)
        layer.weight.data.copy_(weight)
        wanted = Sgd(lr=0.1, weight_decay=0.01, momentum=momentum, nesterov=momentum > 0)
        optimizer = build_optimizer(layer, Recipe(optimizer=wanted))
        layer.weight.grad = gradient.clone()
        optimizer.step()
        slope = gradient + 0.01 * weight
        velocity = slope
        assert torch.allclose(layer.weight.data, weight - 0.1 * (slope + momentum * velocity))
        assert not torch.allclose(layer.weight.data, weight - 0.1 * (slope + (0.9 - momentum) * velocity))


def test_weight_decay_spares_biases_and_normalization(graph: Graph) -> None:
    """timm's and nnU-Net's rule, `ndim <= 1` has none, is the witness: the network has no tables."""
    module, optimizer = build(graph, Sgd(weight_decay=0.1))
    expected = {name: 0.1 if weight.ndim > 1 else 0.0 for name, weight in module.named_parameters()}
    assert settings(optimizer, "weight_decay") == expected
    assert set(expected.values()) == {0.0, 0.1}
    _, every = build(graph, Sgd(weight_decay=0.1, decay_all=True))
    assert set(settings(every, "weight_decay").values()) == {0.1}


def test_only_decay_moves_a_weight_without_gradient() -> None:
    layer = nn.Linear(2, 2)
    nn.init.ones_(layer.weight)
    nn.init.ones_(layer.bias)
    optimizer = build_optimizer(layer, Recipe(optimizer=Sgd(lr=0.1, weight_decay=0.1, momentum=0.0, nesterov=False)))
    (0 * layer(torch.ones(1, 2)).sum()).backward()
    optimizer.step()
    assert torch.allclose(layer.weight, torch.full((2, 2), 0.99))
    assert torch.equal(layer.bias, torch.ones(2))


def test_frozen_weights_are_left_out() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[0].requires_grad_(False)
    optimizer = build_optimizer(net, Recipe())
    held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert held == {id(weight) for weight in net[1].parameters()}


def test_a_network_without_weights_is_refused() -> None:
    with pytest.raises(InputError, match="no weights to train"):
        build_optimizer(nn.ReLU(), Recipe())


def test_groups_follow_the_schedule_by_their_factors(graph: Graph) -> None:
    """The head's own rate, and layers that fall towards the input, as timm computes it: decay ** (last - layer)."""
    decay, last = 0.7, 5
    _, optimizer = build(graph, AdamW(name="adamw", lr=0.01, layer_decay=decay, head_lr=0.05))
    scales = settings(optimizer, "lr_scale")
    layers = {"conv_0": 1, "repeat_0.i0.preact_block_0": 2, "repeat_0.i1": 3, "repeat_0.i2": 4}
    roles = find_roles(graph)
    assert max(role.depth for role in roles.values()) >= last - 1
    deepest = max(role.depth for role in roles.values())
    for name, scale in scales.items():
        expected = 5.0 if roles[name].is_head else decay ** (deepest - roles[name].depth)
        assert scale == pytest.approx(expected)
    assert scales["conv_0.weight"] == pytest.approx(decay ** (deepest - layers["conv_0"]))
    set_learning_rate(optimizer, 0.02)
    rates = settings(optimizer, "lr")
    assert {rates[name] for name, role in roles.items() if role.is_head and name in rates} == {0.1}


def test_plain_recipes_have_few_groups(graph: Graph) -> None:
    """Weights that are treated alike share a group: torch steps a group at once."""
    assert len(build(graph, Sgd())[1].param_groups) == 2
    assert len(build(graph, AdamW(name="adamw"))[1].param_groups) == 2
    assert len(build(graph, Muon(name="muon"))[1].param_groups) == 3


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_muon_is_torchs_on_matrices_and_adamw_on_all_else(graph: Graph, memory_format: torch.memory_format) -> None:
    """Two optimizers of torch side by side, kernels laid out by hand; all weights in AdamW are the control."""
    wanted = Muon(name="muon", lr=0.01, weight_decay=0.1, adamw_lr=0.005)
    module, optimizer = build(graph, wanted)
    module.to(memory_format=memory_format)  # type: ignore[call-overload]
    other, control = build(graph, AdamW(name="adamw", lr=0.005, weight_decay=0.1))
    twin = archspec.to_torch(graph)
    roles = find_roles(graph)
    kernels = {name: weight for name, weight in twin.named_parameters() if roles[name].is_matrix}
    assert kernels
    assert "conv_0.weight" not in kernels  # it reads the image
    assert not any("linear" in name for name in kernels)  # it gives the output
    flat = {name: weight.detach().flatten(1) for name, weight in kernels.items()}
    rest = [(name, weight) for name, weight in twin.named_parameters() if name not in kernels]
    muon = torch.optim.Muon(flat.values(), lr=0.01, weight_decay=0.1, momentum=0.95)
    adamw = torch.optim.AdamW(
        [{"params": [weight for _, weight in rest if weight.ndim > 1], "weight_decay": 0.1},
         {"params": [weight for _, weight in rest if weight.ndim <= 1], "weight_decay": 0.0}], lr=0.005
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        images = torch.randn(4, 1, 8, 8, generator=generator)
        twin.zero_grad()
        twin(images).square().mean().backward()
        gradients = {name: weight.grad for name, weight in twin.named_parameters() if weight.grad is not None}
        for network in (module, other):
            for name, weight in network.named_parameters():
                weight.grad = gradients[name].clone().contiguous(memory_format=_format_of(weight, memory_format))
        for name in kernels:
            flat[name].grad = gradients[name].flatten(1)
        for each in (optimizer, control, muon, adamw):
            each.step()
    found, expected, others = (dict(network.named_parameters()) for network in (module, twin, other))
    for name in expected:  # bf16 rounds what Muon makes of the gradients
        assert torch.allclose(found[name], expected[name], rtol=0.02, atol=2e-4), name
    assert any(not torch.allclose(others[name], expected[name], rtol=0.02, atol=2e-4) for name in kernels)
    exact = set(expected) - (set() if memory_format is torch.contiguous_format else set(kernels))
    assert all(torch.equal(found[name], expected[name]) for name in exact)


def _format_of(weight: Tensor, memory_format: torch.memory_format) -> torch.memory_format:
    return memory_format if weight.ndim == 4 else torch.contiguous_format


def test_muon_says_which_weight_it_cannot_lay_out() -> None:
    net = nn.Sequential(*[nn.Conv2d(4, 4, 3) for _ in range(3)])
    net[1].weight = nn.Parameter(torch.randn(3, 3, 4, 4).permute(2, 3, 0, 1))
    optimizer = build_optimizer(net, Recipe(optimizer=Muon(name="muon")))
    net(torch.randn(1, 4, 9, 9)).sum().backward()
    with pytest.raises(ArchspecError, match=r"a weight \(4, 4, 3, 3\) with the strides"):
        optimizer.step()


@pytest.mark.parametrize("wanted", [Sgd(), AdamW(name="adamw"), Muon(name="muon")], ids=lambda wanted: wanted.name)
def test_a_loaded_state_goes_on_bit_for_bit(graph: Graph, wanted: Optimizer) -> None:
    """Without the state, the control, the weights become others."""
    module, optimizer = build(graph, wanted)
    learn(module, optimizer)
    weights, state = copy.deepcopy(module.state_dict()), copy.deepcopy(optimizer.state_dict())
    assert all(isinstance(entry["params"][0], int) for entry in state["param_groups"])
    expected = learn(module, optimizer)
    for is_loaded in (True, False):
        again, fresh = build(graph, wanted)
        again.load_state_dict(weights)
        if is_loaded:
            fresh.load_state_dict(copy.deepcopy(state))
        found = learn(again, fresh)
        assert all(torch.equal(found[name], expected[name]) for name in expected) is is_loaded


def test_other_torches_have_no_muon(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(InputError, match=r"has no Muon: install 2\.9 or later"):
        build(graph, Muon(name="muon"))
