"""Measure building, analysis and export against their peers, in one run:

    python benchmarks/compile.py [--rounds N] [--quick] [--output DIR]

How is said in `measuring.py`. Wanted ratios are stated beside what was measured; the exit status does not depend on
them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import (
    HEADER,
    SEED,
    Row,
    Sample,
    Tasks,
    cold,
    count_met,
    describe_machine,
    interleave,
    peak_above,
    run_benchmark,
    say,
    tell_machine,
    timed,
    timing,
)

EXPORTED = ("resnet50", "densenet121")
CHAINS = (100, 1_000, 10_000)
PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "torch", "torchinfo")
CHILDREN = Tasks("benchmarks.compile")

# ---- tasks: each runs in a process of its own ------------------------------------------------------------------------


def analyze_warm(rounds: str) -> dict[str, list[Sample]]:
    """(b) ResNet-50 in one process: archspec from the spec's name to the report; torchinfo on a module."""
    from archspec import analyze, elaborate, load
    from benchmarks import peers

    module, outline = peers.build(), peers.build(device="meta")
    assert analyze(elaborate(load("resnet50"))).cost.parameters == peers.summarize(module)
    candidates: dict[str, Callable[[], object]] = {
        "archspec": lambda: analyze(elaborate(load("resnet50"))),
        "summary": lambda: peers.summarize(module),
        "build": lambda: peers.summarize(peers.build()),
        "meta": lambda: peers.summarize(outline, "meta"),
    }
    return interleave({name: timing(work) for name, work in candidates.items()}, int(rounds))


def analyze_chains(rounds: str, *lengths: str) -> dict[str, list[Sample]]:
    """(d) Build, cost and number of paths of residual chains; seconds per block."""
    from archspec import analyze, elaborate, load

    def build(blocks: int, turns: int) -> None:
        for _ in range(turns):
            graph = elaborate(load("residual_mlp", {"blocks": blocks}), max_nodes=10 * blocks)
            assert analyze(graph, by_length=False).paths.op.total == 2**blocks

    def measure(blocks: int) -> Sample:
        turns = max(1, 2_000 // blocks)  # a short chain is over too soon to be timed once
        sample = timed(lambda: build(blocks, turns))
        return {key: value / turns / blocks for key, value in sample.items()}

    return interleave({length: _measuring(measure, int(length)) for length in lengths}, int(rounds))


def prepare_weights(spec: str, path: str) -> None:
    """Weights as after a little training: the statistics of BatchNorm are those of some passes, its scales differ."""
    import torch
    from safetensors.torch import save_file

    from archspec import elaborate, load, to_torch

    torch.manual_seed(SEED)
    module = to_torch(elaborate(load(spec)), seed=SEED).train()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(0, 0.2)
        for _ in range(3):
            module(torch.randn(4, 3, 224, 224))
    save_file(module.state_dict(), path)


def export_warm(spec: str, weights: str, ours: str, theirs: str, rounds: str) -> dict[str, list[Sample]]:
    """(c) Both exports of one module in one process, including the write."""
    from archspec import to_onnx
    from benchmarks import peers

    graph, module = _load_module(spec, weights)
    state = module.state_dict()
    candidates = {
        "archspec": timing(lambda: to_onnx(graph, state, ours, verify=False)),
        "torch": timing(lambda: peers.export(module, Path(theirs))),
    }
    return interleave(candidates, int(rounds))


def export_archspec(spec: str, weights: str, path: str) -> Sample:
    """(c) From a file of weights to an ONNX file, as `archspec export` does; torch is not needed."""
    from archspec import to_onnx

    graph, arrays = _load_arrays(spec, weights)
    return timed(lambda: to_onnx(graph, arrays, path, verify=False))


def export_torch(spec: str, weights: str, path: str) -> Sample:
    """(c) From a file of weights to an ONNX file through a module and torch's exporter."""
    from benchmarks import peers

    _, module = _load_module(spec, weights)
    return timed(lambda: peers.export(module, Path(path)))


def export_module(spec: str, weights: str, path: str) -> Sample:
    """(c) From a torch module to an ONNX file through archspec."""
    from archspec import to_onnx

    graph, module = _load_module(spec, weights)
    return timed(lambda: to_onnx(graph, module.state_dict(), path, verify=False))


def load_archspec(spec: str, weights: str) -> None:
    """Where `export_archspec` starts from."""
    _load_arrays(spec, weights)


def load_torch(spec: str, weights: str) -> None:
    """Where `export_torch` starts from."""
    _load_module(spec, weights)


def compare_files(spec: str, weights: str, ours: str, theirs: str) -> dict[str, float]:
    """How far both files and the module are apart, relative to the largest result, at two batches and sizes."""
    import numpy as np
    import onnxruntime as ort
    import torch

    _, module = _load_module(spec, weights)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    sessions = [ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for path in (ours, theirs)]
    apart = {"archspec to torch's exporter": 0.0, "archspec to the module": 0.0}
    for shape in ((2, 3, 224, 224), (3, 3, 160, 192)):
        images = np.random.default_rng(SEED).standard_normal(shape, np.float32)
        mine, other = (session.run(None, {session.get_inputs()[0].name: images})[0] for session in sessions)
        with torch.no_grad():
            truth = module(torch.from_numpy(images)).numpy()
        for name, reference in zip(apart, (other, truth), strict=True):
            apart[name] = max(apart[name], float(np.abs(mine - reference).max() / np.abs(reference).max()))
    return apart


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task
    for task in (
        analyze_warm,
        analyze_chains,
        prepare_weights,
        export_warm,
        export_archspec,
        export_torch,
        export_module,
        load_archspec,
        load_torch,
        compare_files,
    )
}


def _load_arrays(spec: str, weights: str) -> tuple[Any, Mapping[str, Any]]:
    from safetensors.numpy import load_file

    from archspec import elaborate, load

    return elaborate(load(spec)), load_file(weights)


def _load_module(spec: str, weights: str) -> tuple[Any, Any]:
    from safetensors.torch import load_file

    from archspec import elaborate, load, to_torch

    graph = elaborate(load(spec))
    module = to_torch(graph)
    module.load_state_dict(load_file(weights), assign=True)  # without a second copy, in the peer's favour
    return graph, module.eval()


def _measuring(measure: Callable[[int], Sample], blocks: int) -> Callable[[], Sample]:
    return lambda: measure(blocks)


# ---- sections --------------------------------------------------------------------------------------------------------


def measure_cold_start(rounds: int) -> list[Row]:
    """(a) and (e): what the command line takes until it has answered."""
    say("cold processes: analyze and --help")
    samples = interleave(
        {
            "analyze": cold("-m", "archspec", "analyze", "resnet50", "--json"),
            "torchinfo": cold("-m", "benchmarks.peers"),
            "help": cold("-m", "archspec", "--help"),
            "import": cold("-c", "import torch"),
        },
        rounds,
    )
    what, ours = "(a) cold process: `archspec analyze resnet50 --json`", samples["analyze"]
    shown, imported = samples["help"], samples["import"]
    return [
        Row(what, "ResNet-50 in torch, torchinfo", ours, samples["torchinfo"], wanted=3),
        Row("(e) cold process: `archspec --help`", "`import torch`", shown, imported, wanted=0.3, share=True),
    ]


def measure_analysis(rounds: int) -> list[Row]:
    say("in one process: analysis of resnet50")
    samples = CHILDREN.run("analyze_warm", 4 * rounds)
    what, ours = "(b) warm: load, elaborate and analyze resnet50", samples["archspec"]
    return [
        Row(what, "torchinfo of a module built before", ours, samples["summary"], wanted=5),
        Row(what, "build the module, torchinfo", ours, samples["build"], wanted=5),
        Row(what, "torchinfo of a module built before, on torch's meta device", ours, samples["meta"]),
    ]


def measure_export(spec: str, rounds: int, folder: Path) -> tuple[list[Row], dict[str, float]]:
    """(c) for one network: the rows, and how far the two files are apart."""
    weights, ours, theirs = (folder / name for name in ("weights.safetensors", "archspec.onnx", "torch.onnx"))
    say(f"{spec}: weights")
    CHILDREN.run("prepare_weights", spec, weights)
    say(f"{spec}: exports in one process")
    warm = CHILDREN.run("export_warm", spec, weights, ours, theirs, rounds)
    say(f"{spec}: exports in cold processes")
    candidates = {
        "archspec": CHILDREN.cold("export_archspec", spec, weights, ours),
        "torch": CHILDREN.cold("export_torch", spec, weights, theirs),
        "module": CHILDREN.cold("export_module", spec, weights, folder / "module.onnx"),
        "archspec before": CHILDREN.cold("load_archspec", spec, weights),
        "torch before": CHILDREN.cold("load_torch", spec, weights),
    }
    samples = interleave(candidates, rounds, warm_up=False)  # the exports before have filled the disk cache
    apart = CHILDREN.run("compare_files", spec, weights, ours, theirs)
    return _export_rows(spec, warm, samples), apart


def _export_rows(spec: str, warm: Mapping[str, Sequence[Sample]], samples: Mapping[str, Sequence[Sample]]) -> list[Row]:
    peer, title = "`torch.onnx.export(dynamo=True)`", f"(c) {spec}"
    ours, theirs = samples["archspec"], samples["torch"]
    added, peers = (peak_above(samples[name], samples[f"{name} before"]) for name in ("archspec", "torch"))
    trained = samples["module"]
    return [
        Row(f"{title}, warm: `to_onnx`", peer, warm["archspec"], warm["torch"], wanted=10),
        Row(f"{title}, first call of a process: `to_onnx`", peer, ours, theirs, key="call", wanted=10),
        Row(f"{title}, cold process: weights file to ONNX file", f"module, {peer}", ours, theirs, wanted=10),
        Row(f"{title}, peak memory: weights file to ONNX file", f"module, {peer}", ours, theirs, "peak", 0.5, True),
        Row(f"{title}, peak memory: torch module to ONNX file", f"module, {peer}", trained, theirs, "peak", share=True),
        Row(
            f"{title}, peak memory above that of loading alone", f"module, {peer}", added, peers, key="peak", share=True
        ),
    ]


def measure_chains(lengths: Sequence[int], rounds: int) -> list[Row]:
    say("residual chains")
    samples = CHILDREN.run("analyze_chains", rounds, *lengths)
    first, *longer = lengths
    return [
        Row(
            f"(d) chain of {length:,} blocks: build, cost, number of paths; time per block",
            f"archspec, {first:,} blocks",
            samples[str(length)],
            samples[str(first)],
            wanted=2,
            share=True,
        )
        for length in longer
    ]


# ---- the report ------------------------------------------------------------------------------------------------------


def render(report: Mapping[str, Any], rows: Sequence[Row]) -> str:
    apart = [
        f"{spec}: " + ", ".join(f"{name} {value:.1e}" for name, value in found.items())
        for spec, found in report["relative_difference"].items()
    ]
    met = count_met(row.met for row in rows)
    lines = [
        "# Building, analysis and export",
        "",
        f"Median (min–max) of {report['rounds']} rounds ({4 * report['rounds']} for (b)). A ratio with × is peer / "
        f"archspec, one without is archspec / peer; it is taken within each round. {met}",
        "",
        HEADER,
        *(row.to_markdown() for row in rows),
        "",
        f"Largest difference of results in ONNX Runtime, relative: {'; '.join(apart)}.",
        "",
        tell_machine(report),
    ]
    return "\n".join(lines) + "\n"


def measure(rounds: int, quick: bool) -> tuple[dict[str, Any], list[Row]]:
    started = os.getloadavg()[0]
    rows = [*measure_cold_start(rounds), *measure_analysis(rounds)]
    apart = {}
    for spec in EXPORTED[: 1 if quick else None]:
        with tempfile.TemporaryDirectory() as folder:
            found, apart[spec] = measure_export(spec, rounds, Path(folder))
        rows += found
    rows += measure_chains(CHAINS[: 2 if quick else None], rounds)
    rows.sort(key=lambda row: row.what[:3])
    report = {
        "rounds": rounds,
        "machine": describe_machine(PACKAGES),
        "load_average": {"before": started, "after": os.getloadavg()[0]},
        "relative_difference": apart,
        "rows": [row.to_dict() for row in rows],
    }
    return report, rows


if __name__ == "__main__":
    run_benchmark("compile", "Measure archspec's compiler against its peers.", TASKS, measure, render)
