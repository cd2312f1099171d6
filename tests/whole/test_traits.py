"""What an operation says of itself is true of its torch module, and everything that asks goes by it: an operation that
nobody knew before is treated by its traits alone."""

from __future__ import annotations

from itertools import product
from math import inf
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from archspec.api import to_torch
from archspec.arrays import Array
from archspec.ops import Bounds, DeformConv, Embedding, Op, Relu, Shape, Transpose
from archspec.ops.base import Family, Gating, Pointwise
from archspec.ops.bounds import SHARE
from archspec.ops.recurrent import Recurrent
from archspec.ops.scalar import Scalar
from archspec.ops.scaling import Scale
from compiler.analysis.lint import lint_graph
from compiler.analysis.paths.counting import count_paths, find_gates
from compiler.draw.theme import kind_of
from compiler.graph import Graph
from compiler.passes.base import Journal
from compiler.passes.drop_identities import DropIdentities
from compiler.passes.fold_affine_forward import FoldAffineForward
from compiler.passes.take_expectation import TakeExpectation
from tests.support.documents import graph_from
from tests.support.lowering import graph_of, stir
from tests.support.op_examples import EXAMPLES, IMAGE, VECTOR
from tests.support.rewriting import chain, kinds

BATCH = 6
TOLERANCE = 1e-4
ELSEWHERE = (("linear", (VECTOR,)), ("channel_conv", (VECTOR,)), ("space_to_depth", (Shape(3, 8, 6),)))
"""What takes no such map."""
FEW = [
    (op, shapes)
    for op, shapes in EXAMPLES
    if IMAGE in shapes
    or (op.kind, shapes) in ELSEWHERE
    or isinstance(op, Recurrent | Embedding | Transpose | DeformConv)
]
"""Each example once, on maps."""

walk = pytest.mark.parametrize(("op", "shapes"), FEW, ids=[f"{op!r}-{len(shapes)}" for op, shapes in FEW])


def test_every_operation_is_among_them() -> None:
    assert {type(op) for op, _ in FEW} == {type(op) for op, _ in EXAMPLES}


def build(op: Op, *shapes: Shape) -> nn.Module:
    return stir(to_torch(graph_of(op, *shapes))).eval()


def draw(low: float, high: float, *shapes: Shape) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [low + (high - low) * torch.rand(BATCH, *shape, generator=generator) for shape in shapes]


def by_channel(numbers: Tensor, x: Tensor) -> Tensor:
    return numbers.reshape(1, -1, *[1] * (x.dim() - 2))


@torch.no_grad()
def compute(module: nn.Module, xs: list[Tensor]) -> Tensor:
    found: Tensor = module(*xs)
    return found


@walk
def test_results_lie_within_their_bounds(op: Op, shapes: tuple[Shape, ...]) -> None:
    module = build(op, *shapes)
    for low, high in ((0.0, 7.0), (-2.0, 1.0), (-9.0, -1.0)):
        bounds = op.bound(*[Bounds(low, high)] * len(shapes))
        for mode in (False, True) if bounds != Bounds() else ():
            found = compute(module.train(mode), draw(low, high, *shapes))
            slack = TOLERANCE * max(1.0, float(found.abs().max()))
            wider = Bounds(bounds.low - slack, bounds.high + slack)
            assert wider.holds(Bounds(float(found.min()), float(found.max()))), (low, high, mode)


def test_bounds_are_no_wider_than_they_must_be() -> None:
    """A control: of functions whose bounds are known, results come near both ends."""
    for op in (example for example, _ in EXAMPLES if isinstance(example, Scalar) and example.rises):
        low, high = op.bound(Bounds(-3.0, 7.0))
        found, near = compute(build(op, Shape(800)), draw(-3.0, 7.0, Shape(800))), 0.02 * (high - low)
        assert found.min() - low < near, op
        assert high - found.max() < near, op


@walk
def test_commutes_as_it_says(op: Op, shapes: tuple[Shape, ...]) -> None:
    module, xs = build(op, *shapes), draw(-2.0, 2.0, *shapes)
    for flips, adds in product((False, True), repeat=2):
        if op.commutes(flips=flips, adds=adds):
            expected, found = move_affine(module, xs, flips=flips, adds=adds)
            assert torch.allclose(found, expected, atol=TOLERANCE), (flips, adds)


def move_affine(module: nn.Module, xs: list[Tensor], *, flips: bool, adds: bool) -> tuple[Tensor, Tensor]:
    """a op(x) + b, and op(a x + b)."""
    first, channels = xs[0], xs[0].shape[1]
    factor = torch.linspace(-1.5 if flips else 0.5, 2.0, channels)
    term = torch.linspace(0.3, 1.0, channels) if adds else torch.zeros(channels)
    after, before = compute(module, xs), by_channel(factor, first) * first + by_channel(term, first)
    return by_channel(factor, after) * after + by_channel(term, after), compute(module, [before, *xs[1:]])


@pytest.mark.parametrize(("flips", "adds"), [(True, False), (False, True)])
def test_a_rectifier_commutes_with_positive_factors_alone(flips: bool, adds: bool) -> None:
    expected, found = move_affine(build(Relu(), Shape(8, 5)), draw(-2.0, 2.0, Shape(8, 5)), flips=flips, adds=adds)
    assert not torch.allclose(found, expected, atol=TOLERANCE)


@walk
def test_is_odd_as_it_says(op: Op, shapes: tuple[Shape, ...]) -> None:
    """At initialization and without chance; of functions of one number also that the others are not odd."""
    if not (op.odd or isinstance(op, Scalar)):
        return
    module, xs = to_torch(graph_of(op, *shapes)).eval(), draw(-2.0, 2.0, *shapes)
    turned = compute(module, [-x for x in xs])
    assert torch.allclose(turned, -compute(module, xs), atol=TOLERANCE) == op.odd


@walk
def test_channels_of_zeros_stay_where_they_are(op: Op, shapes: tuple[Shape, ...]) -> None:
    if not op.keeps_zeros:
        return
    xs = draw(-2.0, 2.0, *shapes)
    xs[0][:, 3] = 0
    found = compute(build(op, *shapes), xs)
    if op.kind == "flatten":
        found = found.reshape(BATCH, shapes[0].channels, -1)
    assert not found[:, 3].any()
    assert found[:, 2].any()


@walk
def test_constants_of_channels_are_passed_on(op: Op, shapes: tuple[Shape, ...]) -> None:
    if not op.passes_terms or op.kind == "flatten":  # flattened, each number is a channel
        return
    module, xs = build(op, *shapes), draw(-2.0, 2.0, *shapes)
    term = torch.linspace(-1.0, 1.0, shapes[0].channels)
    more = compute(module, [xs[0] + by_channel(term, xs[0]), *xs[1:]]) - compute(module, xs)
    within = more.flatten(2)
    spread = within.amax((0, 2)) - within.amin((0, 2))
    assert spread.max() < TOLERANCE
    assert more.abs().max() > 1e-3


@walk
def test_what_changes_nothing_gives_its_operand(op: Op, shapes: tuple[Shape, ...]) -> None:
    if op.identity_on is not None:
        low, high = op.identity_on.meet(Bounds(-5.0, 5.0))
        xs = draw(low, high, *shapes)
        assert torch.equal(compute(build(op, *shapes), xs), xs[0])
        away = 6 if op.identity_on.low == -inf else -6
        assert not torch.equal(compute(build(op, *shapes), [x + away for x in xs]), xs[0] + away)
    if op.changes_nothing(*shapes):
        for mode in (False, True):
            xs = draw(-2.0, 2.0, *shapes)
            assert torch.equal(compute(build(op, *shapes).train(mode), xs), xs[0])


@walk
def test_is_at_inference_what_it_says(op: Op, shapes: tuple[Shape, ...]) -> None:
    twin = op.at_inference()
    if twin is op:
        return
    module, other, xs = build(op, *shapes), build(twin, *shapes), draw(-2.0, 2.0, *shapes)
    other.load_state_dict(module.state_dict())
    assert torch.allclose(compute(other, xs), compute(module, xs), atol=TOLERANCE)
    assert twin.at_inference() is twin


@walk
def test_kernels_have_weights_with_two_axes_or_more(op: Op, shapes: tuple[Shape, ...]) -> None:
    """What is drawn by a rule for kernels has; a learned value starts at a number, or around it, and no value is
    multiplied by the table of attention's bias."""
    drawn = any(len(weight.shape) > 1 and isinstance(weight.init, str) for weight in op.weights(*shapes).values())
    assert op.has_kernel == (drawn and op.kind != "attention")


@walk
def test_gates_give_shares(op: Op, shapes: tuple[Shape, ...]) -> None:
    assert op.gating != "gate" or SHARE.holds(op.bound(Bounds(-9.0, 9.0)))


@walk
def test_extents_are_fixed_where_it_says(op: Op, shapes: tuple[Shape, ...]) -> None:
    if op.fixes_extents:
        assert op.infer(*shapes).space == op.infer(Shape(8, *(size + 4 for size in shapes[0].space))).space


class Squash(Scalar):
    """min(max(0, x), 1)."""

    family: ClassVar[Family] = "activation"
    gating: ClassVar[Gating] = "gate"
    image: ClassVar[Bounds] = SHARE
    rises: ClassVar[bool] = True
    identity_on: ClassVar[Bounds | None] = SHARE

    def curve(self, x: float) -> float:
        return min(max(0.0, x), 1.0)

    def derivative(self, x: float) -> float:
        return float(0 < x < 1)


class Mute(Pointwise):
    """An operation that says nothing of itself."""


class Reverse(Pointwise):
    """The positions of the last axis in reverse order."""

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True


class Noise(Pointwise):
    """While training, values times random numbers of mean two."""

    def at_inference(self) -> Op:
        return Scale(value=2.0)


def write(*network: object) -> Graph:
    known: dict[str, type[Op]] = {"squash": Squash, "mute": Mute, "reverse": Reverse, "noise": Noise}
    document = {"archspec": 1, "inputs": {"x": [4, 6]}, "network": list(network)}
    return graph_from(document, extensions=known)


def use(name: str) -> dict[str, object]:
    return {"ext": {"use": name}}


def draw_weights(graph: Graph) -> dict[str, Array]:
    """Numbers for every weight, all positive, as variances are."""
    rng = np.random.default_rng(0)
    return {name: rng.uniform(0.5, 1.5, weight.shape).astype(np.float32) for name, weight in graph.weights.items()}


def find_codes(graph: Graph) -> set[str]:
    return {finding.code for finding in lint_graph(graph)}


@pytest.mark.parametrize(("name", "told"), [("squash", True), ("mute", False)])
def test_lint_and_passes_know_what_is_never_negative(name: str, told: bool) -> None:
    graph = write({"conv": 4}, use(name), "relu")
    assert ("idle-relu" in find_codes(graph)) == told
    after, _ = DropIdentities().apply(graph, draw_weights(graph), Journal())
    assert ("relu" in kinds(after)) == (not told)


@pytest.mark.parametrize(("name", "told"), [("squash", True), ("mute", False)])
def test_an_activation_within_its_straight_part_is_idle(name: str, told: bool) -> None:
    graph = write({"conv": 4}, "sigmoid", use(name))
    assert ("idle-relu" in find_codes(graph)) == told
    after, _ = DropIdentities().apply(graph, draw_weights(graph), Journal())
    assert (name in kinds(after)) == (not told)


@pytest.mark.parametrize(("name", "paths"), [("squash", 1), ("mute", 2)])
def test_paths_through_gates_are_left_out(name: str, paths: int) -> None:
    graph = write({"residual": {"body": [{"mul": [[{"conv": 4}], [{"conv": 4}, use(name)]]}]}})
    assert (len(find_gates(graph)) == 1) == (name == "squash")
    assert count_paths(graph).ungated.total == 1 + paths


@pytest.mark.parametrize(("name", "told"), [("squash", True), ("mute", False)])
def test_a_body_that_only_adds_is_told(name: str, told: bool) -> None:
    graph = write({"residual": {"body": [{"conv": 4}, use(name)]}})
    assert ("residual-only-adds" in find_codes(graph)) == told


@pytest.mark.parametrize(("name", "biased"), [("squash", True), ("mute", False)])
def test_fixup_puts_a_bias_before_activations(name: str, biased: bool) -> None:
    graph = write({"residual": {"scaling": "fixup", "body": [{"conv": 4}, use(name)]}})
    place = next(i for i, node in enumerate(graph) if node.op.kind == name)
    assert (list(graph)[place - 1].op.kind == "shift") == biased


@pytest.mark.parametrize(("name", "kind"), [("squash", "activation"), ("mute", "call")])
def test_pictures_colour_it_by_its_family(name: str, kind: str) -> None:
    assert kind_of(write(use(name))["ext_0"].op) == kind


@pytest.mark.parametrize(("name", "moved"), [("reverse", True), ("mute", False)])
def test_affine_functions_move_past_what_commutes(name: str, moved: bool) -> None:
    graph = write("batch_norm", use(name), {"conv": {"out": 4, "kernel": 1}})
    after, _ = FoldAffineForward().apply(graph, draw_weights(graph), Journal())
    assert ("batch_norm" not in kinds(after)) == moved


def test_what_draws_is_replaced_by_its_expectation() -> None:
    graph = write(use("noise"))
    after, _ = TakeExpectation().apply(graph, {}, Journal())
    assert [node.op for node in after][1:] == [Scale(value=2.0)]


def test_chains_of_the_language_meet_the_same_rules() -> None:
    """A control of the tests above: what the language has behaves as the extension that says the same."""
    graph = chain(Shape(4, 6), Relu(), Relu())
    assert kinds(DropIdentities().apply(graph, {}, Journal())[0]) == ["relu"]


def test_the_guide_names_every_trait() -> None:
    """What an operation may say of itself, but for what the guide names in words: fields, shape, weights, costs."""
    plain = {"kind", "main", "arity", "word", "facts", "chosen", "identity", "infer", "weights", "macs", "bias_adds"}
    plain |= {"elementwise", "unknown", "acts_alone", "model_config"}
    guide = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    traits = {name for name in {*vars(Op), *Op.__annotations__} if not name.startswith("_") and hasattr(Op, name)}
    traits -= {*vars(BaseModel), *plain}
    assert {name for name in traits if f"`{name}`" not in guide} == set()
    assert {"gated_by", "newer"} <= traits
