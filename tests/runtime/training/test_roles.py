"""What each weight is to an optimizer: held against timm's rules, and the published depths of networks."""

from __future__ import annotations

import re

import pytest
import yaml
from torch import nn

import archspec
from compiler.graph import Graph
from runtime.training.roles import WeightRole, find_roles, guess_roles
from tests.support.documents import graph_from


def load(name: str) -> Graph:
    return archspec.elaborate(archspec.load(name))


def read(network: str) -> Graph:
    """The graph of a network on images of 4 channels."""
    return graph_from({"archspec": 1, "inputs": {"image": [4, 8, 8]}, "network": yaml.safe_load(network)})


def deepest(roles: dict[str, WeightRole]) -> int:
    return max(role.depth for role in roles.values())


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("vgg11", 11),  # as its name says
        ("googlenet", 22),  # "22 layers deep when counting only layers with parameters", Szegedy et al., 2014
        ("resnet18", 1 + 8 + 1),  # blocks of two layers
        ("resnet50", 1 + 16 + 1),
        ("vit_b_16", 1 + 12 + 1),  # BEiT's and timm's num_layers
        ("swin_t", 1 + 12 + 3 + 1),  # patches, blocks, mergings, head
        ("densenet121", 1 + 58 + 3 + 1),  # layers of dense blocks, transitions
    ],
)
def test_depths_are_those_that_papers_count(name: str, layers: int) -> None:
    roles = find_roles(load(name))
    assert deepest(roles) == layers
    assert min(role.depth for role in roles.values()) == 1


def test_layers_of_a_vit_are_timms() -> None:
    """timm's `param_groups_layer_decay` and BEiT's `get_layer_id_for_vit`: tokens, positions and patches are layer 0,
    block i is layer i + 1, the last normalization and the head are the last."""
    for name, role in find_roles(load("vit_b_16")).items():
        block = re.match(r"repeat_0\.i(\d+)\.", name)
        is_stem = name.startswith(("patches", "concat_0", "positions"))
        expected = int(block[1]) + 1 if block else 0 if is_stem else 13
        assert role.depth - 1 == expected, name


def test_what_timm_does_not_decay_has_no_decay() -> None:
    """timm's `no_weight_decay` names class token and positions of a ViT, and tables of relative positions of a Swin."""
    spared = [name for name, role in find_roles(load("vit_b_16")).items() if not role.decays]
    graph = load("swin_t")
    tables = [name for name in find_roles(graph) if name.endswith("attention.table")]
    roles = find_roles(graph)
    assert {"concat_0.branch0.learned_0.value", "positions.term"} <= set(spared)
    assert tables
    assert not any(roles[name].decays for name in tables)
    kernels = [name for name, weight in graph.weights.items() if len(weight.shape) > 1 and name not in tables]
    assert all(roles[name].decays for name in kernels)


def test_heads_give_the_outputs() -> None:
    heads = {name for name, role in find_roles(load("resnet20")).items() if role.is_head}
    assert heads == {"linear_0.weight", "linear_0.bias"}
    several = {name.rpartition(".")[0] for name, role in find_roles(load("unet_plus_plus")).items() if role.is_head}
    assert len(several) == len(load("unet_plus_plus").outputs)


def test_matrices_are_single_maps_of_hidden_layers() -> None:
    graph = read(
        """
        - conv: {out: 8, name: first}
        - conv: {out: 8, name: hidden}
        - conv: {out: 8, groups: 8, name: depthwise}
        - conv: {out: 8, weight_norm: true, name: normed}
        - scale: {value: 1.0, name: factor}
        - flatten
        - linear: {out: 3, name: last}
        """
    )
    roles = find_roles(graph)
    assert [name for name, role in roles.items() if role.is_matrix] == ["hidden.weight"]
    assert [name for name, role in roles.items() if role.decays] == [
        "first.weight", "hidden.weight", "depthwise.weight", "normed.weight", "last.weight",
    ]  # fmt: skip


def test_residuals_of_one_scope_are_a_layer_each() -> None:
    """Where a scope holds other layers' scopes beside a residual, as the network itself does, it is no layer."""
    graph = read(
        """
        - batch_norm: {name: before}
        - residual: {body: [conv: 4], name: first}
        - residual: {body: [conv: 4, conv: 4], name: second}
        - repeat: {n: 2, body: [residual: {body: [conv: 4]}, residual: {body: [conv: 4]}]}
        - batch_norm: {name: behind}
        - conv: {out: 2, name: head}
        """
    )
    depths = {name.split(".")[0]: role.depth for name, role in find_roles(graph).items()}
    assert depths == {"before": 1, "first": 2, "second": 3, "repeat_0": 5, "behind": 6, "head": 6}


def test_branches_are_as_deep_as_the_deepest() -> None:
    graph = read(
        """
        - concat: [[conv: 4, conv: 4, conv: 4], [conv: 4]]
        - conv: {out: 2, name: head}
        """
    )
    assert [role.depth for name, role in find_roles(graph).items() if name.endswith("weight")] == [1, 2, 3, 1, 4]


def test_shared_weights_have_the_part_of_their_first_node() -> None:
    graph = load("siamese")
    roles = find_roles(graph)
    assert set(roles) == set(graph.weights)
    assert len([node for node in graph if graph.weights_of(node)]) > len({name.rpartition(".")[0] for name in roles})


def test_roles_of_a_module_follow_its_order() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 3), nn.Embedding(3, 4),
        nn.Linear(4, 2),
    )  # fmt: skip
    roles = guess_roles(module)
    assert [(name, role.depth) for name, role in roles.items() if name.endswith("weight")] == [
        ("0.weight", 1), ("1.weight", 1), ("2.weight", 2), ("3.weight", 3), ("4.weight", 3), ("5.weight", 4),
    ]  # fmt: skip
    assert [name for name, role in roles.items() if role.decays] == ["0.weight", "2.weight", "3.weight", "5.weight"]
    assert [name for name, role in roles.items() if role.is_matrix] == ["3.weight"]
    assert [name for name, role in roles.items() if role.is_head] == ["5.weight", "5.bias"]


def test_a_module_without_matrices_has_no_head() -> None:
    assert not any(role.is_head for role in guess_roles(nn.BatchNorm2d(3)).values())
