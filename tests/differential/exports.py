"""A network's ONNX file: the same bytes twice, proven by the program, and in ONNX Runtime what the executor gives."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from archspec.api import accepted_sizes, to_onnx, to_torch
from archspec.errors import ArchspecError
from compiler.graph import Graph
from tests.differential.documents import Spec
from tests.differential.harness import Disagreement
from tests.differential.layers import RefusedError
from tests.differential.network import Network
from tests.differential.results import distance, run, sample_inputs
from tests.lowering import TOLERANCE, run_onnx, stir

ROUNDINGS = 30
"""How many times as far off as single precision itself a result may be: sums are in another order, layers folded."""


def compare_exports(spec: Spec, graph: Graph) -> Iterator[Disagreement]:
    weights = {name: value.detach() for name, value in stir(to_torch(graph)).state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path, again = Path(folder) / "a.onnx", Path(folder) / "b.onnx"
        try:
            to_onnx(graph, weights, path)
            to_onnx(graph, weights, again)
        except ArchspecError as error:
            yield Disagreement("export", str(error)[:300])
            return
        if path.read_bytes() != again.read_bytes():
            yield Disagreement("bytes", "two exports differ")
        for sizes in some_sizes(graph):
            for batch in (1, 3):
                try:
                    yield from compare_run(spec.interpret(sizes), weights, path, batch, f"{sizes}, {batch} samples")
                except RefusedError as error:
                    yield Disagreement("promised size", f"{sizes}: {error}")


def some_sizes(graph: Graph) -> list[dict[str, int]]:
    """The usual sizes, and for each letter two others that are promised."""
    free = {letter: rule for letter, rule in accepted_sizes(graph).items() if rule.dynamic}
    return [{}, *({letter: rule.sample(rule.value, 1 + turn)[-1]} for letter, rule in free.items() for turn in (1, 4))]


def compare_run(
    network: Network, weights: Mapping[str, Tensor], path: Path, batch: int, where: str
) -> Iterator[Disagreement]:
    inputs = sample_inputs(network, batch)
    with torch.no_grad():
        expected = run(network, {name: value.double() for name, value in weights.items()}, inputs)
        single = run(network, weights, {name: value.float() for name, value in inputs.items()})
    try:
        found = run_onnx(path, {name: value.float().numpy() for name, value in inputs.items()})
    except Exception as error:  # ONNX Runtime's own, of several types
        yield Disagreement("onnxruntime", f"{where}: {str(error)[:300]}")
        return
    for name, value in expected.items():
        off, rounding = distance(value, torch.from_numpy(found[name]).double()), distance(value, single[name].double())
        if not off <= max(TOLERANCE, ROUNDINGS * rounding):
            detail = f"{name} at {where}: off by {off:.3g} of the largest value; single precision by {rounding:.3g}"
            yield Disagreement("onnx", detail)
