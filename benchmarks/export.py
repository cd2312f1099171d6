"""Measure the export to ONNX against torch's own exporters, with and without onnxslim, in one run:

    python benchmarks/export.py [--rounds N] [--quick] [--networks NAME...] [--output DIR]

How is said in `measuring.py`. Everybody exports the same numbers, archspec from its graph and the zoo's names, the
others from a network written in plain torch (`peers.py`) and torch's names.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import (
    HEADER,
    SEED,
    Comparison,
    Sample,
    Tasks,
    count_met,
    digits,
    interleave,
    peak_above,
    quantity,
    run_benchmark,
    say,
    spread,
    tell_machine,
    timed,
    timing,
)

NETWORKS: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "resnet50": ((2, 3, 224, 224), (3, 3, 160, 192)),
    "densenet121": ((2, 3, 224, 224), (3, 3, 160, 192)),
    "unet": ((2, 1, 188, 188), (1, 1, 204, 220)),
}
"""The shapes of images on which the results of each network's files are compared; the exporters see the first."""

EXPORTERS = ("dynamo", "torchscript")
SLIM = ", slim"
PEERS = tuple(exporter + form for exporter in EXPORTERS for form in ("", SLIM))
PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "onnxslim", "safetensors", "torch")
CHILDREN = Tasks("benchmarks.export")

# ---- tasks: each runs in a process of its own ------------------------------------------------------------------------


def prepare(name: str, folder: str) -> None:
    """The weights of a network in both sides' names."""
    from safetensors.torch import load_file, save_file

    from benchmarks import networks, peers

    networks.prepare_weights(name, _weights(folder), networks.NETWORKS[name])
    module, state = peers.build(name), load_file(_weights(folder))
    peers.take_weights(module, [state[key] for key in networks.build_graph(name).weights])
    save_file(module.state_dict(), _weights(folder, "torch"))


def export_warm(name: str, folder: str, rounds: str) -> dict[str, list[Sample]]:
    """All exports in one process, to files; and archspec's in memory. What onnxslim takes of a file stands alone."""
    from archspec import elaborate, load, to_onnx
    from compiler.onnx_target.model import build_model
    from compiler.onnx_target.write import to_bytes

    graph, state, module = elaborate(load(name)), _load_arrays(folder), _load_module(name, folder)
    candidates: dict[str, Callable[[], object]] = {
        "archspec": lambda: to_onnx(graph, state, _file(folder, "archspec"), verify=False),
        "in memory": lambda: to_bytes(build_model(graph, state)),
    }
    for exporter in EXPORTERS:
        candidates[exporter] = _exporting(name, module, exporter, folder)
    samples = interleave({item: timing(work) for item, work in candidates.items()}, int(rounds))
    slims = {item: timing(_slimming(item, folder)) for item in EXPORTERS}
    for exporter, slimmed in interleave(slims, int(rounds)).items():
        pairs = zip(samples[exporter], slimmed, strict=True)
        samples[exporter + SLIM] = [{key: before[key] + after[key] for key in before} for before, after in pairs]
    return samples


def export_archspec(name: str, folder: str) -> Sample:
    """Write an ONNX file from a file of weights, as `archspec export` does; torch is not needed."""
    from archspec import elaborate, load, to_onnx

    graph, state = elaborate(load(name)), _load_arrays(folder)
    return timed(lambda: to_onnx(graph, state, _file(folder, "archspec"), verify=False))


def export_module(name: str, folder: str) -> Sample:
    """Write an ONNX file from a torch module through archspec."""
    from archspec import to_onnx
    from benchmarks import networks

    graph, module = networks.build_graph(name), networks.load_module(name, _weights(folder))
    return timed(lambda: to_onnx(graph, module.state_dict(), _file(folder, "module"), verify=False))


def export_peer(name: str, folder: str, peer: str) -> Sample:
    """Write an ONNX file from a file of weights through a module, another exporter, and onnxslim where it is asked
    for."""
    exporter = peer.removesuffix(SLIM)
    steps = [_exporting(name, _load_module(name, folder), exporter, folder)]
    steps += [_slimming(exporter, folder)] if peer.endswith(SLIM) else []
    return timed(lambda: [step() for step in steps])


def load_archspec(name: str, folder: str) -> None:
    """Load what `export_archspec` starts from."""
    from archspec import elaborate, load

    elaborate(load(name)), _load_arrays(folder)


def load_torch(name: str, folder: str) -> None:
    """Load what `export_peer` starts from."""
    _load_module(name, folder)


def load_sessions(name: str, folder: str, rounds: str) -> dict[str, list[Sample]]:
    """Open each file as a session of ONNX Runtime that is ready to run; and of archspec's to a `Session`, as it was
    exported and with what `archspec export --optimized` puts beside it."""
    import onnxruntime as ort

    from archspec import Session
    from runtime.session.form_writer import write_optimized

    def load(path: str, level: Any = ort.GraphOptimizationLevel.ORT_ENABLE_ALL) -> Callable[[], object]:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = level
        return lambda: ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    plain, beside = _file(folder, "archspec"), _file(folder, "optimized")
    shutil.copyfile(plain, beside)
    candidates = {item: load(_file(folder, item)) for item in ("archspec", *PEERS)} | {
        "optimized": load(str(write_optimized(beside)), ort.GraphOptimizationLevel.ORT_DISABLE_ALL),
        "Session": lambda: Session(plain, providers=("cpu",)),
        "Session, optimized": lambda: Session(beside, providers=("cpu",)),
    }
    return interleave({item: timing(work) for item, work in candidates.items()}, int(rounds))


def describe_files(name: str, folder: str) -> dict[str, dict[str, float]]:
    """Bytes (with those beside the file) and nodes of each file, and how far its results are from torch's in float64,
    relative to the largest."""
    import onnx

    truths = _compute_truths(name, folder)
    return {
        item: {
            "bytes": _count_bytes(Path(_file(folder, item))),
            "nodes": len(onnx.load(_file(folder, item), load_external_data=False).graph.node),
            "relative_difference": max(_compare(_file(folder, item), *truth) for truth in truths),
        }
        for item in ("archspec", *PEERS)
    }


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task
    for task in (
        prepare,
        export_warm,
        export_archspec,
        export_module,
        export_peer,
        load_archspec,
        load_torch,
        load_sessions,
        describe_files,
    )
}


def _weights(folder: str, names: str = "archspec") -> Path:
    return Path(folder) / f"{names}.safetensors"


def _file(folder: str, item: str) -> str:
    """Each file has a folder of its own, since what an exporter puts beside it may have any name."""
    place = Path(folder) / item.replace(SLIM, "_slim")
    place.mkdir(exist_ok=True)
    return str(place / "model.onnx")


def _count_bytes(path: Path) -> int:
    return sum(item.stat().st_size for item in path.parent.iterdir())


def _load_arrays(folder: str) -> Mapping[str, Any]:
    from archspec.weights import read_weights

    return read_weights(_weights(folder))[0]


def _load_module(name: str, folder: str) -> Any:
    """The network in plain torch, without a second copy of its weights."""
    from safetensors.torch import load_file

    from benchmarks import peers

    module = peers.build(name, device="meta")
    module.load_state_dict(load_file(_weights(folder, "torch")), assign=True)
    return module.eval()


def _exporting(name: str, module: Any, exporter: str, folder: str) -> Callable[[], object]:
    import torch

    from benchmarks import peers

    path, example, dynamo = Path(_file(folder, exporter)), torch.zeros(NETWORKS[name][0]), exporter == "dynamo"
    return lambda: peers.export(module, path, example, axes=(0, 2, 3), dynamo=dynamo)


def _slimming(exporter: str, folder: str) -> Callable[[], object]:
    from benchmarks import peers

    return lambda: peers.slim(Path(_file(folder, exporter)), Path(_file(folder, exporter + SLIM)))


def _compute_truths(name: str, folder: str) -> list[tuple[Any, Any]]:
    import numpy as np
    import torch

    module = _load_module(name, folder).double()
    found = []
    for shape in NETWORKS[name]:
        images = np.random.default_rng(SEED).standard_normal(shape, np.float32)
        with torch.no_grad():
            found.append((images, module(torch.from_numpy(images).double()).numpy()))
    return found


def _compare(path: str, images: Any, truth: Any) -> float:
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: images})[0]
    return float(np.abs(found - truth).max() / np.abs(truth).max())


# ---- sections --------------------------------------------------------------------------------------------------------


def measure_network(name: str, rounds: int) -> tuple[list[Comparison], dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        say(f"{name}: weights")
        CHILDREN.run("prepare", name, folder)
        say(f"{name}: exports in one process")
        warm = CHILDREN.run("export_warm", name, folder, rounds)
        say(f"{name}: sessions")
        loads = CHILDREN.run("load_sessions", name, folder, 3 * rounds)
        files = CHILDREN.run("describe_files", name, folder)
        say(f"{name}: exports in cold processes")
        candidates = {
            "archspec": CHILDREN.cold("export_archspec", name, folder),
            "module": CHILDREN.cold("export_module", name, folder),
            "archspec before": CHILDREN.cold("load_archspec", name, folder),
            "torch before": CHILDREN.cold("load_torch", name, folder),
        } | {peer: CHILDREN.cold("export_peer", name, folder, peer) for peer in PEERS}
        samples = interleave(candidates, rounds, warm_up=False)  # the exports before have filled the disk cache
    facts = {item: found | {"load": spread([one["wall"] for one in loads[item]])} for item, found in files.items()}
    return [*_warm_rows(name, warm), *_cold_rows(name, samples), *_load_rows(name, loads)], facts


def _warm_rows(name: str, warm: Mapping[str, Sequence[Sample]]) -> list[Comparison]:
    rows = [
        Comparison(
            f"{name}, warm: `to_onnx`", peer, warm["archspec"], warm[peer], wanted=20 if peer == "dynamo" else None
        )
        for peer in PEERS
    ]
    return [*rows, Comparison(f"{name}, warm, in memory", "dynamo, to a file", warm["in memory"], warm["dynamo"])]


def _cold_rows(name: str, samples: Mapping[str, Sequence[Sample]]) -> list[Comparison]:
    ours, theirs = samples["archspec"], samples["dynamo"]
    added, peers = (peak_above(samples[item], samples[f"{before} before"]) for item, before in PAIRS)
    rows = [
        Comparison(f"{name}, cold process: weights file to ONNX file", peer, ours, samples[peer], wanted=limit)
        for peer, limit in zip(PEERS, (10, None, None, None), strict=True)
    ]
    rows += [
        Comparison(f"{name}, peak memory: weights file to ONNX file", peer, ours, samples[peer], "peak", limit, True)
        for peer, limit in zip(PEERS, (0.5, None, None, None), strict=True)
    ]
    return [
        *rows,
        Comparison(f"{name}, first call of a process: `to_onnx`", "dynamo", ours, theirs, key="call"),
        Comparison(
            f"{name}, peak memory: torch module to ONNX file", "dynamo", samples["module"], theirs, "peak", share=True
        ),
        Comparison(f"{name}, peak memory above that of loading alone", "dynamo", added, peers, "peak", share=True),
    ]


PAIRS = (("archspec", "archspec"), ("dynamo", "torch"))
"""The processes whose memory is compared, each with the one before it that is taken off."""


def _load_rows(name: str, loads: Mapping[str, Sequence[Sample]]) -> list[Comparison]:
    ours = loads["archspec"]
    rows = [
        Comparison(f"{name}, load: ONNX Runtime's session", peer, ours, loads[peer], "wall", limit, True)
        for peer, limit in zip(PEERS, (1, None, None, None), strict=True)
    ]
    return [
        *rows,
        Comparison(f"{name}, load: `Session`", "dynamo, ONNX Runtime's", loads["Session"], loads["dynamo"], share=True),
    ]


# ---- the report ------------------------------------------------------------------------------------------------------


def measure(rounds: int, quick: bool, *, networks: Sequence[str] | None) -> tuple[dict[str, Any], list[Comparison]]:
    rows: list[Comparison] = []
    files = {}
    for name in networks or list(NETWORKS)[: 1 if quick else None]:
        found, files[name] = measure_network(name, rounds)
        rows += found
    report = {
        "files": files,
        "rows": [row.to_dict() for row in rows],
    }
    return report, rows


def render(report: Mapping[str, Any], rows: Sequence[Comparison]) -> str:
    lines = [
        "# Export to ONNX",
        "",
        f"Median (min–max) of {report['rounds']} rounds, three times as many of loading. A ratio with × is peer / "
        "archspec, one without is archspec / peer; it is taken within each round. "
        f"{count_met(row.met for row in rows)}",
        "",
        HEADER,
        *(row.to_markdown() for row in rows),
        "",
        "## Files",
        "",
        "| network | by | MB | nodes | difference from torch in float64, relative | loads in |",
        "|---|---|---|---|---|---|",
        *(_describe(name, item, facts) for name, files in report["files"].items() for item, facts in files.items()),
        "",
        tell_machine(report),
    ]
    return "\n".join(lines) + "\n"


def _describe(name: str, item: str, facts: Mapping[str, Any]) -> str:
    cells = [
        name,
        item,
        digits(facts["bytes"] / 1e6),
        str(facts["nodes"]),
        f"{facts['relative_difference']:.1e}",
        quantity(facts["load"]["rounds"], "s"),
    ]
    return f"| {' | '.join(cells)} |"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, help="(all)")


if __name__ == "__main__":
    run_benchmark(
        "export",
        "Measure the export to ONNX against torch's.",
        TASKS,
        measure,
        render,
        PACKAGES,
        add_options=add_options,
    )
