"""Published figures that differ from ours because the network does: each is met by the network that was counted."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import analyze, elaborate, load, to_torch
from compiler.analysis.cost.cost import Cost

STRIDE_FIRST = """
archspec: 1
inputs: {image: [3, 224, 224]}
defaults: {conv: {bias: false}}
blocks:
  bottleneck:
    args: {width: int, stride: int = 1}
    body:
      - residual:
          body:
            - conv: {out: width, kernel: 1, stride: stride}
            - batch_norm
            - relu
            - conv: width
            - batch_norm
            - relu
            - conv: {out: 4 * width, kernel: 1}
            - batch_norm
          project: [conv: {out: out_channels, kernel: 1, stride: stride}, batch_norm]
      - relu
network:
  - conv: {out: 64, kernel: 7, stride: 2}
  - batch_norm
  - relu
  - max_pool: {kernel: 3, stride: 2, padding: 1}
  - repeat:
      each: {depth: [3, 4, 6, 3], width: [64, 128, 256, 512]}
      body:
        - bottleneck: {width: width, stride: 2 if i > 0 else 1}
        - repeat: {n: depth - 1, body: [bottleneck: {width: width}]}
  - global_avg_pool
  - flatten
  - linear: 1000
"""

NO_AFFINE = "{archspec: 1, name: bare, extends: preresnet1001, defaults: {norm: {kind: batch, affine: false}}}"

TRANSPOSED = """
archspec: 1
inputs: {image: [3, 2, 2]}
network: [conv_transpose: {out: 1, kernel: 2, stride: 2, bias: false}]
"""


def cost_of(text: str, folder: Path) -> Cost:
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return analyze(elaborate(load(folder / "spec.yaml"))).cost


def test_resnet50_with_the_stride_in_the_first_convolution(tmp_path: Path) -> None:
    """The 3.8 G of He et al., 2015, table 1: 3,857,973,248; as many parameters as with the stride in the 3×3."""
    cost = cost_of(STRIDE_FIRST, tmp_path)
    assert cost.macs["conv-linear"] == 3_857_973_248
    assert cost.parameters == 25_557_032


def test_preresnet1001_without_scales_and_shifts(tmp_path: Path) -> None:
    """The 10.2 M of He et al., 2016, table 4, leave those of batch normalization out."""
    assert cost_of(NO_AFFINE, tmp_path).parameters == 10_178_490
    assert analyze(elaborate(load("preresnet1001"))).cost.parameters == 10_327_706


def test_transposed_convolutions_are_counted_by_their_input(tmp_path: Path) -> None:
    """torchinfo and thop count 192 for this one, one kernel for each output pixel."""
    cost = cost_of(TRANSPOSED, tmp_path)
    module = to_torch(elaborate(load(tmp_path / "spec.yaml")))
    assert isinstance(module, nn.Module)
    with FlopCounterMode(display=False) as counter:
        module(torch.randn(1, 3, 2, 2))
    assert 2 * cost.macs["conv-linear"] == counter.get_total_flops() == 96
