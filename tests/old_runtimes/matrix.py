"""Runtime × file: each ONNX Runtime in its own environment and process, on the same files and inputs, against torch.

`python -m tests.old_runtimes.matrix` prints the table of docs/export/runtimes.md.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx

from archspec.api import elaborate, load, proof_cases, to_torch
from archspec.ops import AvgPool, MaxPool
from compiler.graph import Graph
from compiler.onnx_target.formats import FIRST_OPSETS
from compiler.onnx_target.int8.quantize import plan_quantization, quantize_model
from compiler.onnx_target.int8.scheme import Scheme
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import write_model
from runtime.verification.differences import LIMITS, compare, compare_power
from runtime.verification.model.inside import ModelInside
from tests.old_runtimes.environments import CURRENT, RUNTIMES, find_python
from tests.support.lowering import TOLERANCE, Arrays, graph_of, run_torch, sample_inputs, stir
from tests.support.op_examples import EXAMPLES

NETWORKS = (
    *("resnet_digits", "resnet20", "resnet18", "preresnet110", "densenet_bc_100_12", "resnext29_32x4d", "mobilenet_v2"),
    *("efficientnet_b0", "se_net", "convnext_tiny", "unet_bilinear", "hourglass1", "highway10", "mlp_norm"),
)
HALVES = ("resnet_digits", "resnet20", "mobilenet_v2", "unet_bilinear")
INTEGERS = ("resnet_digits", "resnet20", "mobilenet_v2")

RUNNER = Path(__file__).with_name("run_files.py")


@dataclass(frozen=True)
class Kind:
    """How near to torch the files of a kind are, by which measure."""

    measure: Callable[[Any, Any], float]
    limit: float


KINDS: Mapping[str, Kind] = {
    "op": Kind(compare, TOLERANCE),
    "pool": Kind(compare, TOLERANCE),
    "fp32": Kind(compare, TOLERANCE),
    "fp16": Kind(compare, LIMITS["float16"].numbers),
    "int8": Kind(compare_power, 0.2),
}
"""By the start of a file's name. A `pool` rounds up and has a padding, with which older versions were at odds."""


def write_files(folder: Path) -> None:
    """Every file with its inputs and what torch gives for them: KIND-NAME.onnx, .in.npz, .torch.npz."""
    for number, (op, shapes) in enumerate(EXAMPLES):
        if op.kind in FIRST_OPSETS:  # of a version of ONNX whose kernels they do not all have
            continue
        graph = graph_of(op, *shapes)
        kind = "pool" if isinstance(op, MaxPool | AvgPool) and op.ceil and op.padding else "op"
        _write(folder, f"{kind}-{number:03}-{op.kind}", graph, sample_inputs(graph, 2), build_model)
    for name in NETWORKS:
        graph = elaborate(load(name))
        random = np.random.default_rng(0)
        case = proof_cases(graph)[0]  # at sizes that differ
        feed = {key: random.standard_normal((2, *shape[1:])).astype(np.float32) for key, shape in case.items()}
        _write(folder, f"fp32-{name}", graph, feed, build_model)
        if name in HALVES:
            _write(folder, f"fp16-{name}", graph, feed, _build_half)
        if name in INTEGERS:
            _write(folder, f"int8-{name}", graph, feed, partial(_build_integers, feed))


def run_runtime(version: str, folder: Path) -> dict[str, float | str]:
    """By file, how far the runtime is from torch, or what went wrong."""
    python = find_python(version)
    assert python, version
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([python, RUNNER, folder, out], check=True, capture_output=True, text=True)
        return {file.stem: _judge(file, Path(out)) for file in sorted(folder.glob("*.onnx"))}


def exceeds(name: str, found: float | str) -> bool:
    return isinstance(found, str) or not found <= KINDS[name.partition("-")[0]].limit


def _write(
    folder: Path, name: str, graph: Graph, feed: Arrays, build: Callable[[Graph, Mapping[str, Any]], OnnxModel]
) -> None:
    module = stir(to_torch(graph))
    model = build(graph, {key: value.numpy() for key, value in module.state_dict().items()})
    write_model(model, folder / f"{name}.onnx")
    kinds = {item.name: item.type.tensor_type.elem_type for item in model.head.graph.input}
    typed: dict[str, Any] = {
        key: array.astype(onnx.helper.tensor_dtype_to_np_dtype(kinds[key])) for key, array in feed.items()
    }
    np.savez(folder / f"{name}.in.npz", **typed)
    np.savez(folder / f"{name}.torch.npz", **cast(dict[str, Any], run_torch(graph, module, feed)))


def _build_half(graph: Graph, weights: Mapping[str, Any]) -> OnnxModel:
    return build_model(graph, weights, options=ExportOptions(precision="fp16"))


def _build_integers(feed: Arrays, graph: Graph, weights: Mapping[str, Any]) -> OnnxModel:
    """With ranges from the inputs that are compared."""
    model = build_model(graph, weights)
    wanted = plan_quantization(model, "u8s8").values
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        write_model(model, path)
        values = ModelInside(path).read([name for name in wanted if name not in feed], feed) | feed
    return quantize_model(
        model, Scheme("u8s8", {name: (float(values[name].min()), float(values[name].max())) for name in wanted})
    )


def _judge(file: Path, out: Path) -> float | str:
    error = out / f"{file.stem}.error"
    if error.exists():
        return error.read_text(encoding="utf-8")
    measure = KINDS[file.stem.partition("-")[0]].measure
    with np.load(file.with_suffix(".torch.npz")) as expected, np.load(out / f"{file.stem}.npz") as found:
        shapes = {name: (expected[name].shape, found[name].shape) for name in expected.files}
        if any(one != other for one, other in shapes.values()):
            return f"torch's shape and this one's: {shapes}"
        return max(measure(expected[name], found[name]) for name in expected.files)


def tabulate(results: Mapping[str, Mapping[str, float | str]]) -> Iterator[str]:
    """A Markdown table: a row for each network and precision, and one for all operations; the difference from torch."""
    yield f"| file | {' | '.join(results)} |"
    yield f"|---|{'---:|' * len(results)}"
    first = next(iter(results.values()))
    operations = [name for name in first if name.startswith("op-")]
    pools = [name for name in first if name.startswith("pool-")]
    rows = {f"{len(operations)} files of one operation, the worst": operations}
    rows |= {f"{len(pools)} files of a pool with `ceil: true` and a padding": pools}
    rows |= {name.replace("-", " ", 1): [name] for name in first if not name.startswith(("op-", "pool-"))}
    for title, names in rows.items():
        yield f"| {title} | {' | '.join(_worst(found, names) for found in results.values())} |"


def _worst(found: Mapping[str, float | str], names: list[str]) -> str:
    wrong = [name for name in names if exceeds(name, found[name])]
    if wrong:
        return f"{len(wrong)} of {len(names)} fail"
    return f"{max(float(found[name]) for name in names):.1e}"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder)
        versions = [version for version in (*RUNTIMES, CURRENT) if find_python(version)]
        results = {version: run_runtime(version, folder) for version in versions}
    print("\n".join(tabulate(results)))
    for version, found in results.items():
        for file, value in found.items():
            if exceeds(file, value):
                print(f"{version} {file}: {value}")


if __name__ == "__main__":
    main()
