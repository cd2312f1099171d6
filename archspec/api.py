"""The Python API: each arrow of the way from text to a running model, a few lines each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.errors import ArchspecError, Diagnostic, MissingExtra, SpecError
from archspec.files import write_whole
from archspec.ops import Layer, Op
from archspec.spec.load import Spec, load, read_spec
from archspec.spec.zoo import zoo_specs
from compiler.analysis.report import Report, analyze
from compiler.elaborate import MAX_NODES, elaborate
from compiler.graph import Graph
from compiler.sizes import accepted_sizes

if TYPE_CHECKING:
    from torch.fx import GraphModule

    from runtime.proof import Proof

PROOF_BUDGET = 8_000_000_000
"""Multiply-accumulates of one proof, about: a few seconds on two cores."""


def check(
    source: str | Path,
    params: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    *,
    max_nodes: int = MAX_NODES,
) -> tuple[Diagnostic, ...]:
    """Every mistake in a spec, in the order of their places; empty where it is sound."""
    try:
        elaborate(read_spec(source, params), sizes, max_nodes=max_nodes)
    except SpecError as error:
        return error.diagnostics
    return ()


def list_zoo() -> list[dict[str, Any]]:
    """A row for each spec of the zoo: name, family, description, inputs, parameters, MACs (conv-linear)."""
    rows = []
    for name, path in sorted(zoo_specs().items(), key=lambda item: (item[1].parent.name, item[1].stem)):
        spec = load(path)
        report = analyze(elaborate(spec), by_length=False)
        row: dict[str, Any] = {
            "name": name,
            "family": path.parent.name,
            "description": spec.description,
            "file": spec.file,
        }
        row |= {"inputs": {key: list(shape) for key, shape in report.inputs.items()}, "sizes": dict(report.sizes)}
        rows.append(row | {"parameters": report.cost.parameters, "macs": report.cost.macs["conv-linear"]})
    return rows


def to_torch(graph: Graph, *, seed: int = 0, rules: Mapping[type[Op], Any] | None = None) -> GraphModule:
    """The network as an nn.Module, initialized from `seed`; its state dict has the names of `graph.weights`.

    One output gives a tensor, several a dict by name. `rules` lower a caller's own operations. Raises MissingExtra
    without torch.
    """
    _need("torch", "train")
    from compiler.torch_target.module import to_torch as lower

    return lower(graph, seed=seed, rules=rules)


def to_onnx(
    graph: Graph,
    weights: Mapping[str, Any],
    path: str | Path,
    *,
    verify: bool = True,
    metadata: Mapping[str, str] | None = None,
    rules: Mapping[type[Op], Any] | None = None,
    torch_rules: Mapping[type[Op], Any] | None = None,
) -> Proof | None:
    """Write a model for inference to `path`; with `verify`, only after it has agreed with torch at several sizes.

    `weights` are tensors or arrays by name, as in a state dict. Gives the proof. Raises ArchspecError where the weights
    do not fit or the proof fails (no file is left then), and MissingExtra.
    """
    for module in ("onnx", "onnx_ir"):
        _need(module, "run")
    from compiler.onnx_target.model import build_model, save_model

    arrays = {name: _as_array(value) for name, value in weights.items()}
    model = build_model(graph, arrays, metadata=metadata, rules=rules)
    with write_whole(path) as temporary:
        save_model(model, temporary)
        return _prove(graph, arrays, temporary, torch_rules) if verify else None


def _prove(graph: Graph, arrays: Mapping[str, Any], path: Path, rules: Mapping[type[Op], Any] | None) -> Proof:
    _need("torch", "train")
    _need("onnxruntime", "run")
    from compiler.torch_target.module import load_weights
    from runtime.proof import prove

    module = to_torch(graph, rules=rules)
    load_weights(module, graph, arrays)
    return prove(path, module, proof_cases(graph))


def proof_cases(graph: Graph) -> list[dict[str, tuple[int, ...]]]:
    """Input shapes, batch included, at which an export is compared: the usual size where that is cheap, and where sizes
    are dynamic also small ones, different along each axis; batches of one, two and three."""
    rules = accepted_sizes(graph)
    small = {}
    for turn, (name, rule) in enumerate(rules.items()):
        if rule.dynamic:
            start = rule.first + -(-max(0, min(64, rule.value) - rule.first) // rule.step) * rule.step
            small[name] = start + turn * rule.step
    chosen: list[tuple[int, Mapping[str, int]]] = [(1, small), (3, small)]
    if small:
        chosen.append((2, {name: size + rules[name].step for name, size in small.items()}))
    macs = analyze(graph, by_length=False).cost.macs["conv-linear"]
    if macs <= PROOF_BUDGET:
        chosen.append((2 if 2 * macs <= PROOF_BUDGET else 1, {}))
    cases = []
    for batch, sizes in chosen:
        shapes = graph.infer(sizes)
        case = {name: (batch, *shapes[name]) for name in graph.inputs}
        cases += [] if case in cases else [case]
    return cases


def metadata_of(stored: Mapping[str, str]) -> dict[str, str]:
    """What an exported model takes over from the file of its weights: class names and preprocessing."""
    kept = {key: stored[key] for key in ("archspec.classes", "archspec.preprocess") if key in stored}
    for key, value in kept.items():
        try:
            json.loads(value)
        except ValueError as error:
            raise ArchspecError(f"{key} in the weights' metadata is not JSON: {error}") from error
    return kept


def _as_array(value: Any) -> Any:
    """A tensor's array without a copy where it lies on the CPU; anything else as it is."""
    detach = getattr(value, "detach", None)
    return detach().cpu().numpy() if detach else value


def _need(module: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise MissingExtra(module, extra)


__all__ = [
    "Layer",
    "Report",
    "Spec",
    "accepted_sizes",
    "analyze",
    "check",
    "elaborate",
    "list_zoo",
    "load",
    "proof_cases",
    "to_onnx",
    "to_torch",
]
