"""Unravelling: against the book's equations, and against what torch computes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from archspec.spec.zoo import zoo_specs
from compiler.analysis.paths.counting import count_paths
from compiler.analysis.paths.skeleton import find_skeleton
from compiler.analysis.paths.unravel import unravel
from compiler.graph import Graph
from compiler.torch_target.rules import RULES
from tests.support.documents import graph_from

SVG = "{http://www.w3.org/2000/svg}"


def chain(blocks: int, *, body: Any = ("relu", {"linear": 3})) -> Graph:
    """The book's network: nothing before or after the blocks."""
    network = [{"repeat": {"n": blocks, "body": [{"residual": {"body": list(body)}}]}}]
    return graph_from({"archspec": 1, "name": "chain", "inputs": {"x": [3]}, "network": network})


def dense(layers: int) -> Graph:
    network = [{"dense": {"n": layers, "body": ["batch_norm", "relu", {"conv": 2}]}}]
    return graph_from({"archspec": 1, "name": "dense", "inputs": {"x": [2, 8, 8]}, "network": network})


def fork(branches: list[Any]) -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": [{"add": branches}, "relu"]})


def test_equation_11_5() -> None:
    """Prince, 2023, equation 11.5; exercise 11.1 derives it."""
    (found,) = unravel(chain(4)).expressions
    assert found.text == (
        "x + f1[x] + f2[x + f1[x]] + f3[x + f1[x] + f2[x + f1[x]]]"
        " + f4[x + f1[x] + f2[x + f1[x]] + f3[x + f1[x] + f2[x + f1[x]]]]"
    )
    assert (found.value, found.terms, found.paths, found.complete) == ("y4", 5, 16, True)


def test_equation_11_4() -> None:
    assert unravel(chain(4)).definitions == {
        "y1": "x + f1[x]",
        "y2": "y1 + f2[y1]",
        "y3": "y2 + f3[y2]",
        "y4": "y3 + f4[y3]",
    }


def test_equation_11_6() -> None:
    """Prince, 2023, equation 11.6, as exercise 11.3 derives it."""
    (found,) = unravel(chain(4), derivative="f1").derivatives
    assert found.text == (
        "I + ∂f2/∂f1 + (∂f3/∂f1 + ∂f3/∂f2 ∂f2/∂f1)"
        " + (∂f4/∂f1 + ∂f4/∂f2 ∂f2/∂f1 + ∂f4/∂f3 ∂f3/∂f1 + ∂f4/∂f3 ∂f3/∂f2 ∂f2/∂f1)"
    )
    assert (found.value, found.terms, found.complete) == ("y4", 8, True)


@pytest.mark.parametrize("block", [1, 7, 53, 54])
def test_a_derivative_has_a_term_for_each_path(block: int) -> None:
    graph = chain(54)
    (found,) = unravel(graph, derivative=f"f{block}").derivatives
    assert found.terms == 2 ** (54 - block)
    by_body = unravel(graph, derivative=f"repeat_0.i{block - 1}.residual_0").derivatives
    assert by_body == (found,)


def test_many_blocks_are_abbreviated_with_exact_counts() -> None:
    result = unravel(chain(54), derivative="f1")
    (found,), (derivative,) = result.expressions, result.derivatives
    (four,) = unravel(chain(4)).expressions
    assert found.text == f"{four.text} + … (50 more terms)"
    assert (found.terms, found.paths, found.complete, found.ways) == (55, 2**54, False, None)
    assert derivative.text.endswith(f" + … ({2**53 - 8:,} more terms)")
    assert len(result.definitions) == 54


def test_full_writes_all_terms_or_says_that_they_are_too_many() -> None:
    (found,) = unravel(chain(8), full=True).expressions
    assert found.complete
    assert len(re.findall(r"\bx\b", found.text)) == 2**8
    with pytest.raises(ArchspecError, match="chain has 2,048 paths to output; at most 1,024 are written in full"):
        unravel(chain(11), full=True)
    with pytest.raises(ArchspecError, match="written in full"):
        unravel(chain(1000), full=True)


def test_a_thousand_blocks_are_quick_to_write() -> None:
    result = unravel(chain(1001), derivative="f1")
    assert result.expressions[0].paths == 2**1001
    assert result.derivatives[0].terms == 2**1000
    assert result.definitions["y1001"] == "y1000 + f1001[y1000]"


def test_problem_11_11() -> None:
    """Prince, 2023, equation 11.11: h1 = f1[x], h2 = f2[concat[x, h1]], h3 = f3[concat[x, h1, h2]] and
    y = concat[x, h1, h2, h3], with the h written out."""
    (found,) = unravel(dense(3)).expressions
    h1 = "f1[x]"
    h2 = f"f2[concat[x, {h1}]]"
    h3 = f"f3[concat[x, {h1}, {h2}]]"
    assert found.text == f"concat[x, {h1}, {h2}, {h3}]"
    assert found.paths == 8


def test_shortcuts_that_are_not_the_identity_are_functions() -> None:
    definitions = unravel(elaborate(load("resnet18"))).definitions
    assert definitions["y2"] == "g3[y1 + f2[y1]]"
    assert definitions["y3"] == "g4[p3[y2] + f3[y2]]"
    assert unravel(elaborate(load("highway10"))).definitions["y1"] == "p1[x0] + f1[x0]"


def test_the_same_value_twice_is_two_terms() -> None:
    (found,) = unravel(fork([[], [], ["relu"]])).expressions
    assert found.text == "x + x + f1[x]"
    assert found.paths == 3


def run(graph: Graph, module: nn.Module, id: str, known: dict[str, Tensor]) -> Tensor:
    """A node's value from known ones."""
    values = dict(known)
    layers: dict[str, Any] = dict(module.named_modules())
    for node in graph:
        if node.id not in values and all(operand in values for operand in node.inputs) and node.inputs:
            apply = layers.get(node.id) or RULES[type(node.op)](node.op, *graph.operands(node))
            values[node.id] = apply(*(values[operand] for operand in node.inputs))
    return values[id]


class Reader:
    """Computes what an expression says, with the network's own functions."""

    def __init__(self, graph: Graph, module: nn.Module, names: dict[str, Tensor]) -> None:
        self.graph, self.module, self.names = graph, module, names
        self.functions = unravel(graph).functions

    def read(self, text: str) -> Tensor:
        self.words = re.findall(r"\w+|[\[\],+]", text)
        value = self.sum()
        assert not self.words
        return value

    def sum(self) -> Tensor:
        value = self.term()
        while self.words[:1] == ["+"]:
            self.words.pop(0)
            value = value + self.term()
        return value

    def term(self) -> Tensor:
        word = self.words.pop(0)
        if self.words[:1] != ["["]:
            return self.names[word]
        arguments = []
        while self.words.pop(0) != "]":
            arguments.append(self.sum())
            if self.words[0] == ",":
                continue
        if word == "concat":
            return torch.cat(arguments, 1)
        call = self.functions[word]
        return run(self.graph, self.module, call.id, dict(zip(call.operands, arguments, strict=True)))


@pytest.mark.parametrize(
    ("name", "params", "sizes"),
    [
        ("residual_mlp", {}, {}),
        ("densenet_figure_11_9", {}, {}),
        ("se_net", {}, {"H": 8, "W": 8}),
        ("highway", {"layers": 4}, {}),
        ("unet_plus_plus", {"widths": [2, 3, 4], "deep": False}, {"H": 16, "W": 16}),
    ],
)
def test_an_expression_is_what_the_network_computes(name: str, params: dict[str, Any], sizes: dict[str, int]) -> None:
    graph = elaborate(load(name, params), sizes)
    module = to_torch(graph).double().eval()
    (shape,) = (node.shape for node in graph.inputs.values())
    skeleton = find_skeleton(graph)
    (input_,), (start,) = graph.inputs, skeleton.starts
    x = torch.randn(2, *shape, dtype=torch.float64)
    value = run(graph, module, start, {input_: x})
    (found,) = unravel(graph, full=True).expressions
    expected = run(graph, module, skeleton.core(found.output), {input_: x})
    names = dict.fromkeys(("x", "x0", input_), value)
    assert torch.allclose(Reader(graph, module, names).read(found.text), expected, rtol=1e-10, atol=1e-10)
    control = Reader(graph, module, names | dict.fromkeys(names, 1.1 * value))
    assert not torch.allclose(control.read(found.text), expected, rtol=1e-10, atol=1e-10)


def test_derivative_terms_add_up_to_the_derivative() -> None:
    """Equation 11.6 with real Jacobians: ∂y/∂f1 by autograd equals the sum of the products it names."""
    graph = chain(4, body=["tanh", {"linear": 3}])
    module = to_torch(graph).double()
    result = unravel(graph, derivative="f1")
    (found,) = result.derivatives
    values = {"x": torch.randn(1, 3, dtype=torch.float64)}
    for call in result.functions.values():  # the values at which the Jacobians are taken
        values[call.id] = run(graph, module, call.id, values)
    functions = {name: call.id for name, call in result.functions.items()}
    ids = list(graph.nodes)

    def jacobian(of: str, by: str, direct: bool) -> Tensor:
        """∂of/∂by; the direct one holds fixed what other functions between give."""
        between = {f: values[f] for f in functions.values() if ids.index(f) != ids.index(of)} if direct else {}
        between = {f: value for f, value in between.items() if ids.index(f) < ids.index(of)}
        upstream = {f: values[f] for f in functions.values() if ids.index(f) < ids.index(by)} | {"x": values["x"]}
        return torch.autograd.functional.jacobian(
            lambda value: run(graph, module, of, {**upstream, **between, by: value}), values[by]
        ).reshape(3, 3)

    total = torch.zeros(3, 3, dtype=torch.float64)
    for term in re.sub(r"[()]", "", found.text).split(" + "):
        product = torch.eye(3, dtype=torch.float64)
        for after, before in re.findall(r"∂(f\d)/∂(f\d)", term):
            product = product @ jacobian(functions[after], functions[before], direct=True)
        total += product
    end = find_skeleton(graph).core("output")
    assert torch.allclose(total, jacobian(end, functions["f1"], direct=False), rtol=1e-9)
    assert not torch.allclose(total - product, jacobian(end, functions["f1"], direct=False), rtol=1e-9)


def test_terms_that_double_are_counted() -> None:
    network = [{"linear": 4}, {"repeat": {"n": 20_000, "body": [{"add": [[], []]}]}}]
    (found,) = unravel(graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": network})).expressions
    assert found.terms == found.paths == 2**20_000
    assert found.text.endswith(" · 10^6020 more terms)")


def test_an_output_that_is_an_input_is_named() -> None:
    document = {"archspec": 1, "inputs": {"x": [4]}, "network": [{"output": "same"}, "relu", {"output": "other"}]}
    assert [found.text for found in unravel(graph_from(document)).expressions] == ["x", "f1[x]"]


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_every_network_unravels_into_its_paths(name: str) -> None:
    """Where no gate and no block lies inside a body, every path of the graph is one of the skeleton."""
    graph = elaborate(load(name))
    result = unravel(graph)
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    total = sum(found.paths for found in result.expressions)
    paths = count_paths(graph, by_length=False)
    bodies = {node.body for node in graph if node.body is not None}
    nested = any(inner.startswith(f"{body}.") for inner in bodies for body in bodies)
    forks = nested or any(len(node.data_inputs) > 1 and node.body is None for node in graph)
    assert total == paths.block.total if not forks else total <= paths.block.total
    for found in result.expressions:
        assert found.ways is None or len(found.ways) == found.paths


def test_an_unknown_function_is_named_with_those_there_are() -> None:
    with pytest.raises(ArchspecError, match=r"chain has no function or block 'f9'; there are f1, f2$"):
        unravel(chain(2), derivative="f9")
    with pytest.raises(ArchspecError, match=r"did you mean 'repeat_0.i1.residual_0'"):
        unravel(chain(2), derivative="repeat_0.i1.residual")
