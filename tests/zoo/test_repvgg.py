"""RepVGG after training: one convolution computes what the sum of two or three branches did."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch.nn import functional as f

from archspec.api import elaborate, load, to_torch
from compiler.analysis.cost.cost import measure_cost
from tests.support.lowering import TOLERANCE, difference, run_torch, sample_inputs, stir

SMALL = {"stem": 8, "widths": [8, 12, 16, 20], "depths": [2, 2, 1, 1], "classes": 5}
EPS = 1e-5


def fold(branch: Mapping[str, Tensor], kernel: Tensor) -> tuple[Tensor, Tensor]:
    """A kernel with the normalization behind it, and its bias: Ding et al., 2021, section 3.3, equation 3."""
    factor = branch["weight"] / (branch["running_var"] + EPS).sqrt()
    return kernel * factor[:, None, None, None], branch["bias"] - branch["running_mean"] * factor


def deploy(state: Mapping[str, Tensor], layer: str) -> tuple[Tensor, Tensor]:
    """The kernel and the bias of one layer, of the branches below its name, as figure 4 has it."""
    kernel, bias = torch.zeros(()), torch.zeros(())
    merge = f"{layer}repvgg_sum_0.when_0.add_0."
    for branch in sorted({name.removeprefix(merge).partition(".")[0] for name in state if name.startswith(merge)}):
        start = f"{merge}{branch}."
        norm = {name.rpartition(".")[2]: value for name, value in state.items() if name.startswith(f"{start}norm_0.")}
        own = state.get(f"{start}conv_0.weight")
        if own is None:  # the value itself is the convolution that takes each channel to itself
            own = torch.eye(len(norm["weight"]))[:, :, None, None]
        edge = (3 - own.shape[-1]) // 2
        folded, shift = fold(norm, f.pad(own, [edge] * 4))
        kernel, bias = kernel + folded, bias + shift
    return kernel, bias


@pytest.mark.parametrize("name", ["repvgg_a0", "repvgg_b0"])
def test_the_deployed_network_computes_what_the_trained_one_did(name: str) -> None:
    trained = elaborate(load(name, SMALL), {"H": 32, "W": 48})
    module = stir(to_torch(trained)).eval()
    state = module.state_dict()
    deployed = elaborate(load(name, {**SMALL, "deployed": True}), {"H": 32, "W": 48})
    weights = {name: state[name] for name in deployed.weights if name in state}
    for node in deployed:
        if node.op.kind == "conv":
            kernel, bias = deploy(state, node.id.removesuffix("conv_0"))
            weights |= {f"{node.id}.weight": kernel, f"{node.id}.bias": bias}
    one = to_torch(deployed).eval()
    one.load_state_dict(weights)
    inputs = sample_inputs(trained, 2)
    expected = run_torch(trained, module, inputs)
    assert difference(expected, run_torch(deployed, one, inputs)) < TOLERANCE
    kernel = next(value for name, value in one.named_parameters() if name.startswith("repeat_0.i0.repeat_0.i1."))
    kernel.data[:, :, 1, 1] -= torch.eye(len(kernel))  # the control: without the value itself
    assert difference(expected, run_torch(deployed, one, inputs)) > 10 * TOLERANCE


@pytest.mark.parametrize(("name", "millions"), [("repvgg_a0", 8.30), ("repvgg_a1", 12.78), ("repvgg_b0", 14.33)])
def test_the_deployed_networks_have_the_parameters_that_the_paper_says(name: str, millions: float) -> None:
    """Ding et al., 2021, table 4, whose figures are cut after the second digit."""
    graph = elaborate(load(name, {"deployed": True}))
    assert measure_cost(graph).parameters // 10_000 == round(100 * millions)
