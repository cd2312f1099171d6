"""Measure int8 models against the float models that they were made of, in one run:

    python -m benchmarks.int8 [--rounds N] [--quick] [--output DIR]

Both are archspec's files of one network on ONNX Runtime's CPU provider, on all cores, with threads that do not spin and
images that are calibration data at the same time. How is said in `measuring.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.calls import count_calls, open_model, sample_calls
from benchmarks.measuring import (
    HEADER,
    Comparison,
    Tasks,
    count_met,
    interleave,
    run_benchmark,
    say,
    tell_machine,
)

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu")
CHILDREN = Tasks("benchmarks.int8")
NETWORKS: Mapping[str, float | None] = {"resnet50": 2.5, "resnet18": None, "densenet121": None, "mobilenet_v2": None}
"""The networks, each with the ratio that is wanted."""

SIDE, IMAGES = 224, 16
BATCHES = (1, 8)
SAMPLE_SECONDS = 0.5


def measure_network(name: str, rounds: str) -> dict[str, Any]:
    """Time of one call by batch, of both models; what int8 lost, by 4-fold cross-validation."""
    import numpy as np
    from safetensors.numpy import load_file

    from benchmarks.networks import build_graph, make_images, prepare_weights
    from compiler.onnx_target.model import build_model
    from compiler.onnx_target.write import to_bytes
    from runtime.int8.data import open_calibration_data
    from runtime.int8.quantize import quantize

    graph = build_graph(name, SIDE)
    with tempfile.TemporaryDirectory() as folder:
        weights, images = Path(folder) / "weights.safetensors", Path(folder) / "images.npy"
        prepare_weights(name, weights, SIDE)
        np.save(images, make_images(graph, IMAGES).numpy())
        model = build_model(graph, load_file(weights))
        quantized = quantize(model, open_calibration_data(images, graph, model.metadata))
    files = {"float": to_bytes(model), "int8": to_bytes(quantized.model)}
    samples = {}
    for batch in BATCHES:
        inputs = dict.fromkeys(graph.inputs, make_images(graph, batch).numpy())
        runs = {kind: open_model(data, inputs) for kind, data in files.items()}
        sampled = {kind: sample_calls(run, count_calls(run, SAMPLE_SECONDS, "wall")) for kind, run in runs.items()}
        samples[batch] = interleave(sampled, int(rounds))
    return {
        "samples": samples,
        "bytes": {kind: len(data) for kind, data in files.items()},
        "sqnr_db": quantized.report.loss.last.sqnr_db,
    }


TASKS = {"measure_network": measure_network}


def measure(rounds: int, quick: bool) -> tuple[dict[str, Any], list[Comparison]]:
    rows, losses = [], {}
    for name, wanted in list(NETWORKS.items())[: 1 if quick else None]:
        say(name)
        found = CHILDREN.run("measure_network", name, rounds)
        losses[name] = {key: found[key] for key in ("bytes", "sqnr_db")}
        for batch, samples in found["samples"].items():
            rows.append(
                Comparison(f"{name}, batch {batch}", "float32", samples["int8"], samples["float"], wanted=wanted)
            )
    report = {
        "networks": losses,
        "rows": [row.to_dict() for row in rows],
    }
    return report, rows


def render(report: Mapping[str, Any], rows: Sequence[Comparison]) -> str:
    lost = (
        f"{name} {found['sqnr_db']:.0f} dB, {found['bytes']['int8'] / found['bytes']['float']:.3f} of the bytes"
        for name, found in report["networks"].items()
    )
    lines = [
        "# Int8 against float32 on the CPU",
        "",
        f"Time of one call, {SIDE} px: median (min–max) of {report['rounds']} rounds; the ratio says how many times "
        f"faster int8 is, and is taken within each round. {count_met(row.met for row in rows)}",
        "",
        HEADER,
        *(row.to_markdown() for row in rows),
        "",
        f"Signal to noise of the output on the {IMAGES} random images of the calibration, and size: {'; '.join(lost)}.",
        "",
        tell_machine(report),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_benchmark("int8", "Measure int8 models on the CPU.", TASKS, measure, render, PACKAGES)
