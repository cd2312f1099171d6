"""A network above 2 GiB, where protobuf ends: from safetensors to ONNX in the memory of its weights, and right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors import safe_open

from archspec.api import elaborate, load
from compiler.graph import Graph
from runtime.session.model_file import ModelFile

PARAMS = {"layers": 9, "width": 8192}

MEASURE = """
import json, re, sys
from pathlib import Path
from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.weights import read_weights

def export(spec, params, weights, path):
    arrays, facts = read_weights(weights) if weights else (to_small(spec), {})
    to_onnx(elaborate(load(spec, params)), arrays, path, verify=False, metadata=facts)
    # Not getrusage, whose figure a process begins with that of whoever started it.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def to_small(spec):
    import numpy
    return {name: numpy.zeros(weight.shape, "float32") for name, weight in elaborate(load(spec)).weights.items()}

folder = Path(sys.argv[1])
base = export("mlp", {}, None, folder / "small.onnx")  # interpreter, libraries, and an export of 4,000 weights
peak = export("mlp", json.loads(sys.argv[2]), folder / "w.safetensors", folder / "large.onnx")
print(json.dumps([base, peak]))
"""


def write_weights(graph: Graph, path: Path) -> None:
    """safetensors in the memory of a few rows: every row of every matrix is another multiple of one of 64."""
    header, end = {}, 0
    for name, weight in graph.weights.items():
        size = 4 * weight.numel
        header[name] = {"dtype": "F32", "shape": list(weight.shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for layer, weight in enumerate(graph.weights.values()):
            row = weight.numel // weight.shape[0]
            base = (random.standard_normal((64, row)) / np.sqrt(row)).astype(np.float32)
            for start in range(0, weight.shape[0], 64):
                file.write((base * np.float32(1 + layer / 16 + start / 8192))[: weight.shape[0] - start].tobytes())


def run_numpy(graph: Graph, path: Path, x: np.ndarray) -> np.ndarray:
    """The network by hand, a matrix at a time."""
    with safe_open(path, "numpy") as file:
        layers = [name.removesuffix(".weight") for name in graph.weights if name.endswith(".weight")]
        for layer in layers:
            x = x @ file.get_tensor(f"{layer}.weight").T + file.get_tensor(f"{layer}.bias")
            x = x if layer == layers[-1] else np.maximum(x, 0)
    return x


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Emptied afterwards: pytest would keep the gigabytes of three runs."""
    yield tmp_path
    for path in tmp_path.iterdir():
        path.unlink()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_a_network_above_two_gib(folder: Path) -> None:
    graph = elaborate(load("mlp", PARAMS))
    weights, path = folder / "w.safetensors", folder / "large.onnx"
    write_weights(graph, weights)
    size = weights.stat().st_size
    assert size > 1 << 31

    command = [sys.executable, "-c", MEASURE, str(folder), json.dumps(PARAMS)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    base, peak = json.loads(answer.stdout)
    print(f"{size:,} bytes of weights; resident at most {peak:,} bytes, {base:,} of them without the large network")
    assert size < peak - base + base / 2, "the figures are not those of this export"
    assert peak - base < 1.2 * size

    ModelFile.open(path).check()
    model = onnx.load(path, load_external_data=False)
    (data,) = folder.glob("large.onnx.*.data")
    assert path.stat().st_size < 100_000
    with safe_open(weights, "numpy") as file:
        for tensor in model.graph.initializer:
            facts = {entry.key: entry.value for entry in tensor.external_data}
            if facts:
                found = np.memmap(data, np.float32, "r", int(facts["offset"]), tuple(tensor.dims))
                assert np.array_equal(found, file.get_tensor(tensor.name)), tensor.name

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_prepacking", "1")  # which would copy every matrix
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = np.array([[0.5], [-2.0]], np.float32)
    (y,) = session.run(None, {"x": x})
    expected = run_numpy(graph, weights, x)
    assert np.abs(y - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(y[0] - y[1]).max() > 1e-3 * np.abs(expected).max()  # the comparison sees something
