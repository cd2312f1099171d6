"""What this machine has for running models, what really works, and what to do about the rest."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from archspec.errors import ArchspecError, MissingExtra
from archspec.files import scratch_folder
from archspec.telemetry import find_silencer
from runtime.session.machine import find_gpu_problem, read_cores, read_instructions

# Distribution → the extra that installs it; none: the program itself or what it always needs.
PACKAGES = {
    "archspec-compiler": None,
    "pydantic": None,
    "networkx": None,
    "numpy": None,
    "torch": "train",
    "scikit-learn": "train",
    "safetensors": "train",
    "pillow": "run",
    "onnx": "run",
}
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-rocm")
NAMESAKE = "archspec"
"""A distribution of other people (it names processors, and conda brings it along), whose package has our name: what was
installed later has replaced files of what was there."""

COMPILERS = ("g++", "clang++", "c++", "cl")
"""The programs that torch.compile may use, in the order in which they are looked for."""

TRIED = ("tensorrt", "cuda", "cpu")
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class ProviderAttempt:
    """The outcome of a session on a tiny model on one provider: it `works` if it computed rightly; else `reason` says
    why not."""

    provider: str
    works: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Versions by distribution (None: not installed), what ONNX Runtime offers and what of it works, and what to do.

    `gpus` has nvidia-smi's lines (name, driver, memory); `cpu` the instructions that matter to inference, where the
    system tells; `cores` how many may be used, and what of them a quota allows; `telemetry` whether ONNX Runtime tells
    what it runs, and `silencer` the variable for which it does not; `compiler` the C++ compiler, which torch.compile
    needs; `advice` one line for everything that is missing or in the way.
    """

    python: str
    platform: str
    versions: dict[str, str | None]
    runtimes: dict[str, str]
    available: tuple[str, ...]
    attempts: tuple[ProviderAttempt, ...]
    gpus: tuple[str, ...]
    cpu: tuple[str, ...]
    cores: str
    compiler: str | None
    telemetry: Literal["on", "off"]
    silencer: str | None
    advice: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def examine() -> Diagnosis:
    """Look at packages, processors and providers; needs neither torch nor onnx nor onnxruntime, and never raises."""
    versions = {name: _find_version(name) for name in PACKAGES}
    runtimes = {name: version for name in RUNTIMES if (version := _find_version(name))}
    gpus, smi_advice = _ask_nvidia_smi()
    available, attempts = _try_providers()
    advice = [
        *_advise_namesake(_find_version(NAMESAKE)),
        *_advise_packages(versions),
        *_advise_runtimes(runtimes, available, gpus),
        *smi_advice,
        *(_advise_attempts(attempts, gpus) if runtimes and versions["onnx"] else ()),
        *_advise_compiler(versions),
    ]
    silencer = find_silencer()
    return Diagnosis(
        python=f"{platform.python_version()} ({sys.executable})",
        platform=platform.platform(),
        versions=versions,
        runtimes=runtimes,
        available=available,
        attempts=attempts,
        gpus=gpus,
        cpu=read_instructions(),
        cores=str(read_cores()),
        compiler=find_compiler(),
        telemetry="on" if silencer is None else "off",
        silencer=silencer,
        advice=tuple(advice),
    )


def find_compiler() -> str | None:
    """Find the C++ compiler of this machine, as torch.compile does: that of the variable CXX, or one of COMPILERS."""
    named = os.environ.get("CXX")
    found = (shutil.which(name) for name in ([named] if named else COMPILERS))
    return next((path for path in found if path), None)


def _find_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _ask_nvidia_smi() -> tuple[tuple[str, ...], list[str]]:
    """A line per GPU, and what to do where the tool is there and gives none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return (), []
    query = ("--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    try:
        answer = subprocess.run([program, *query], capture_output=True, text=True, timeout=PATIENCE, check=True)
    except subprocess.TimeoutExpired:
        return (), [f"nvidia-smi did not answer in {PATIENCE:.0f} s: the driver hangs; restart the machine"]
    except (OSError, subprocess.CalledProcessError) as error:
        said = " ".join(str(getattr(error, "stdout", None) or error).split())
        return (), [f"nvidia-smi failed ({said}): reinstall the NVIDIA driver"]
    return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip()), []


def _try_providers() -> tuple[tuple[str, ...], tuple[ProviderAttempt, ...]]:
    """Try what ONNX Runtime says it has, and what happens when a session is made on each."""
    try:
        # Here, because the doctor must work without onnxruntime.
        from runtime.session.providers import list_available
        from runtime.session.start import SHORT

        available = tuple(SHORT.get(name, name) for name in list_available())
    except MissingExtra as error:
        return (), tuple(ProviderAttempt(name, False, str(error)) for name in TRIED)
    except Exception as error:  # an installation can be broken in any way, and this is where one asks what is wrong
        return (), tuple(ProviderAttempt(name, False, f"onnxruntime cannot be imported: {error}") for name in TRIED)
    with scratch_folder() as folder:
        model = folder / "tiny.onnx"
        return available, tuple(_try_provider(name, model) for name in TRIED)


def _try_provider(name: str, path: Path) -> ProviderAttempt:
    """A 1×1 convolution by 2, which every provider has, on numbers that show whether it was computed."""
    import numpy as np

    from runtime.session.session import Session

    try:
        path.write_bytes(_build_tiny_model())
        image = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
        (found,) = Session(path, providers=(name,)).run(image).values()
    except ArchspecError as error:
        return ProviderAttempt(name, False, str(error).removeprefix(f"{path}: "))
    except Exception as error:  # as above
        return ProviderAttempt(name, False, f"{type(error).__name__}: {error}")
    right = found.shape == image.shape and bool(np.allclose(found, 2 * image, rtol=1e-2))
    return ProviderAttempt(name, right, "" if right else "it gave wrong numbers")


def _build_tiny_model() -> bytes:
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 4, 4])
    kernel = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 1, 1], [2.0])
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "tiny", [image], [result], [kernel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def _advise_namesake(version: str | None) -> list[str]:
    if version is None:
        return []
    return [
        f"another distribution that is called archspec ({version}) is installed too, and its files lie among ours: "
        "pip uninstall -y archspec && pip install --force-reinstall --no-deps archspec-compiler; "
        "what needs both wants an environment for each"
    ]


def _advise_compiler(versions: Mapping[str, str | None]) -> list[str]:
    """Write a line where torch is there, and nothing that compiles for it."""
    if versions["torch"] is None or find_compiler():
        return []
    return ["no C++ compiler (g++): recipes with `compile: true` need one; apt-get install g++ brings it"]


def _advise_packages(versions: Mapping[str, str | None]) -> list[str]:
    """Write one line per extra that is missing or incomplete."""
    lines = []
    for extra in ("train", "run"):
        missing = [name for name, owner in PACKAGES.items() if owner == extra and versions[name] is None]
        if missing:
            lines.append(f"missing {', '.join(missing)}: pip install 'archspec-compiler[{extra}]'")
    return lines


def _advise_runtimes(runtimes: Mapping[str, str], available: tuple[str, ...], gpus: tuple[str, ...]) -> list[str]:
    if not runtimes:
        return ["onnxruntime is not installed: pip install 'archspec-compiler[run]'"]
    if len(runtimes) > 1:
        both, kept = " and ".join(runtimes), "onnxruntime-gpu" if "onnxruntime-gpu" in runtimes else list(runtimes)[-1]
        return [
            f"{both} are both installed and overwrite each other: "
            f"pip uninstall -y {' '.join(runtimes)} && pip install {kept}"
        ]
    if gpus and "cuda" not in available:
        return [f"{next(iter(runtimes))} has no CUDA: pip uninstall -y onnxruntime && pip install onnxruntime-gpu"]
    return []


def _advise_attempts(attempts: tuple[ProviderAttempt, ...], gpus: tuple[str, ...]) -> list[str]:
    """The CPU always, the GPU where there is one; without a GPU one line says so."""
    failed = {attempt.provider: attempt.reason for attempt in attempts if not attempt.works}
    if "cpu" in failed:
        return [f"no session runs, not even on the CPU: {failed['cpu']}"]
    problem = find_gpu_problem()
    if problem:
        hint = "start the container with --gpus all" if gpus else "nothing to do, unless this machine has one"
        return [f"{problem}, and models run on the CPU: {hint}"]
    lines = []
    if "cuda" in failed:
        lines.append(f"CUDA does not work ({failed['cuda']}): pip install 'onnxruntime-gpu[cuda,cudnn]' nvidia-cublas")
    if "tensorrt" in failed:
        lines.append(f"TensorRT does not work ({failed['tensorrt']}): it is optional; pip install 'tensorrt-cu13<11'")
    return lines
