"""One candidate of the benchmark on a GPU in a process of its own: `python -m benchmarks.gpu_runners --serve RUNTIME`.

A runtime opens a network for images of one shape on a device, and gives two calls: `resident`, whose images and results
stay on the device, and `whole`, which takes the images from memory and brings the results back. Both return when the
device is done. On the device "cpu" the same code runs without a GPU; there is nothing to copy then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array
from benchmarks.workers import CLOCKS, time_calls
from runtime.measuring.worker import serve


@dataclass(frozen=True)
class Opened:
    """A network that is ready to run."""

    resident: Callable[[], object]
    whole: Callable[[], Sequence[Array]]


# ---- ONNX Runtime ----------------------------------------------------------------------------------------------------


def open_default(path: str, images: Array, device: str) -> Opened:
    """The CUDA provider as a session takes it by itself, any size."""
    return _open_session(path, images, (device,), {}, settings="default")


def open_tuned(path: str, images: Array, device: str) -> Opened:
    """The CUDA provider with what `archspec tune` stored beside the file, the sizes fixed."""
    return _open_session(path, images, (device,), _find_axes(path, images))


def open_tensorrt(path: str, images: Array, device: str) -> Opened:
    """The TensorRT provider with an engine for these sizes, and CUDA for what it does not take."""
    _need_gpu(device)
    return _open_session(path, images, ("tensorrt", "cuda"), _find_axes(path, images), settings="default")


def _open_session(path: str, images: Array, providers: Sequence[str], fixed: dict[str, int], **how: Any) -> Opened:
    from archspec import Session

    session = Session(path, providers=providers, fixed=fixed, **how)
    (name,) = session.inputs
    feed = images.astype(session.dtypes[name])
    binding = session.bind(feed)
    return Opened(binding.run, lambda: list(session.run(feed).values()))


def _find_axes(path: str, images: Array) -> dict[str, int]:
    """The file's free axes with their extents in these images."""
    from runtime.session.model_file import ModelFile

    (extents,) = ModelFile.open(path).inputs.values()
    return {axis: size for axis, size in zip(extents, images.shape, strict=True) if isinstance(axis, str)}


# ---- torch -----------------------------------------------------------------------------------------------------------


def open_eager(source: str, images: Array, device: str) -> Opened:
    """The module as it is, channels last."""
    return _open_torch(source, images, device, lambda module, example: module)


def open_compiled(source: str, images: Array, device: str) -> Opened:
    """Open with torch.compile for these sizes alone, which tries kernels out (max-autotune; with CUDA graphs, on a
    GPU)."""
    import torch

    return _open_torch(
        source, images, device, lambda module, example: torch.compile(module, mode="max-autotune", dynamic=False)
    )


def open_torch_tensorrt(source: str, images: Array, device: str) -> Opened:
    """Torch-TensorRT for these sizes alone, in the precision of the module."""
    _need_gpu(device)
    import torch_tensorrt

    def compile_module(module: Any, example: Any) -> Any:
        kinds = {example.dtype}
        return torch_tensorrt.compile(module, ir="dynamo", inputs=[example], enabled_precisions=kinds)

    return _open_torch(source, images, device, compile_module)


def _open_torch(source: str, images: Array, device: str, prepare: Callable[[Any, Any], Any]) -> Opened:
    """Open a source, NAME:SIDE:PRECISION:WEIGHTS. TF32 is off, as it is in a session."""
    import torch

    from benchmarks.networks import load_module

    name, side, precision, weights = source.split(":", 3)
    if precision == "int8":
        raise SystemExit("torch has no int8 convolutions of its own on a GPU")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    kind = {"fp32": torch.float32, "fp16": torch.float16}[precision]
    place: dict[str, Any] = {"device": device, "dtype": kind, "memory_format": torch.channels_last}
    module = load_module(name, Path(weights), int(side)).to(**place)
    host = torch.from_numpy(images).to(kind)
    resident = host.to(**place)
    module = prepare(module, resident)
    wait: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None

    def run(x: Any) -> Any:
        with torch.inference_mode():
            return module(x)

    def run_resident() -> None:
        run(resident)
        wait()

    def run_whole() -> list[Array]:
        found = run(host.to(**place))
        return [value.cpu().numpy() for value in (found.values() if isinstance(found, dict) else (found,))]

    return Opened(run_resident, run_whole)


def _need_gpu(device: str) -> None:
    if device != "cuda":
        raise SystemExit("it runs on a GPU alone")


# ---- the child -------------------------------------------------------------------------------------------------------

RUNTIMES: dict[str, Callable[[str, Array, str], Opened]] = {
    "default": open_default,
    "tuned": open_tuned,
    "tensorrt": open_tensorrt,
    "eager": open_eager,
    "compile": open_compiled,
    "torch-tensorrt": open_torch_tensorrt,
}


class GpuRunner:
    """The work of a child for its driver: open a network, then time calls."""

    def __init__(self, runtime: str) -> None:
        self._open = RUNTIMES[runtime]
        self._opened: Opened | None = None

    def open(self, source: str, images: str, device: str, outputs: str) -> float:
        """Seconds until the first result, with compilation; the result is kept in a file for comparison."""
        array = np.load(images)
        self._opened = None
        start = time.perf_counter()
        self._opened = self._open(source, array, device)
        found = self._opened.whole()
        taken = time.perf_counter() - start
        np.savez(outputs, *(value.astype(np.float32) for value in found))
        return taken

    def time(self, mode: str, seconds: float) -> list[float]:
        assert self._opened
        return time_calls(getattr(self._opened, mode), seconds, CLOCKS["wall"])


if __name__ == "__main__":
    _, _, chosen = sys.argv
    runner = GpuRunner(chosen)
    serve({"open": runner.open, "time": runner.time})
