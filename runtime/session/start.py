"""The one door to ONNX Runtime: a model, in a file or in memory, becomes an onnxruntime.InferenceSession."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from archspec.extras import extra
from runtime.session.machine import limit_threads
from runtime.session.settings import Settings

with extra("run"):
    import onnxruntime as ort

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
NVIDIA = (TENSORRT, CUDA)
SHORT = {TENSORRT: "tensorrt", CUDA: "cuda", CPU: "cpu"}
"""This program's names of ONNX Runtime's providers, the most wanted first."""

AS_IS: Mapping[str, Any] = {"graph_optimization_level": ort.GraphOptimizationLevel.ORT_DISABLE_ALL}
"""The attribute of a model whose nodes are to run as they are written."""

FOLDER = "session.model_external_initializers_file_folder_path"
"""The entry that says where a model from memory has its other files."""

ERRORS_ONLY, SILENT = 3, 4
"""ONNX Runtime's numbers for errors and what is worse, and for what is fatal alone. Whatever else it would print in red
on stderr it raises too."""


def start(
    model: str | Path | bytes,
    *,
    providers: Mapping[str, Mapping[str, str]] | None = None,
    settings: Settings | None = None,
    fixed: Mapping[str, int] | None = None,
    attributes: Mapping[str, Any] | None = None,
    entries: Mapping[str, str] | None = None,
    shared: Mapping[str, Any] | None = None,
) -> Any:
    """Open an onnxruntime.InferenceSession on a model's file, or on its bytes.

    `providers` are their options by ONNX Runtime's own names, the first the most wanted (the CPU alone without them);
    it falls back on no other. `fixed` are extents of named axes; `attributes` and `entries` what SessionOptions takes
    beyond the settings; `shared` values (OrtValue) of stored tensors that lie in other files, which have to live as
    long as the session. Raises what ONNX Runtime raises, and prints nothing.
    """
    options = _build_options(settings or Settings())
    for name, value in (attributes or {}).items():
        setattr(options, name, value)
    for key, text in (entries or {}).items():
        options.add_session_config_entry(key, text)
    for axis, extent in (fixed or {}).items():
        options.add_free_dimension_override_by_name(axis, extent)
    if shared:
        options.add_external_initializers(list(shared), list(shared.values()))
    wanted = [(name, dict(own)) for name, own in (providers or {CPU: {}}).items()]
    nvidia = any(name in NVIDIA for name, _ in wanted)
    with _LOG.silenced() if nvidia else contextlib.nullcontext():
        if nvidia:
            preload_libraries()
        source = model if isinstance(model, bytes) else os.fspath(model)
        return ort.InferenceSession(source, options, providers=wanted, enable_fallback=0)


def preload_libraries() -> tuple[str, ...]:
    """Load CUDA and cuDNN from their Python packages, once. Returns the names of the libraries that could not be
    loaded."""
    with _PRELOADING:
        return _preload()


def _build_options(settings: Settings) -> Any:
    """Build SessionOptions under which nothing is printed that is raised, and no more threads are started than a quota
    of the processor's time pays for: they would all wait as soon as it is used up."""
    options = ort.SessionOptions()
    options.log_severity_level = SILENT
    threads = limit_threads()
    if threads is not None:
        options.intra_op_num_threads = threads
    settings.put_on(options)
    return options


_PRELOADING = threading.Lock()


@functools.cache
def _preload() -> tuple[str, ...]:
    if not hasattr(ort, "preload_dlls"):  # before 1.21
        return ()
    said = _ThreadTee(sys.stdout), _ThreadTee(sys.stderr)
    with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
        ort.preload_dlls()
    text = "".join(heard.getvalue() for heard in said)
    return tuple(dict.fromkeys(re.findall(r"Failed to load ([^\s:]+)", text)))


class _ThreadTee(io.StringIO):
    """A stream that holds what this thread prints, and passes on what others print meanwhile."""

    def __init__(self, others: TextIO) -> None:
        super().__init__()
        self._thread, self._others = threading.get_ident(), others

    def write(self, text: str) -> int:
        return super().write(text) if threading.get_ident() == self._thread else self._others.write(text)


class _RuntimeLog:
    """ONNX Runtime's own log, which a process has one of: silent from the first thread that wants it until the last.

    A provider that cannot be loaded writes red lines from C++; who loads it says the same in one.
    """

    def __init__(self) -> None:
        self._lock, self._wanted = threading.Lock(), 0

    @contextlib.contextmanager
    def silenced(self) -> Iterator[None]:
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._wanted += change
            ort.set_default_logger_severity(SILENT if self._wanted else ERRORS_ONLY)


_LOG = _RuntimeLog()


def _leave_locks_behind() -> None:
    """Make new locks in a child that was forked off: a thread that stayed behind may hold the parent's."""
    global _LOG, _PRELOADING
    _LOG, _PRELOADING = _RuntimeLog(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_locks_behind)
