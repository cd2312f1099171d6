"""The Python API: each arrow of the way from text to a running model, a few lines each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.errors import ArchspecError, Diagnostic, SpecError
from archspec.files import write_text, write_whole
from archspec.ops import Op, Shape, in_words
from archspec.spec.document import is_size
from archspec.spec.load import Spec, load, read_spec
from archspec.spec.text import to_yaml
from archspec.spec.zoo import zoo_specs
from compiler.analysis.report import Report, analyze
from compiler.elaborate import MAX_NODES, elaborate
from compiler.graph import Graph
from compiler.sizes import accepted_sizes
from runtime.extras import extra

if TYPE_CHECKING:
    from torch.fx import GraphModule

    from runtime.data import Dataset
    from runtime.evaluate import Evaluation
    from runtime.proof import Proof
    from runtime.train import Progress, TrainResult, TrainSettings

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
        # a library has no network, and nothing else may be wrong with it
        return tuple(item for item in error.diagnostics if item.code != "block-library")
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
    with extra("train"):
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
    with extra("run"):
        from compiler.onnx_target.model import build_model
        from compiler.onnx_target.write import write_model

    arrays = {name: _as_array(value) for name, value in weights.items()}
    model = build_model(graph, arrays, metadata=metadata, rules=rules)
    with write_whole(path) as temporary:
        write_model(model, temporary)
        return _prove(graph, arrays, temporary, torch_rules) if verify else None


def _prove(graph: Graph, arrays: Mapping[str, Any], path: Path, rules: Mapping[type[Op], Any] | None) -> Proof:
    with extra("train"):
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


def train(
    spec: Spec,
    data: str,
    folder: str | Path,
    settings: TrainSettings | None = None,
    *,
    sizes: Mapping[str, int] | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> TrainResult:
    """Train a spec on a data set by name. Leaves in `folder` the spec in one piece, the metrics as they come, and the
    weights with class names and preprocessing. Dynamic sizes are those of the data's images unless given."""
    from runtime.data import load_data
    from runtime.run_folder import METRICS, SPEC, WEIGHTS, MetricsWriter, save_weights
    from runtime.train import TrainSettings as Settings
    from runtime.train import check_module
    from runtime.train import train as run

    settings, dataset, folder = settings or Settings(), load_data(data), Path(folder)
    shape = next(iter(spec.inputs.values()))
    fitting = {name: extent for name, extent in zip(shape, dataset.preprocess.shape, strict=False) if is_size(name)}
    spec = replace(spec, sizes={**spec.sizes, **fitting, **(sizes or {})})
    graph = elaborate(spec)
    taken = [node.shape for node in graph.inputs.values()]
    if taken != [dataset.preprocess.shape]:
        found = f"{spec.name} takes {in_words(taken)}; the images of {data} are {Shape(*dataset.preprocess.shape)}"
        raise ArchspecError(f"{found}: choose another spec, or change its `inputs`")
    module = to_torch(graph, seed=settings.seed)
    check_module(module, dataset)
    write_text(folder / SPEC, to_yaml(spec.to_data()))
    with MetricsWriter(folder / METRICS) as metrics:
        result = run(module, dataset, settings, on_step, lambda epoch: metrics.write(epoch.to_dict()))
        measured = result.to_dict()
        metrics.write({key: value for key, value in measured.items() if key != "history"})
    facts = {"archspec.graph": graph.digest(), "archspec.settings": json.dumps(settings.to_dict())}
    save_weights(folder / WEIGHTS, result.state, describe_data(dataset) | facts)
    return result


def describe_data(dataset: Dataset) -> dict[str, str]:
    """What weights remember of the data they were trained on, and what a model needs to label pictures."""
    from runtime.run_folder import CLASSES, DATA, PREPROCESS

    classes = json.dumps(dataset.classes)
    return {DATA: dataset.name, CLASSES: classes, PREPROCESS: dataset.preprocess.to_json()}


def read_weights(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays of a safetensors file by name, and what the file says of their training, for an exported model to
    take over: class names and preprocessing."""
    from runtime.run_folder import CLASSES, PREPROCESS, load_weights

    arrays, stored = load_weights(path)
    return arrays, {key: stored[key] for key in (CLASSES, PREPROCESS) if key in stored}


def evaluate(folder: str | Path) -> Evaluation:
    """Compare the two forms of a trained network, torch and ONNX Runtime, on its data set's held-out images."""
    with extra("train"):
        from compiler.torch_target.module import load_weights as fill
    from runtime.evaluate import evaluate_run
    from runtime.run_folder import SPEC, WEIGHTS

    graph = elaborate(load(Path(folder) / SPEC))
    module = to_torch(graph)
    fill(module, graph, read_weights(Path(folder) / WEIGHTS)[0])
    return evaluate_run(folder, module)


def _as_array(value: Any) -> Any:
    """A tensor's array without a copy where it lies on the CPU; anything else as it is."""
    detach = getattr(value, "detach", None)
    return detach().cpu().numpy() if detach else value


__all__ = [
    "Report",
    "Spec",
    "accepted_sizes",
    "analyze",
    "check",
    "elaborate",
    "evaluate",
    "list_zoo",
    "load",
    "proof_cases",
    "read_weights",
    "to_onnx",
    "to_torch",
    "train",
]
