"""Our count in each convention, side by side with the tools that count so; and where they miscount, by how much."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import elaborate, load, to_torch
from archspec.ops import NORMALIZATIONS, BatchNorm, Conv, ConvTranspose, Op, Shape, Upsample
from archspec.ops.fields import AlongAxes
from archspec.ops.normalization import SampleNorm
from compiler.analysis.cost.conventions import BATCH_NORMS, SAMPLE_NORMS
from compiler.analysis.cost.cost import CONVENTIONS, RULES, measure_cost
from tests.support.lowering import graph_of
from tests.support.op_examples import EXAMPLES, walk
from tests.support.torchvision_models import import_torchvision_models

Tool = Callable[[nn.Module, tuple[int, ...]], int]

IMAGE = (3, 224, 224)


def count_by_torchinfo(module: nn.Module, shape: tuple[int, ...]) -> int:
    torchinfo = pytest.importorskip("torchinfo")
    rows = any(isinstance(item, nn.Embedding) for item in module.modules())
    types = [torch.long] if rows else None
    summary = torchinfo.summary(module, input_size=(1, *shape), dtypes=types, verbose=0, device="cpu")
    return int(summary.total_mult_adds)


def count_by_fvcore(module: nn.Module, shape: tuple[int, ...]) -> int:
    fvcore = pytest.importorskip("fvcore.nn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it traces by torch's old ways
        counter = fvcore.FlopCountAnalysis(module.eval(), torch.zeros(1, *shape))
        counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return int(counter.total())


def count_by_ptflops(module: nn.Module, shape: tuple[int, ...], backend: str = "pytorch") -> int:
    import_torchvision_models()  # it imports torchvision, which needs help here
    ptflops = pytest.importorskip("ptflops")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        macs, _ = ptflops.get_model_complexity_info(
            module, tuple(shape), as_strings=False, print_per_layer_stat=False, backend=backend
        )
    return int(macs)


def count_by_ptflops_aten(module: nn.Module, shape: tuple[int, ...]) -> int:
    return count_by_ptflops(module, shape, "aten")


def count_by_torch(module: nn.Module, shape: tuple[int, ...]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(torch.zeros(1, *shape))
    return int(counter.get_total_flops())


def count_by_thop(module: nn.Module, shape: tuple[int, ...]) -> int:
    thop = pytest.importorskip("thop")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return int(thop.profile(module.eval(), inputs=(torch.zeros(1, *shape),), verbose=False)[0])


TOOLS: dict[str, Tool] = {
    "torchinfo": count_by_torchinfo,
    "fvcore": count_by_fvcore,
    "ptflops": count_by_ptflops,
    "ptflops-aten": count_by_ptflops_aten,
    "flops": count_by_torch,
}


def count(name: str, convention: str) -> int:
    return measure_cost(elaborate(load(name))).macs[convention]


def test_resnet50_has_seven_answers() -> None:
    """As the tools printed them for torchvision's ResNet-50 at 224, in evaluation mode."""
    assert measure_cost(elaborate(load("resnet50"))).macs == {
        "conv-linear": 4_089_184_256,  # what torchvision publishes, as 4.089 G
        "conv-linear-bias": 4_089_185_256,
        "ptflops-aten": 4_089_185_256,
        "torchinfo": 4_089_238_376,
        "fvcore": 4_111_512_576,
        "ptflops": 4_132_436_968,
        "thop": 4_133_742_592,
        "flops": 8_178_368_512,
    }


def test_every_convention_says_what_it_counts() -> None:
    assert CONVENTIONS.keys() == RULES.keys()


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d", "resnet18"])
def test_count_is_the_tools(name: str, tool: str) -> None:
    """On torchvision's own modules."""
    module = getattr(import_torchvision_models(), name)(weights=None)
    assert count(name, tool) == TOOLS[tool](module, IMAGE)


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["torchinfo", "fvcore", "ptflops-aten", "flops"])
@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2"])
def test_count_is_the_tools_on_other_designs(name: str, tool: str) -> None:
    module = getattr(import_torchvision_models(), name)(weights=None)
    assert count(name, tool) == TOOLS[tool](module, IMAGE)


@pytest.mark.parametrize("tool", ["torchinfo", "fvcore", "ptflops-aten", "flops"])
@pytest.mark.parametrize("name", ["unet_bilinear", "hourglass1", "se_net", "preresnet110"])
def test_count_is_the_tools_on_the_modules_made_here(name: str, tool: str) -> None:
    graph = elaborate(load(name))
    graph = graph.resize(dict.fromkeys(graph.sizes, 64))
    (shape,) = (node.shape for node in graph.inputs.values())
    assert measure_cost(graph).macs[tool] == TOOLS[tool](to_torch(graph), shape)


# Each operation by itself

UNKNOWN = {
    "torchinfo": {"lstm", "gru", "conv_transpose", "channel_conv"},
    "ptflops-aten": {"lstm", "gru"},
    "flops": {"lstm"},
    "ptflops": {
        "lstm",
        "gru",
        "channel_conv",
        "batch_norm",
        "ghost_batch_norm",
        "batch_renorm",
        "layer_norm",
        "local_response_norm",
    },
    "thop": {
        *("lstm", "gru"),
        "conv_transpose",
        "batch_norm",
        "ghost_batch_norm",
        "batch_renorm",
        "layer_norm",
        "group_norm",
        "instance_norm",
        "upsample",
        "adaptive_avg_pool",
    },
}
"""What a tool miscounts, or would only count in modules of torch's own classes."""


def _is_whole(scale: AlongAxes[float]) -> bool:
    """Of fractions ptflops rounds in between."""
    return all(isinstance(factor, int) for factor in (scale if isinstance(scale, tuple) else (scale,)))


def counts_alike(op: Op, shape: Shape, convention: str, tool: Tool) -> bool:
    """Whether our count of an operation is the tool's, where that sees the operation."""
    as_function = convention in ("torchinfo", "ptflops", "thop") and not getattr(op, "stores_kernel", True)
    fraction = convention == "ptflops" and isinstance(op, Upsample) and not _is_whole(op.scale)
    kernel_too = convention == "fvcore" and getattr(op, "standardize", False)  # as a batch normalization in each call
    rows = op.kind == "embedding" and convention != "torchinfo"  # which alone can be told to try whole numbers
    if op.kind in UNKNOWN.get(convention, ()) or as_function or fraction or kernel_too or rows:
        return True
    graph = graph_of(op, shape)
    module = nn.Sequential(to_torch(graph).get_submodule("op"))
    _take_for_torchs_own(module[0])
    if convention in ("ptflops", "thop") and not type(module[0]).__module__.startswith("torch."):
        return True  # a module that they do not know
    return measure_cost(graph).macs[convention] == tool(module, shape)


def _take_for_torchs_own(module: nn.Module) -> None:
    """Tools know classes of torch by identity, and none that only adds what torch refuses."""
    for kind in type(module).mro()[1:]:
        if kind.__module__.startswith("torch.nn.modules.") and kind.__name__ == type(module).__name__:
            module.__class__ = kind


@walk
@pytest.mark.parametrize("tool", TOOLS)
def test_each_operation_counts_as_the_tool_counts_it(op: Op, shapes: tuple[Shape, ...], tool: str) -> None:
    if len(shapes) == 1:
        assert counts_alike(op, shapes[0], tool, TOOLS[tool])


def test_thop_counts_alike() -> None:
    """It is no dependency, so that this runs only where somebody has installed it."""
    pytest.importorskip("thop")
    for op, shapes in EXAMPLES:
        assert len(shapes) > 1 or counts_alike(op, shapes[0], "thop", count_by_thop), op
    assert count("resnet50", "thop") == count_by_thop(import_torchvision_models().resnet50(weights=None), IMAGE)


# Where tools are wrong


def test_transposed_convolutions_are_counted_by_inputs() -> None:
    """3 → 1 channels, kernel and stride 2, on 2×2: each of 12 inputs meets 4 weights. torchinfo counts by outputs."""
    graph = graph_of(ConvTranspose(out=1, bias=False), Shape(3, 2, 2))
    module = nn.Sequential(nn.ConvTranspose2d(3, 1, 2, 2, bias=False))
    assert measure_cost(graph).macs["torchinfo"] == 48 == count_by_torch(module, (3, 2, 2)) // 2
    assert count_by_torchinfo(module, (3, 2, 2)) == 192


def test_functions_outside_modules_are_counted() -> None:
    """torchinfo and ptflops see no convolution that is called as a function."""
    graph = graph_of(Conv(out=4, bias=False, weight_norm=True), Shape(2, 5, 5))
    macs = 4 * 2 * 9 * 25
    assert measure_cost(graph).macs["torchinfo"] == macs == count_by_torch(to_torch(graph), (2, 5, 5)) // 2
    assert count_by_torchinfo(to_torch(graph), (2, 5, 5)) < macs
    assert count_by_ptflops(to_torch(graph), (2, 5, 5)) == 0


@pytest.mark.parametrize(("base", "kinds"), [(BatchNorm, BATCH_NORMS), (SampleNorm, SAMPLE_NORMS)])
def test_normalizations_are_told_apart_by_the_words_of_their_classes(base: type[Op], kinds: set[str]) -> None:
    assert {op.kind for op in NORMALIZATIONS.values() if issubclass(op, base)} == kinds
