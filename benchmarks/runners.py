"""One candidate of the benchmark of inference in a process of its own: `python -m benchmarks.runners --serve RUNTIME`.

A runtime opens a network for images of one shape and gives a call that runs it on the same images every time, from
memory to memory. All get as many threads.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from archspec.arrays import Array
from benchmarks.workers import CLOCKS, time_calls
from runtime.measuring.worker import serve

Call = Callable[[], Sequence[Array]]
"""Runs the network once and gives its outputs, in order."""


def open_onnxruntime(path: str, images: Array, threads: int) -> Call:
    """Any exporter's file under the same settings: ONNX Runtime's own, but for the number of threads, and for axes that
    are free in the file, which are fixed at this shape."""
    return _open_onnxruntime(path, images, threads, fixed=True)


def open_free(path: str, images: Array, threads: int) -> Call:
    """Open a model without fixing what is free."""
    return _open_onnxruntime(path, images, threads, fixed=False)


def _open_onnxruntime(path: str, images: Array, threads: int, *, fixed: bool) -> Call:
    import onnxruntime as ort

    from runtime.session.model_file import ModelFile

    ((name, extents),) = ModelFile.open(path).inputs.items()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    for axis, extent in zip(extents, images.shape, strict=True):
        if fixed and isinstance(axis, str):
            options.add_free_dimension_override_by_name(axis, extent)
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {name: images}
    return lambda: session.run(None, feed)


def open_session(path: str, images: Array, threads: int) -> Call:
    """Open archspec's own file as its users run it after `archspec tune`, for this shape alone. The settings that were
    measured say how many threads there are, of all cores."""
    from archspec import Session
    from runtime.session.model_file import ModelFile

    ((name, extents),) = ModelFile.open(path).inputs.items()
    pairs = zip(extents, images.shape, strict=True)
    fixed = {axis: extent for axis, extent in pairs if isinstance(axis, str)}
    session = Session(path, providers=("cpu",), fixed=fixed)
    return lambda: list(session.run({name: images}).values())


def open_openvino(path: str, images: Array, threads: int) -> Call:
    """OpenVINO for one request at a time, for this shape alone, in float32."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(list(images.shape))
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def call() -> list[Array]:
        found = request.infer([images], share_inputs=True, share_outputs=True)
        return list(found.values())

    return call


def open_eager(source: str, images: Array, threads: int) -> Call:
    """The torch module as it is, channels last."""
    return _open_torch(source, images, threads)


def open_compiled(source: str, images: Array, threads: int) -> Call:
    """Open with torch.compile for this shape alone, channels last."""
    return _open_torch(source, images, threads, frozen=False)


def open_frozen(source: str, images: Array, threads: int) -> Call:
    """Open a model with the weights as constants, which folds BatchNorm and lays the kernels out in advance."""
    return _open_torch(source, images, threads, frozen=True)


def _open_torch(source: str, images: Array, threads: int, *, frozen: bool | None = None) -> Call:
    """Open a source, NAME:SIDE:WEIGHTS. `frozen` None: not compiled at all."""
    import torch

    from benchmarks.networks import load_module

    torch.set_num_threads(threads)
    name, side, weights = source.split(":", 2)
    module = load_module(name, Path(weights), int(side)).to(memory_format=torch.channels_last)
    if frozen is not None:
        import torch._inductor.config as inductor

        inductor.freezing = frozen
        module = torch.compile(module, dynamic=False)
    x = torch.from_numpy(images).to(memory_format=torch.channels_last)

    def call() -> list[Array]:
        with torch.no_grad():
            found = module(x)
        return [value.numpy() for value in (found.values() if isinstance(found, dict) else (found,))]

    return call


RUNTIMES: dict[str, Callable[[str, Array, int], Call]] = {
    "onnxruntime": open_onnxruntime,
    "onnxruntime free": open_free,
    "session": open_session,
    "openvino": open_openvino,
    "eager": open_eager,
    "compile": open_compiled,
    "compile frozen": open_frozen,
}
HEAVY = {
    "onnxruntime": "onnxruntime",
    "onnxruntime free": "onnxruntime",
    "session": "runtime.session.session",
    "openvino": "openvino",
}
"""The modules that each imports before the clock of opening starts; torch where nothing is said."""


class Runner:
    """The work of a child for its driver: open a network, then time calls."""

    def __init__(self, runtime: str) -> None:
        self._open = RUNTIMES[runtime]
        self._call: Call | None = None
        __import__(HEAVY.get(runtime, "torch"))

    def open(self, source: str, images: str, threads: int, outputs: str) -> float:
        """Seconds until the first result, which is kept in a file for comparison."""
        array = np.load(images)
        self._call = None
        start = time.perf_counter()
        self._call = self._open(source, array, threads)
        found = self._call()
        taken = time.perf_counter() - start
        np.savez(outputs, *found)
        return taken

    def time(self, seconds: float, clock: str) -> list[float]:
        assert self._call
        return time_calls(self._call, seconds, CLOCKS[clock])


if __name__ == "__main__":
    _, _, chosen = sys.argv
    runner = Runner(chosen)
    serve({"open": runner.open, "time": runner.time})
