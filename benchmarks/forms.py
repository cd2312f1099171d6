"""Measure the forms that `archspec export --for cpu` takes, and those that it does not, in one run:

    python benchmarks/forms.py [--rounds N] [--quick] [--output DIR]

Both sides are archspec's own files of one network with the same weights on ONNX Runtime's CPU provider, with and
without one form, on one thread that does not spin. The ratios are of CPU time. How is said in `measuring.py`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec.wording import write_shape
from benchmarks.calls import count_calls, open_model, sample_calls
from benchmarks.measuring import (
    HEADER,
    SEED,
    Comparison,
    Sample,
    Tasks,
    count_met,
    interleave,
    run_benchmark,
    say,
    tell_machine,
)

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu")
CHILDREN = Tasks("benchmarks.forms")
BATCHES = (1, 8)
WANTED = 1.05
"""The least gain of a form on a whole network for which it is taken."""

SAMPLE_SECONDS = 0.15
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Form:
    """A form by its name in `rewrites.py`, on a network of the zoo with these parameters or on layers of our own."""

    what: str
    network: str | Sequence[Any]
    form: str
    params: Mapping[str, int] | None = None
    shape: Sequence[int] = ()
    kept: bool = True
    long: bool = False

    @property
    def title(self) -> str:
        params = ", ".join(f"{name} {value}" for name, value in (self.params or {}).items())
        name = self.network if isinstance(self.network, str) else f"layers on {write_shape(self.shape)}"
        return f"{self.what}: {name}{f' ({params})' if params else ''}"


def bottlenecks(channels: int, width: int, groups: int) -> list[Any]:
    wide, grouped, back = {"out": width, "kernel": 1}, {"out": width, "groups": groups}, {"out": channels, "kernel": 1}
    body = [{"conv": wide}, "relu", {"conv": grouped}, "relu", {"conv": back}]
    return [{"conv": channels}, {"repeat": {"n": 3, "body": [{"residual": {"body": body}}, "relu"]}}]


def decoder(channels: int, factor: int) -> list[Any]:
    up = {"out": channels // 2, "kernel": factor, "stride": factor}
    return [{"conv": channels}, "relu", {"conv_transpose": up}, "relu", {"conv": channels // 2}, "relu"]


FORMS = (
    Form("groups joined", "resnext50_32x4d", "join"),
    Form("groups joined", "resnext101_32x8d", "join", long=True),
    Form("channels filled and packed", "densenet_40_12", "fill"),
    Form("kernels split", "densenet_40_12", "split"),
    Form("both", "densenet_40_12", "fill and split"),
    Form("both", "densenet_bc_100_12", "fill and split"),
    Form("kernels split", "densenet_40_12", "split", {"growth": 16}),
    Form("pads by kernels", "resnet20", "pad"),
    Form("pads by kernels", "resnet110", "pad"),
    Form("groups of 12 joined to 48", bottlenecks(256, 96, 8), "join 48", shape=(256, 28, 28), kept=False),
    Form("groups of 24 joined to 48", bottlenecks(256, 96, 4), "join 48", shape=(256, 56, 56), kept=False),
    Form("3×3 kernels to 32 channels split", "densenet121", "split 32", kept=False),
    Form("transposed convolution by depth", decoder(512, 2), "depth", shape=(512, 32, 32), kept=False),
    Form("transposed convolution by depth", decoder(128, 2), "depth", shape=(128, 64, 64), kept=False),
    Form("transposed convolution by depth", decoder(64, 4), "depth", shape=(64, 32, 32), kept=False),
    Form("concatenation as a sum", "unet_same", "sum", kept=False, long=True),
)

# ---- tasks: each runs in a process of its own ------------------------------------------------------------------------


def measure_form(index: str, batch: str, rounds: str) -> dict[str, list[Sample]]:
    """CPU time of one call with and without a form, whose results are equal."""
    import numpy as np

    form = FORMS[int(index)]
    graph = build(form)
    weights = draw_weights(graph)
    plain, other = build_models(form.form, graph, weights)
    name, node = next(iter(graph.inputs.items()))
    images = np.random.default_rng(SEED).standard_normal((int(batch), *node.shape)).astype(np.float32)
    runs = {side: open_model(data, {name: images}, 1) for side, data in (("form", other), ("plain", plain))}
    check_equal(*(run() for run in runs.values()))
    calls = count_calls(runs["plain"], SAMPLE_SECONDS, "wall_cpu")
    return interleave({side: sample_calls(run, calls) for side, run in runs.items()}, int(rounds))


def build(form: Form) -> Any:
    from archspec import elaborate, load

    if isinstance(form.network, str):
        sizes = {"H": 128, "W": 128} if form.network.startswith("unet") else None
        return elaborate(load(form.network, form.params), sizes)
    document = {"archspec": 1, "inputs": {"x": list(form.shape)}, "network": list(form.network)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layers.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return elaborate(load(path))


def draw_weights(graph: Any) -> dict[str, Any]:
    """Numbers that keep the signal's size, and statistics that are not those of the start."""
    import numpy as np

    random = np.random.default_rng(SEED)
    arrays = {}
    for name, weight in graph.weights.items():
        noise = random.standard_normal(weight.shape)
        if name.endswith("running_var"):
            noise = 0.5 + np.abs(noise)
        elif len(weight.shape) > 1:
            noise *= weight.deviation
        else:
            noise = 0.1 * noise + (1 if name.endswith("weight") else 0)
        arrays[name] = noise.astype(np.float32)
    return arrays


def build_models(name: str, graph: Any, weights: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The file without the form, and with it."""
    from benchmarks.rewrites import REWRITES, RULES
    from compiler.onnx_target.model import build_model
    from compiler.onnx_target.pipeline import EXACT
    from compiler.onnx_target.write import to_bytes
    from compiler.passes.base import run_passes

    graph, arrays, _ = run_passes(EXACT, graph, weights)
    after, others = REWRITES[name](graph, arrays)
    rules: Any = RULES
    return to_bytes(build_model(graph, arrays)), to_bytes(build_model(after, others, rules=rules))


def check_equal(found: Sequence[Any], expected: Sequence[Any]) -> None:
    for one, other in zip(found, expected, strict=True):
        off = abs(one - other).max() / abs(other).max()
        if not off < TOLERANCE:
            raise SystemExit(f"the form changes the result by {off:.2g} of its largest value")


TASKS = {"measure_form": measure_form}

# ---- the rows --------------------------------------------------------------------------------------------------------


def measure_forms(rounds: int, quick: bool) -> list[Comparison]:
    rows = []
    for index, form in enumerate(FORMS):
        if quick and form.long:
            continue
        say(form.title)
        for batch in BATCHES[: 1 if form.long else None]:
            samples = CHILDREN.run("measure_form", index, batch, rounds)
            what, wanted = f"{form.title}, batch {batch}", WANTED if form.kept else None
            rows.append(
                Comparison(what, "without it", samples["form"], samples["plain"], key="wall_cpu", wanted=wanted)
            )
    return rows


def render(report: Mapping[str, Any], rows: Sequence[Comparison]) -> str:
    taken, left = ([row for row in rows if (row.wanted is None) is without] for without in (False, True))
    lines = [
        "# Forms for ONNX Runtime's CPU provider",
        "",
        f"CPU time of one call on one thread: median (min–max) of {report['rounds']} rounds with the form, and without "
        "it; the ratio says how many times faster the file with the form is, and is taken within each round. "
        f"{count_met(row.met for row in rows)}",
        "",
        "## Taken by `--for cpu`",
        "",
        HEADER,
        *(row.to_markdown() for row in taken),
        "",
        "## Not taken",
        "",
        HEADER,
        *(row.to_markdown() for row in left),
        "",
        tell_machine(report),
    ]
    return "\n".join(lines) + "\n"


def measure(rounds: int, quick: bool) -> tuple[dict[str, Any], list[Comparison]]:
    rows = measure_forms(rounds, quick)
    return {"rows": [row.to_dict() for row in rows]}, rows


if __name__ == "__main__":
    run_benchmark("forms", "Measure forms for ONNX Runtime's CPU provider.", TASKS, measure, render, PACKAGES)
