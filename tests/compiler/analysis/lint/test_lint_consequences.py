"""What the rules say of their findings is true: torch as witness, and beside each a control that must differ."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from archspec.api import to_torch
from archspec.ops import Add
from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph
from tests.compiler.analysis.lint.texts import IMAGE, VECTOR, build


def graph_with(text: str, code: str) -> Graph:
    """The graph of a spec in which a rule finds something."""
    graph, findings = build(text)
    assert code in {finding.code for finding in findings}
    return graph


def graph_without(text: str, code: str) -> Graph:
    graph, findings = build(text)
    assert code not in {finding.code for finding in findings}
    return graph


def run(graph: Graph, x: Tensor, *, training: bool = True) -> Tensor:
    torch.manual_seed(0)
    result = to_torch(graph).train(training)(x)
    assert isinstance(result, Tensor)
    return result


def every_value(graph: Graph, x: Tensor) -> dict[str, Tensor]:
    """The values of all nodes of a network whose only merges are sums."""
    sums = iter([node.id for node in graph if isinstance(node.op, Add)])
    values: dict[str, Tensor] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            result = super().run_node(n)
            if n.op != "output":
                values[next(sums) if n.op == "call_function" else str(n.target)] = result
            return result

    Recorder(to_torch(graph)).run(x)
    assert values.keys() == graph.nodes.keys()
    return values


def images(batch: int = 8, seed: int = 0) -> Tensor:
    return torch.randn(batch, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def vectors(batch: int = 64) -> Tensor:
    return torch.randn(batch, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "norm", ["batch_norm", "instance_norm", "group_norm: 8", "ghost_batch_norm: 4", "batch_renorm"]
)
def test_a_bias_before_a_norm_gets_no_gradient(norm: str) -> None:
    text = IMAGE + f"  - conv: 8\n  - {norm}\n  - gelu\n"
    assert bias_gradient(graph_with(text, "bias-before-norm")) < 1e-6
    assert bias_gradient(graph_without(text.replace(norm, "group_norm: 2"), "bias-before-norm")) > 1e-3


def bias_gradient(graph: Graph) -> float:
    torch.manual_seed(0)
    module = to_torch(graph).double()
    result = module(images().double())
    (result * torch.randn_like(result)).mean().backward()
    bias = dict(module.named_parameters())["conv_0.bias"]
    assert bias.grad is not None
    return float(bias.grad.abs().max())


def test_a_body_that_ends_in_a_relu_only_adds() -> None:
    text = VECTOR + "  - linear: 16\n  - residual: {body: [linear: 16, relu]}\n"
    for graph, only_adds in (
        (graph_with(text, "residual-only-adds"), True),
        (graph_without(text.replace("linear: 16, relu", "relu, linear: 16"), "residual-only-adds"), False),
    ):
        values = every_value(graph, vectors())
        assert bool((values["residual_0.add"] >= values["linear_0"]).all()) is only_adds


def test_a_first_relu_sees_nothing_negative() -> None:
    text = IMAGE + "  - batch_norm: {affine: false}\n  - relu\n  - conv: 8\n"
    x = images()
    clipped = x.clamp(min=0)
    assert torch.equal(
        run(graph_with(text, "relu-first"), x, training=False),
        run(graph_with(text, "relu-first"), clipped, training=False),
    )
    right = graph_without(text.replace("  - relu\n", ""), "relu-first")
    assert not torch.allclose(run(right, x, training=False), run(right, clipped, training=False), atol=1e-2)


def test_an_idle_relu_changes_nothing() -> None:
    values = every_value(graph_with(IMAGE + "  - conv: 8\n  - relu\n  - avg_pool: 2\n  - elu\n", "idle-relu"), images())
    assert torch.equal(values["elu_0"], values["avg_pool_0"])
    values = every_value(graph_without(IMAGE + "  - conv: 8\n  - avg_pool: 2\n  - elu\n", "idle-relu"), images())
    assert not torch.allclose(values["elu_0"], values["avg_pool_0"], atol=1e-2)


def test_a_second_norm_undoes_the_first() -> None:
    text = IMAGE + "  - batch_norm: {eps: 1e-12}\n  - batch_norm: {eps: 1e-12}\n"
    assert change_by_first_norm(graph_with(text, "repeated-norm")) < 1e-4
    assert (
        change_by_first_norm(graph_without(text.replace("\n  - batch", "\n  - gelu\n  - batch"), "repeated-norm")) > 0.1
    )


def change_by_first_norm(graph: Graph) -> float:
    """What another scale and shift of the first normalization change of the result."""
    module = to_torch(graph)
    before = module(images())
    with torch.no_grad():
        module.get_parameter("batch_norm_0.weight").mul_(3)
        module.get_parameter("batch_norm_0.bias").add_(2)
    return float((module(images()) - before).abs().max().detach())


def test_a_dropout_before_a_norm_changes_its_variance() -> None:
    text = "archspec: 1\ninputs: {x: [4, 64, 64]}\nnetwork:\n  - dropout: 0.5\n  - batch_norm: {momentum: 1}\n"
    x = torch.randn(32, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    module = to_torch(graph_with(text, "dropout-before-norm"))
    module(x)
    assert module.get_buffer("batch_norm_0.running_var").mean().item() == pytest.approx(2, rel=0.05)
    assert module.eval()(x).var().item() == pytest.approx(1 / 2, rel=0.05)


def test_two_linear_layers_are_one() -> None:
    text = VECTOR + "  - linear: 32\n  - linear: 8\n"
    module = to_torch(graph_with(text, "linear-after-linear"))
    first, second = (module.get_submodule(f"linear_{i}") for i in range(2))
    weight = second.weight @ first.weight
    one = vectors() @ weight.T + second.weight @ first.bias + second.bias
    assert torch.allclose(module(vectors()), one, atol=1e-4)
    right = to_torch(graph_without(text.replace("32\n", "32\n  - relu\n"), "linear-after-linear"))
    right.load_state_dict(module.state_dict())
    assert not torch.allclose(right(vectors()), one, atol=0.1)


def test_a_softmax_of_a_softmax_is_nearly_flat() -> None:
    """The cross-entropy of the right answer, given with certainty, cannot go below log(e + 9) - 1 with ten classes."""
    graph_with(VECTOR + "  - linear: 10\n  - softmax\n", "softmax-output")
    sure = torch.eye(10)[:1]
    assert torch.nn.functional.cross_entropy(sure, torch.tensor([0])) == pytest.approx(1.4612, abs=1e-3)
    assert torch.nn.functional.cross_entropy(100 * sure, torch.tensor([0])) == pytest.approx(0.0, abs=1e-3)


def test_the_sum_without_a_last_norm_grows_with_the_blocks() -> None:
    text = (
        "archspec: 1\ninputs: {x: [128]}\nnetwork:\n  - batch_norm\n"
        "  - repeat: {n: 8, body: [residual: {body: [norm, relu, linear: 128]}]}\n"
    )
    x = torch.randn(512, 128, generator=torch.Generator().manual_seed(0))
    last = run(graph_with(text, "missing-last-norm"), x).detach()
    assert float(last.square().mean()) == pytest.approx(9, rel=0.1)
    right = run(graph_without(text + "  - norm\n", "missing-last-norm"), x).detach()
    assert float(right.square().mean()) == pytest.approx(1, rel=0.01)


def input_gradient(graph: Graph, size: int) -> Tensor:
    """Where the outputs depend on the input, summed over channels."""
    module = to_torch(graph).eval()
    for parameter in module.parameters():
        torch.nn.init.ones_(parameter)  # so that nothing cancels
    x = torch.ones(1, 4, size, size, requires_grad=True)
    module(x).sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1))


@pytest.mark.parametrize(
    ("layer", "size", "lost"),
    [
        ("avg_pool: 2", 9, 1),
        ("conv: {out: 4, kernel: 3, stride: 3, padding: 0}", 8, 2),
        ("avg_pool: {kernel: 3, stride: 3}", 10, 1),
        ("conv: {out: 4, kernel: 3, stride: 2, dilation: 2, padding: 0}", 8, 1),
    ],
)
def test_lost_pixels_get_no_gradient(layer: str, size: int, lost: int) -> None:
    text = f"archspec: 1\ninputs: {{x: [4, H, H]}}\nsizes: {{H: {size}}}\nnetwork:\n  - {layer}\n"
    graph, findings = build(text)
    finding = next(finding for finding in findings if finding.code == "lost-pixels")
    assert ("last position" if lost == 1 else f"last {lost} positions") in finding.message
    seen = input_gradient(graph, size)
    assert not seen[size - lost :].any()
    assert not seen[:, size - lost :].any()
    assert seen[size - lost - 1, size - lost - 1] > 0
    better = int(finding.remedy.removeprefix("at H = ").removesuffix(" none is lost"))
    whole = input_gradient(graph.resize({"H": better}), better)
    assert whole[-1, -1] > 0


def test_windows_with_gaps_never_read_what_lies_between() -> None:
    layer = "conv: {out: 4, stride: 2, dilation: 2, padding: 2}"
    seen = input_gradient(graph_with(IMAGE + f"  - {layer}\n", "lost-pixels"), 8)
    assert not seen[1::2].any()
    assert seen[::2, ::2].all()
    without = graph_without(IMAGE + f"  - {layer.replace('stride: 2', 'stride: 1')}\n", "lost-pixels")
    assert input_gradient(without, 8).all()


@pytest.mark.parametrize(
    "between",
    [
        *("scale: 2", "max_pool: 2", "avg_pool: {kernel: 3, stride: 1}", "upsample: 2", "concat: [[], []]"),
        *("global_avg_pool", "shift: 1", "upsample: {scale: 2, mode: linear}"),
    ],
)
@pytest.mark.parametrize("norm", ["batch_norm", "instance_norm"])
def test_a_bias_is_lost_past_what_passes_constants_on(between: str, norm: str) -> None:
    if between == "global_avg_pool":
        norm = "batch_norm"  # of single positions the other has nothing to take a mean of
    text = IMAGE + f"  - conv: 4\n  - {between}\n  - {norm}\n"
    assert bias_gradient(graph_with(text, "bias-before-norm")) < 1e-6
    kept = text.replace(f"- {norm}", f"- tanh\n  - {norm}")
    assert bias_gradient(graph_without(kept, "bias-before-norm")) > 1e-3


def test_misaligned_operands_look_aside() -> None:
    body = "      body: [conv: {out: 4, stride: 2}]\n"
    aside = graph_with(
        IMAGE + "  - residual:\n" + body + "      project: [{conv: {out: 4, kernel: 5, padding: 0}}]\n",
        "misaligned-merge",
    )
    slightly = graph_without(IMAGE + "  - residual:\n" + body + "      project: [avg_pool: 2]\n", "misaligned-merge")
    for graph, other, apart in ((aside, "conv_0", 0.0), (slightly, "avg_pool_0", -0.5)):
        module = to_torch(graph)
        first, second = (f"residual_0.{name}" for name in ("body.conv_0", f"project.{other}"))
        assert centre_of(module, first, 2) - centre_of(module, second, 2) == apart
    module = to_torch(aside)
    assert centre_of(module, "residual_0.body.conv_0", 1) - centre_of(module, "residual_0.project.conv_0", 1) == -1.0


def centre_of(module: torch.fx.GraphModule, name: str, position: int) -> float:
    """The middle of the input rows that a position on a value's diagonal depends on."""

    class Stop(Exception):  # noqa: N818
        pass

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            result = super().run_node(n)
            if n.target == name:
                result[0, :, position, position].abs().sum().backward()
                raise Stop
            return result

    x = images(1).requires_grad_()
    with pytest.raises(Stop):
        Recorder(module).run(x)
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    return float(rows.min() + rows.max()) / 2


def test_an_unproductive_convolution_reads_what_saw_everything() -> None:
    """The field of its operand is as large as the input, and a position in the middle sees every row."""
    head = "  - conv: 4\n  - gelu\n  - conv: {out: 4, kernel: 7}\n  - gelu\n"
    (finding,) = build(IMAGE + head + "  - conv: 8\n")[1]
    assert finding.nodes == ("conv_2",)
    assert "a receptive field of 9×9 on an input of 8×8" in finding.message
    assert rows_seen(IMAGE + head) == 8
    assert rows_seen(IMAGE + head.replace("kernel: 7", "kernel: 5")) < 8


def rows_seen(text: str) -> int:
    """How many rows of the input a position in the middle depends on."""
    x = images(1).requires_grad_()
    to_torch(build(text)[0])(x)[0, :, 4, 4].abs().sum().backward()
    assert x.grad is not None
    return int((x.grad.abs().sum((0, 1, 3)) > 0).sum())


def test_what_rounding_up_costs() -> None:
    """The share that is said to be wasted is what the network with more channels takes more in that layer."""
    text = "archspec: 1\ninputs: {x: [256, 32, 32]}\nnetwork:\n  - conv: 12\n  - relu\n  - conv: 16\n"
    (finding,) = build(text)[1]
    narrow, wide = (measure_cost(build(text.replace("12", width))[0]).nodes[1].macs for width in ("12", "16"))
    assert f"{100 * (wide - narrow) / narrow:.0f} % more multiply-accumulates here" in finding.message


def test_values_leave_fp16_where_it_is_said() -> None:
    text = "archspec: 1\ninputs: {x: [256]}\nnetwork:\n  - linear: 256\n"
    text += "  - repeat: {n: 34, body: [residual: {body: [relu, linear: 256]}]}\n"
    graph, findings = build(text)
    (node,) = next(finding.nodes for finding in findings if finding.code == "signal-overflow")
    torch.manual_seed(0)
    values = every_value(graph, torch.randn(256, 256))
    sums = [id for id in graph.nodes if id.endswith("residual_0.add")]
    left = next(id for id in sums if not torch.isfinite(values[id].half()).all())
    assert abs(sums.index(left) - sums.index(node)) <= 2


def test_values_vanish_in_fp16() -> None:
    layer = "linear: {out: 64, init: torch, bias: false}"
    text = f"archspec: 1\ninputs: {{x: [64]}}\nnetwork:\n  - repeat: {{n: 30, body: [{layer}, relu]}}\n"
    for init, zero in (("torch", True), ("he", False)):
        graph, findings = build(text.replace("init: torch", f"init: {init}"))
        assert ("signal-vanishes" in {finding.code for finding in findings}) is zero
        values = every_value(graph, torch.randn(256, 64, generator=torch.Generator().manual_seed(0)))
        assert bool((values["repeat_0.i29.relu_0"].half() == 0).all()) is zero


def test_gradients_differ_by_more_than_fp16_holds() -> None:
    text = "archspec: 1\ninputs: {x: [32]}\nnetwork:\n  - linear: {out: 32, gain: 2}\n  - relu\n"
    text += "  - repeat: {n: 50, body: [linear: {out: 32, gain: 2}, relu]}\n"
    for gain, wide in ((2, True), (1, False)):
        graph, findings = build(text.replace("gain: 2", f"gain: {gain}"))
        assert ("gradient-spread" in {finding.code for finding in findings}) is wide
        torch.manual_seed(0)
        module = to_torch(graph)
        gradients = bias_gradients(module)
        assert (max(gradients) / min(gradients) > 65_504 / 2**-24) is wide


def bias_gradients(module: torch.fx.GraphModule) -> list[float]:
    """How large the gradients of all biases are: sums over samples of those of the layers' results."""
    result = module(torch.randn(256, 32, generator=torch.Generator().manual_seed(0)))
    (result * torch.randn_like(result)).sum().backward()
    found = {name: parameter.grad for name, parameter in module.named_parameters() if name.endswith("bias")}
    return [float(grad.square().mean().sqrt()) for grad in found.values() if grad is not None]


def test_a_dead_node_gets_no_gradient() -> None:
    text = IMAGE + "  - tap: a\n  - conv: 8\n  - from: a\n  - conv: 4\n"
    graph, findings = build(text)
    (finding,) = findings
    assert finding.nodes == ("conv_0",)
    module = to_torch(graph)
    module(images()).sum().backward()
    got = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    assert got == {"conv_1.weight", "conv_1.bias"}
