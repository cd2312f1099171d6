"""Random specs: what the program makes of each, against the interpreter of the language and the executor."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import torch
import yaml

from archspec.api import accepted_sizes, elaborate, load, to_torch
from archspec.errors import SpecError
from archspec.ops import Layer
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.paths.counting import count_paths
from compiler.graph import Graph
from tests.differential.documents import Spec, write_spec
from tests.differential.harness import Disagreement, Outcome, examine_safely
from tests.differential.layers import FIELDS, RefusedError
from tests.differential.mutants import edit
from tests.differential.network import Network
from tests.differential.reading import STRUCTURE
from tests.differential.results import CLOSE, differ, distance, run, run_module, sample_inputs
from tests.differential.shrink import shrink
from tests.support.lowering import stir

Comparison: TypeAlias = Callable[[Spec], Iterator[Disagreement]]

WORDS = {*FIELDS, *STRUCTURE, "norm", "activation"}
TEXTS = ("name", "description", "source", "extends")

YAML_SHARE = 4
"""One file of so many is YAML."""


def examine(seed: int) -> Outcome:
    spec = write_spec(Random(seed))
    found = list(compare(spec))
    return Outcome(found + list(compare_verdicts(edit(spec, Random(seed)))), Counter(words_of(spec)))


def explain(seed: int) -> str:
    """The smallest form of a seed's spec, or of its edited one, with the same disagreements."""
    spec = write_spec(Random(seed))
    for asked, ask in ((spec, compare), (edit(spec, Random(seed)), compare_verdicts)):
        if find_kinds(ask, vars(asked)):
            return explain_spec(asked, ask)
    return f"seed {seed}: no disagreement"


def explain_spec(spec: Spec, ask: Comparison) -> str:
    data = vars(spec)
    kinds = set(find_kinds(ask, data))
    smallest = shrink(data, lambda data: kinds <= set(find_kinds(ask, data)))
    found = find_kinds(ask, smallest)
    return "\n".join([json.dumps(smallest, indent=1), *(f"{kind}: {detail}" for kind, detail in found.items())])


def find_kinds(ask: Comparison, data: Any) -> dict[str, str]:
    """What disagrees about a spec as data, by kind; an exception counts, as in a run."""
    found = examine_safely(lambda seed: Outcome(list(ask(Spec(**data)))), 0).disagreements
    return {one.kind: one.detail for one in found}


def compile_spec(spec: Spec) -> Graph:
    """The program's graph; some of the files are YAML, others JSON."""
    with tempfile.TemporaryDirectory() as folder:
        for name, document in {"main": spec.document, **spec.files}.items():
            text = json.dumps(document)
            as_yaml = len(text) % YAML_SHARE == 0
            path = Path(folder) / f"{name}.{'yaml' if as_yaml else 'json'}"
            path.parent.mkdir(exist_ok=True)
            path.write_text(yaml.safe_dump(json.loads(text), sort_keys=False) if as_yaml else text, encoding="utf-8")
        return elaborate(load(next(Path(folder).glob("main.*"))))


def compare(spec: Spec) -> Iterator[Disagreement]:
    """Everything in which the program and the witnesses differ."""
    network = spec.interpret()
    try:
        graph = compile_spec(spec)
    except SpecError as error:
        first = error.diagnostics[0]
        yield Disagreement(f"refused: {first.code}", first.message)
        return
    different = list(compare_structure(network, graph))
    yield from different
    if different:
        return  # the rest only follows
    yield from compare_counts(network, graph)
    module = stir(to_torch(graph).double()).eval()
    yield from differ("state dict", "", set(graph.weights), set(module.state_dict()))
    yield from compare_values(network, module)
    yield from compare_sizes(spec, network, graph, module)


def compare_verdicts(spec: Spec) -> Iterator[Disagreement]:
    """Whether a document is a network at all; and where both sides say so, which."""
    try:
        network = spec.interpret()
    except RefusedError as error:
        with suppress(SpecError):
            compile_spec(spec)
            yield Disagreement("edited: accepted", str(error))
        return
    try:
        yield from compare_structure(network, compile_spec(spec))
    except SpecError as error:
        mistake = error.diagnostics[0]
        if (
            "it follows a size" not in mistake.message
        ):  # of which the interpreter, with one number for each, knows nothing
            yield Disagreement(f"edited: refused: {mistake.code}", mistake.message)


def compare_structure(network: Network, graph: Graph) -> Iterator[Disagreement]:
    """Names, operations with their fields, operands, shapes, outputs and stored tensors."""
    idle, expected = idle_fits(graph), network.operations
    found = {name: node for name, node in graph.nodes.items() if name not in idle}
    if list(found) != list(expected):
        names = sorted(set(found) ^ set(expected)) or "another order"
        yield Disagreement("names", f"{names}"[:300])
        return
    for name, operation in expected.items():
        node = found[name]
        fields = node.op.model_dump() if isinstance(node.op, Layer) or node.op.kind in FIELDED else {}
        if operation.kind == "attention":
            fields = {field: fields[field] for field in operation.fields}  # those of windows belong to `windows`
        yield from differ("operation", name, operation.kind, node.op.kind)
        yield from differ("fields", name, dict(operation.fields), fields)
        operands = tuple(idle.get(operand, operand) for operand in node.data_inputs)
        yield from differ("operands", name, operation.data_inputs, operands)
        yield from differ("shape", name, operation.shape, tuple(node.shape))
    yield from differ("outputs", "", network.outputs, dict(graph.outputs))
    weights = {name: (weight.shape, weight.trainable) for name, weight in graph.weights.items()}
    yield from differ("weights", "", network.weights(), weights)


FIELDED = ("attention", "deform_conv", "shake", "resize", "max_unpool", "concat_positions")
"""The operations that structure nodes make, whose fields the interpreter knows."""


def idle_fits(graph: Graph) -> dict[str, str]:
    """What cuts or pads nothing at these sizes, but would at others, with the value that it passes on."""
    fits = (node for node in graph if node.op.fits_extents)
    return {node.id: node.inputs[0] for node in fits if node.shape == graph[node.inputs[0]].shape}


def compare_counts(network: Network, graph: Graph) -> Iterator[Disagreement]:
    cost = measure_cost(graph)
    stored = network.weights().values()
    sizes = [(torch.Size(shape).numel(), trained) for shape, trained in stored]
    yield from differ("parameters", "", sum(size for size, trained in sizes if trained), cost.parameters)
    frozen = sum(node.frozen for node in cost.nodes)
    yield from differ("buffers", "", sum(size for size, trained in sizes if not trained), cost.buffers + frozen)
    yield from differ("macs", "", network.macs(), cost.macs["conv-linear"])
    idle = sum(graph[name].shape.elements for name in idle_fits(graph))
    yield from differ("activations", "", network.activations() + idle, cost.activations)
    if not idle_fits(graph):
        yield from differ(
            "paths", "", dict(network.paths()), dict(count_paths(graph, by_length=True).op.by_length or {})
        )


def compare_values(network: Network, module: torch.nn.Module, where: str = "") -> Iterator[Disagreement]:
    """The outputs of our module in double precision."""
    weights = {name: value.detach() for name, value in module.state_dict().items()}
    inputs = sample_inputs(network)
    with torch.no_grad():
        expected = run(network, weights, inputs)
        found = run_module(module, network.outputs, inputs)
        near = {name: value * (1 + 2**-49) for name, value in inputs.items() if value.is_floating_point()}
        moved = run(network, weights, {**inputs, **near})
    yield from differ("output names", where, list(expected), list(found))
    for name, value in expected.items():
        off, shaken = distance(value, found[name]), distance(value, moved[name])
        if not off <= max(CLOSE, 100 * shaken):
            detail = f"{where}{name}: off by {off:.3g} of the largest value; rounding moves {shaken:.3g}"
            yield Disagreement("values", detail)


def compare_sizes(spec: Spec, network: Network, graph: Graph, module: torch.nn.Module) -> Iterator[Disagreement]:
    """Sizes that are promised: they are networks with the same weights, and the module computes them."""
    letters = {letter for entries in network.letters.values() for letter in entries if isinstance(letter, str)}
    rules = accepted_sizes(graph)
    yield from differ("letters", "", letters, set(rules))
    weights = network.weights()
    for letter, rule in rules.items():
        for turn in (1, 2, 5, 23) if rule.dynamic else ():
            size = rule.sample(rule.value, 1 + turn)[-1]
            try:
                other = spec.interpret({letter: size})
                yield from differ("promised size", f"weights at {letter} = {size}", weights, other.weights())
            except RefusedError as error:
                yield Disagreement("promised size", f"{letter} = {size}: {error}")
                continue
            if turn == 1:
                yield from compare_values(other, module, f"{letter} = {size}: ")


OPERATORS = r"\b(?:if|and|or|not|true|false|in_channels|out_channels)\b|(?:min|max|len|round)\("
TOKENS = re.compile(OPERATORS + r"|[^\w\s.,()\]{}]+")


def words_of(spec: Spec) -> set[str]:
    """Every word, field and operator that a spec is written with, but for the names that it makes up."""
    found: set[str] = set()

    def walk(data: Any, inside: str) -> None:
        if isinstance(data, dict):
            for key, value in data.items():
                made_up = key[-1:].isdigit() or inside in ("params", "inputs", "each", "let", "args", "blocks", "sizes")
                word = "" if made_up else key
                found.update([f"{inside}.{word}" if inside else word] if word else [])
                walk(value, word)
        elif isinstance(data, list):
            for item in data:
                walk(item, "")
        elif isinstance(data, str) and data in WORDS:
            found.add(data)
        elif isinstance(data, str) and inside not in TEXTS:
            found.update(f"in expressions: {token}" for token in TOKENS.findall(data))

    for document in (spec.document, *spec.files.values()):
        walk(document, "")
    return found
