"""Which processor ONNX Runtime really runs on: asked for, tried, and checked afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.errors import ArchspecError, InputError, RuntimeFailure, suggest, tell_value
from archspec.extras import extra
from runtime.session.machine import find_gpu_problem
from runtime.session.request import LoadedModel, SessionRequest
from runtime.session.start import CPU, NVIDIA, SHORT, preload_libraries

with extra("run"):
    import onnxruntime as ort

ORDER = {short: name for name, short in SHORT.items()}


class MissingProviderError(RuntimeFailure):
    """A provider that was demanded, and that this machine or this onnxruntime does not have."""


@dataclass(frozen=True, slots=True)
class CreatedSession:
    """A session; and, where it is not on the processor that it should be on, why (`notice`). `surprising` is that on a
    machine with a GPU, whose user has to know."""

    loaded: LoadedModel
    notice: str | None = None
    surprising: bool = False


def read_providers(given: object) -> tuple[str, ...] | None:
    """Read the providers that are demanded, given as one name or several, short or long, as ONNX Runtime's names.
    Raises InputError."""
    if given is None:
        return None
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or isinstance(names, bytes):
        raise InputError(f"providers are names, of {', '.join(ORDER)}, found {tell_value(given)}")
    if not names:
        raise InputError("providers names none: leave it out for the best that works, or give 'cpu'")
    return tuple(dict.fromkeys(map(_resolve, names)))


def create_session(request: SessionRequest) -> CreatedSession:
    """Create a session on the providers that are demanded, all of them; where none is, on TensorRT, CUDA and CPU in
    that order, of those that work.

    Raises MissingProviderError where a demanded one is missing, and RuntimeFailure where the model does not load.
    """
    demanded, available = request.providers, list_available()
    if demanded is not None:
        _check_can_be_had(demanded, available)
        loaded, _ = _load_first(request, [demanded])
        _check_are_had(demanded, loaded)
        return CreatedSession(loaded)
    gpu = [name for name in ORDER.values() if name in available and name != CPU]
    missing = find_gpu_problem()
    attempts = [] if missing else [(*gpu[first:], CPU) for first in range(len(gpu))]
    loaded, failures = _load_first(request, [*attempts, (CPU,)])
    if loaded.providers[0] != CPU:
        return CreatedSession(loaded)
    return CreatedSession(loaded, _explain_cpu(gpu, missing, failures), surprising=missing is None)


def list_available() -> list[str]:
    """List the providers that this onnxruntime was built with, by their own names: what it might use, not what
    works."""
    return list(ort.get_available_providers())


def _load_first(request: SessionRequest, attempts: Sequence[Sequence[str]]) -> tuple[LoadedModel, list[str]]:
    """The first session that is on another processor than the CPU, or the last attempt's, whatever it is on; and why
    others failed. Raises what the last one raises."""
    failures = []
    for names in attempts:
        try:
            loaded = request.load(names)
        except ArchspecError as error:
            if names is attempts[-1]:
                raise
            failures.append(f"{_display(names[0])}: {error}")
            continue
        if loaded.providers[0] != CPU:
            break
    return loaded, failures


def _explain_cpu(gpu: Sequence[str], missing: str | None, failures: Sequence[str]) -> str:
    if gpu:
        libraries = () if missing else preload_libraries()
        unloaded = f"could not load {', '.join(libraries)}" if libraries else None
        reason = missing or unloaded or "; ".join(failures) or "it gave no reason"
        return f"{_display(gpu[-1])} provider is installed but could not be used ({reason}); running on CPU"
    if missing:
        return f"{missing}; running on CPU"
    return "a GPU is here, but this onnxruntime has no CUDA provider (install onnxruntime-gpu instead); running on CPU"


def _check_can_be_had(names: Sequence[str], available: Sequence[str]) -> None:
    for name in names:
        if name not in available:
            known = ", ".join(SHORT.get(item, item) for item in available)
            raise MissingProviderError(f"{_display(name)} was asked for, but this onnxruntime has only: {known}")
    nvidia = [name for name in names if name in NVIDIA]
    if nvidia and (missing := find_gpu_problem()):
        raise MissingProviderError(f"{_display(nvidia[0])} was asked for, but {missing}")


def _check_are_had(names: Sequence[str], loaded: LoadedModel) -> None:
    for name in names:
        if name not in loaded.providers:
            libraries = preload_libraries() if any(name in NVIDIA for name in names) else ()
            reason = f" (could not load {', '.join(libraries)})" if libraries else ""
            got = ", ".join(map(_display, loaded.providers))
            raise MissingProviderError(f"{_display(name)} was asked for, but the session runs on {got}{reason}")


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
