"""`attend` and `windows`: a block of a vision transformer and one of Swin against torch's and torchvision's own, and
the mistakes that one can make with the words."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archspec.api import accepted_sizes, analyze, to_torch
from compiler.graph import Graph
from tests.archspec.spec.texts import graph_of, mistakes_of
from tests.support.lowering import TOLERANCE, compare
from tests.support.torchvision_models import import_torchvision_models

HEAD = "archspec: 1\ninputs: {x: [24, H, W]}\nsizes: {H: 9, W: 14}\ndefaults: {conv: {kernel: 1}}\n"
ROW = HEAD.replace("H, W", "L").replace("H: 9, W: 14", "L: 7")
QKV = "query: [conv: 24], key: [conv: 24], value: [conv: 24]"
NORM = "layer_norm: {over: channels}"

VIT = f"""{ROW}network:
  - residual: {{body: [{NORM}, attend: {{heads: 4, {QKV}}}, conv: 24]}}
  - residual: {{body: [{NORM}, conv: 48, gelu, conv: 24]}}
"""
SWIN = f"""{HEAD}network:
  - windows: {{size: 4, shift: SHIFT, body: [attend: {{heads: 3, bias: relative, {QKV}}}, conv: 24]}}
"""


def load(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Give a module the weights of a witness, linear layers as convolutions."""
    state = module.state_dict()
    module.load_state_dict({name: weights[name].reshape(state[name].shape) for name in state})


def is_close(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and float((found - expected).abs().max()) < 1e-4


def list_parts(prefix: str, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """The weights of query, key and value from those of one layer for all."""
    parts = zip(("query", "key", "value"), weight.chunk(3), bias.chunk(3), strict=True)
    return {
        f"{prefix}.{word}.conv_0.{kind}": x
        for word, *both in parts
        for kind, x in zip(("weight", "bias"), both, strict=True)
    }


@torch.no_grad()
def test_a_block_of_a_transformer_is_torchs() -> None:
    torch.manual_seed(0)
    witness = nn.TransformerEncoderLayer(24, 4, 48, activation="gelu", batch_first=True, norm_first=True).eval()
    for parameter in witness.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    given, module = witness.state_dict(), to_torch(graph_of(VIT)).eval()
    attention = "residual_0.body.attend_0"
    weights = list_parts(attention, given["self_attn.in_proj_weight"], given["self_attn.in_proj_bias"])
    pairs = {"residual_0.body.layer_norm_0": "norm1", "residual_0.body.conv_0": "self_attn.out_proj"}
    pairs |= {
        "residual_1.body.layer_norm_0": "norm2",
        "residual_1.body.conv_0": "linear1",
        "residual_1.body.conv_1": "linear2",
    }
    weights |= {f"{own}.{kind}": given[f"{name}.{kind}"] for own, name in pairs.items() for kind in ("weight", "bias")}
    load(module, weights)
    x = torch.randn(2, 24, 11)
    assert is_close(module(x), witness(x.mT).mT)


@torch.no_grad()
@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("space", [(9, 14), (8, 12), (3, 9), (4, 4)])
def test_windows_are_those_of_swin_at_any_size(space: tuple[int, int], shift: int) -> None:
    """torchvision pads before its layers, and does not shift along an axis that is one window."""
    torch.manual_seed(0)
    import_torchvision_models()
    swin = import_module("torchvision.models.swin_transformer")
    witness = swin.ShiftedWindowAttention(24, [4, 4], [shift, shift], 3).eval()
    for parameter in witness.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    given, module = witness.state_dict(), to_torch(graph_of(SWIN.replace("SHIFT", str(shift)))).eval()
    weights = list_parts("windows_0.body.attend_0", given["qkv.weight"], given["qkv.bias"])
    weights |= {f"windows_0.body.conv_0.{kind}": given[f"proj.{kind}"] for kind in ("weight", "bias")}
    load(module, weights | {"windows_0.body.attend_0.attention.table": given["relative_position_bias_table"]})
    x = torch.randn(2, 24, *space)
    assert is_close(module(x), witness(x.movedim(1, -1)).movedim(-1, 1))


def test_one_file_holds_at_all_sizes(tmp_path: Path) -> None:
    graph = graph_of(SWIN.replace("SHIFT", "2"))
    assert {name: str(size) for name, size in accepted_sizes(graph).items()} == {"H": "any from 1", "W": "any from 1"}
    sizes: tuple[dict[str, int], ...] = ({}, {"H": 4, "W": 3}, {"H": 17, "W": 8}, {"H": 3, "W": 16})
    assert compare(graph, tmp_path, sizes=sizes) < TOLERANCE


def test_a_table_over_the_whole_map_fixes_its_extents() -> None:
    graph = graph_of(f"{HEAD}network: [attend: {{bias: relative, {QKV}}}]\n")
    assert {name: str(size) for name, size in accepted_sizes(graph).items()} == {"H": "9 alone", "W": "14 alone"}


def test_names_are_those_of_the_bodies() -> None:
    nodes = list(graph_of(f"{HEAD}network: [attend: {{{QKV}}}, windows: {{size: 3, body: [attend]}}]\n").nodes)
    assert nodes[1:5] == [*(f"attend_0.{word}.conv_0" for word in ("query", "key", "value")), "attend_0.attention"]
    assert nodes[5:] == ["windows_0.enter", "windows_0.body.attend_0.attention", "windows_0.leave"]


def test_keys_and_values_may_come_from_elsewhere() -> None:
    text = HEAD.replace("{x: [24, H, W]}", "{x: [24, H, W], text: [8, L]}").replace("W: 14}", "W: 14, L: 5}")
    body = "query: [conv: 24], key: [from: text, conv: 24], value: [from: text, conv: 36]"
    graph = graph_of(f"{text}network: [attend: {{heads: 3, {body}}}]\n")
    assert graph["attend_0.attention"].shape == (36, 9, 14)
    assert set(accepted_sizes(graph)) == {"H", "W", "L"}


def field_of(graph: Graph) -> Any:
    found = analyze(graph, wanted=["receptive_field"]).receptive_field
    assert found is not None
    return found.to_dict()["size"]


def test_a_position_sees_its_window_and_after_a_shift_two() -> None:
    window = "windows: {size: 4, SHIFT body: [attend: {}]}"
    text = HEAD.replace("H: 9, W: 14", "H: 64, W: 64") + "network: [NODES]\n"
    plain, shifted = window.replace("SHIFT ", ""), window.replace("SHIFT", "shift: 2,")
    assert field_of(graph_of(text.replace("NODES", plain))) == [4, 4]
    assert field_of(graph_of(text.replace("NODES", f"{plain}, {shifted}"))) == [8, 8]
    assert field_of(graph_of(text.replace("NODES", f"{plain}, {plain}"))) == [4, 4]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("[attend: {heads: 5}]", "heads: 5 does not divide the 24 channels of the query"),
        ("[attend: {query: [conv: 12]}]", "attention compares channels"),
        ("[attend: {key: [max_pool]}]", "attention takes a value for each key"),
        ("[attend: 3]", "attend takes named fields: "),
        ("[attend: {bias: absolute}]", "`bias` of attend should be none or relative or continuous"),
        ("[attend: {window: 3}]", "unknown field 'window' of attend"),
        ("[attend: {similarity: cosine, scale: 2}]", "learns its scale"),
        ("[windows: {body: [attend]}]", "windows needs `size`"),
        ("[windows: {size: 4, shift: 4, body: [attend]}]", "shift: 4 should be below the window's size, 4"),
        ("[windows: {size: [4, 4, 4], body: [attend]}]", "has 3 entries"),
        (
            "[windows: {size: 4, body: [conv: {out: 24, kernel: 3}, attend]}]",
            "conv in windows looks beyond its own position",
        ),
        ("[windows: {size: 4, body: [layer_norm, attend]}]", "layer_norm in windows looks beyond"),
        ("[windows: {size: 4, body: [max_pool]}]", "max_pool in windows looks beyond"),
        ("[windows: {size: 4, body: [windows: {size: 2, body: [attend]}]}]", "windows stand in windows"),
        ("[windows: {size: 4, shift: 1, grid: true, body: [attend]}]", "with grid takes no shift"),
        (
            "[tap: a, conv: 24, windows: {size: 4, body: [add: [[], [from: a]]]}]",
            "reads x, which lies outside the windows",
        ),
        ("[windows: {size: 4, body: [attend, output: y]}]", "output 'y' stands in windows, where the map is padded"),
        ("[windows: {size: 4, body: [tap: a]}, from: a]", "unknown tap 'a'; it is set in windows"),
        (
            "[windows: {size: 4, body: [shift: {trainable: true, per: position}]}]",
            "shift in windows has weights for each position of the map",
        ),
        (
            "[windows: {size: 4, body: [scale: {trainable: true, per: position}]}]",
            "scale in windows has weights for each position of the map",
        ),
    ],
)
def test_each_mistake_is_told_at_its_place(network: str, message: str) -> None:
    text = HEAD.replace("H: 9, W: 14", "H: 8, W: 12")
    (mistake,) = mistakes_of(f"{text}network: {network}\n")
    assert message in mistake.message
    assert mistake.place.line == 5


def test_ways_through_query_and_key_are_gates() -> None:
    paths = analyze(graph_of(VIT)).paths
    assert paths.op.total == (1 + 3) * 2
    assert paths.block.total == (1 + 3) * 2
    assert paths.ungated.total == (1 + 1) * 2


def test_bodies_that_are_handed_in_know_the_windows_around_them() -> None:
    block = "blocks: {cut: {args: {inner: block}, body: [windows: {size: 4, body: [residual: {body: [inner]}]}]}}\n"
    graph = graph_of(f"{HEAD}{block}network: [cut: {{inner: [attend: {{heads: 2}}, dropout]}}]\n")
    (op,) = [node.op for node in graph if node.op.kind == "attention"]
    assert op.chosen == {"heads": 2, "window": 4}
    whole = HEAD.replace("H: 9, W: 14", "H: 8, W: 12") + block
    (mistake,) = mistakes_of(f"{whole}network: [tap: a, conv: 24, cut: {{inner: [add: [[], [from: a]]]}}]\n")
    assert "lies outside the windows" in mistake.message
