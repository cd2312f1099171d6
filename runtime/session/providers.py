"""Which processor ONNX Runtime really runs on: asked for, tried, and checked afterwards."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, InputError, RuntimeFailure, suggest, tell_value
from archspec.extras import extra
from archspec.log import warn
from runtime.session.failures import shorten
from runtime.session.fixed_axes import find_nameless, fix_nameless
from runtime.session.machine import find_gpu_problem
from runtime.session.mapped import can_map, copy_data, create_mapped
from runtime.session.model_file import check_model_file
from runtime.session.optimized import describe_unused, find_optimized, leave_as_is
from runtime.session.settings import SILENT, Settings, new_options
from runtime.session.tensorrt import choose_tensorrt_options
from runtime.session.watch import Watch, WatchedSession

with extra("run"):
    import onnxruntime as ort

ORDER = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
CPU = ORDER["cpu"]
NVIDIA = (ORDER["tensorrt"], ORDER["cuda"])
SHORT = {name: short for short, name in ORDER.items()}

CUDA_DEFAULTS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
"""Where the settings say nothing: DEFAULT takes a slow convolution, EXHAUSTIVE seconds per new shape; and TF32, which
ONNX Runtime turns on by itself, gives other numbers than those that were proven."""

NO_KERNEL = "; its CPU provider has no kernel for that in this type, as it has none in bfloat16: GPUs may run it"

ERRORS_ONLY = 3
"""ONNX Runtime's number for errors and what is worse."""


class NoKernelError(RuntimeFailure):
    """A model that ONNX Runtime's CPU provider cannot run, sound as it may be."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a session: settings by the provider's short name, free axes whose extents are fixed, whether it
    is to be the file as it was written, not what was made of it for this processor, and whether weights may stay in
    files."""

    settings: Callable[[str], Settings] = lambda provider: Settings()
    fixed: Mapping[str, int] = field(default_factory=dict)
    as_written: bool = False
    mapped: bool = True


@dataclass(frozen=True, slots=True)
class Created:
    """An onnxruntime.InferenceSession, and the file that it `loaded`; and, where it is not on the processor that it
    should be on, why (`notice`). `surprising` is that on a machine with a GPU, whose user has to know."""

    session: Any
    loaded: Path
    notice: str | None = None
    surprising: bool = False


def read_providers(given: object) -> tuple[str, ...] | None:
    """ONNX Runtime's names of the providers that are demanded, given as one name or several, short or long. Raises
    ArchspecError."""
    if given is None:
        return None
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or isinstance(names, bytes):
        raise InputError(f"providers are names, of {', '.join(ORDER)}, found {tell_value(given)}")
    if not names:
        raise InputError("providers names none: leave it out for the best that works, or give 'cpu'")
    return tuple(dict.fromkeys(map(_resolve, names)))


def create_session(path: str | Path, demanded: Sequence[str] | None, wish: Wish) -> Created:
    """A session on the providers that are demanded, by ONNX Runtime's names, all of them; None takes TensorRT, CUDA and
    CPU in that order, of those that work.

    Raises ArchspecError where a demanded one is missing or the model does not load.
    """
    return _create_best(path, wish) if demanded is None else _create_demanded(path, wish, list(demanded))


def list_available() -> list[str]:
    """The providers that this onnxruntime was built with, by their own names: what it might use, not what works."""
    return list(ort.get_available_providers())


@functools.cache
def preload_libraries() -> tuple[str, ...]:
    """Load CUDA and cuDNN from their Python packages, once; the names of the libraries that could not be loaded."""
    if not hasattr(ort, "preload_dlls"):  # before 1.21
        return ()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        ort.preload_dlls()
    return tuple(dict.fromkeys(re.findall(r"Failed to load ([^\s:]+)", said.getvalue())))


def _create_best(path: str | Path, wish: Wish) -> Created:
    available = list_available()
    gpu = [name for name in ORDER.values() if name in available and name != CPU]
    missing = find_gpu_problem()
    if not gpu or missing:
        return replace(_create(path, wish, [CPU]), notice=_explain_cpu(gpu, missing), surprising=missing is None)
    failures = []
    for start in range(len(gpu)):
        try:
            created = _create(path, wish, [*gpu[start:], CPU])
        except ArchspecError as error:
            failures.append(f"{_display(gpu[start])}: {error}")
            continue
        if created.session.get_providers()[0] != CPU:
            return created
    libraries = preload_libraries()
    reason = f"could not load {', '.join(libraries)}" if libraries else "; ".join(failures) or "it gave no reason"
    return replace(_create(path, wish, [CPU]), notice=_explain_cpu(gpu, reason), surprising=True)


def _explain_cpu(gpu: Sequence[str], reason: str | None) -> str:
    if gpu:
        return f"{_display(gpu[-1])} provider is installed but could not be used ({reason}); running on CPU"
    if reason:
        return f"{reason}; running on CPU"
    return "a GPU is here, but this onnxruntime has no CUDA provider (install onnxruntime-gpu instead); running on CPU"


def _create_demanded(path: str | Path, wish: Wish, names: list[str]) -> Created:
    available = list_available()
    for name in names:
        if name not in available:
            known = ", ".join(SHORT.get(item, item) for item in available)
            raise RuntimeFailure(f"{_display(name)} was asked for, but this onnxruntime has only: {known}")
    nvidia = [name for name in names if name in NVIDIA]
    missing = find_gpu_problem() if nvidia else None
    if missing:
        raise RuntimeFailure(f"{_display(nvidia[0])} was asked for, but {missing}")
    created = _create(path, wish, names)
    got_names = created.session.get_providers()
    for name in names:
        if name not in got_names:
            libraries = preload_libraries() if nvidia else ()
            reason = f" (could not load {', '.join(libraries)})" if libraries else ""
            got = ", ".join(map(_display, got_names))
            raise RuntimeFailure(f"{_display(name)} was asked for, but the session runs on {got}{reason}")
    return created


def _create(path: str | Path, wish: Wish, names: list[str]) -> Created:
    """One try, from the file that was optimized for this processor where one applies."""
    settings = wish.settings(SHORT.get(names[0], names[0]))
    if names == [CPU] and not (wish.fixed or wish.as_written) and settings.layout != "plain":
        optimized = find_optimized(path)
        if optimized is not None:
            try:
                return Created(_load(optimized, settings, wish, names, as_is=True), optimized)
            except ArchspecError as error:  # the model itself is always there
                warn(describe_unused(optimized, Path(path), error))
    return Created(_load(path, settings, wish, names), Path(path))


def _load(path: str | Path, settings: Settings, wish: Wish, names: list[str], as_is: bool = False) -> Any:
    """A session on a file that was checked first; it notices where a file from which it computes is written."""
    model = check_model_file(path)
    nameless = find_nameless(model.head, wish.fixed)
    if names == [CPU] and wish.mapped and can_map(model) and not nameless:
        with contextlib.suppress(Exception):  # what ONNX Runtime does not take in this form, it may take from the file
            watch = Watch([Path(path)])
            session = create_mapped(path, model, _build_options(settings, wish.fixed, as_is))
            watch.check_names()
            return WatchedSession(session, watch)
    options = _build_options(settings, wish.fixed, as_is)
    kept, data = ([], model.data) if wish.mapped else copy_data(path, model, options)
    watch = Watch(Path(path).parent / name for name in data)
    source = fix_nameless(path, model, nameless, options) if nameless else os.fspath(path)
    session = _create_plain(path, source, settings, wish, names, options)
    watch.check_names()
    return WatchedSession(session, watch, kept) if kept or data else session


def _create_plain(
    path: str | Path, source: str | bytes, settings: Settings, wish: Wish, names: list[str], options: Any
) -> Any:
    """From the file itself or what was made of it, and without onnxruntime's own fallback: that one is silent, or
    prints to the standard output."""
    nvidia = any(name in NVIDIA for name in names)
    with _hush() if nvidia else contextlib.nullcontext():
        if nvidia:
            preload_libraries()
        try:
            return ort.InferenceSession(
                source,
                options,
                providers=[(name, _choose_options(name, path, settings, wish.fixed)) for name in names],
                enable_fallback=0,
            )
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            said = f"{path}: ONNX Runtime cannot load it: {shorten(error)}"
            if type(error).__name__ == "NotImplemented" and names == [CPU]:
                raise NoKernelError(f"{said}{NO_KERNEL}") from error
            raise RuntimeFailure(said) from error


def _build_options(settings: Settings, fixed: Mapping[str, int], as_is: bool) -> Any:
    options = new_options()
    settings.put_on(options)
    if as_is:
        leave_as_is(options)
    for axis, extent in fixed.items():
        options.add_free_dimension_override_by_name(axis, extent)
    return options


def _choose_options(name: str, path: str | Path, settings: Settings, fixed: Mapping[str, int]) -> dict[str, str]:
    if name == ORDER["cuda"]:
        return CUDA_DEFAULTS | settings.cuda_options()
    if name == ORDER["tensorrt"]:
        return choose_tensorrt_options(path, fixed)
    return {}


@contextlib.contextmanager
def _hush() -> Iterator[None]:
    """A provider that cannot be loaded writes red lines from C++; the caller says the same in one."""
    ort.set_default_logger_severity(SILENT)
    try:
        yield
    finally:
        ort.set_default_logger_severity(ERRORS_ONLY)


def _resolve(name: object) -> str:
    if not isinstance(name, str):
        raise InputError(f"a provider is a name, of {', '.join(ORDER)}, found {tell_value(name)}")
    if name.lower() in ORDER:
        return ORDER[name.lower()]
    if name.endswith("ExecutionProvider"):
        return name
    raise InputError(f"no provider {tell_value(name)}{suggest(name, ORDER)} (known: {', '.join(ORDER)})")


def _display(name: str) -> str:
    return {"tensorrt": "TensorRT", "cuda": "CUDA", "cpu": "CPU"}.get(SHORT.get(name, ""), name)
