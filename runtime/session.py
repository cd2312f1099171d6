"""A model file that runs: checked before it is loaded, and answering in the program's own words."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError, suggest
from runtime.binding import Binding
from runtime.failures import shorten
from runtime.providers import SHORT, Wish, create_session
from runtime.settings import Settings
from runtime.signature import check_fixed
from runtime.sizes import check_size, check_together, read_sizes
from runtime.tuning.store import choose_settings

Array = npt.NDArray[Any]
Extents = tuple[int | str, ...]

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
UNNAMED = "?"


class Session:
    """A model on ONNX Runtime.

    `providers` (of "tensorrt", "cuda", "cpu", or ONNX Runtime's own names) are demands: ArchspecError where one of them
    is not what the session got. Without them the best that works is taken, and where that is the CPU, `notice` says why
    and so does the log. `threads` bounds the CPU threads of one operation.

    `settings` are asked of ONNX Runtime; "default" leaves it alone, and without them those apply that `archspec tune`
    measured for this model on this device. `settings` and `settings_source` say what holds, and where it comes from.
    `fixed` gives free axes by name one extent for good, as in {"N": 1, "H": 224, "W": 224}, which spares ONNX Runtime
    some work; the session takes no other then. `as_written` loads this very file, also where one lies beside it that
    was optimized for this processor.

    On CPUs weights are `mapped`: read where they lie, in this file or others. Replace such a file as a whole while it
    is in use (write another, then rename it). Where it is written in place, `run` raises ArchspecError; where it is cut
    off during a run, the system may end the process (SIGBUS). With mapped=False the session has copies, and needs no
    file once it is there.

    Raises ArchspecError where the file is missing, malformed, or reads data outside its folder, and where what was
    measured for it is malformed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        settings: Settings | Literal["default"] | None = None,
        fixed: Mapping[str, int] | None = None,
        as_written: bool = False,
        mapped: bool = True,
    ) -> None:
        self.path = Path(path)
        self.fixed = dict(fixed or {})
        if self.fixed:
            check_fixed(path, self.fixed)
        choose = choose_settings(path, settings, threads, self.fixed)
        wish = Wish(lambda provider: choose(provider).settings, self.fixed, as_written, mapped)
        self._session, self.notice = create_session(path, providers, wish)
        self.providers: tuple[str, ...] = tuple(SHORT.get(name, name) for name in self._session.get_providers())
        chosen = choose(self.provider)
        self.settings, self.settings_source = chosen.settings, chosen.source
        self._recorded: Binding | None = None
        try:
            self.inputs: dict[str, Extents] = {item.name: _read_extents(item) for item in self._session.get_inputs()}
            self.outputs: dict[str, Extents] = {item.name: _read_extents(item) for item in self._session.get_outputs()}
            _check_outputs(self._session.get_outputs(), path)
            self.dtypes = {item.name: _read_dtype(item, path) for item in self._session.get_inputs()}
            self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        except UnicodeDecodeError as error:
            raise ArchspecError(f"{path} holds a name or metadata that is not UTF-8 text") from error
        self.sizes = read_sizes(self.metadata)
        if self.notice:
            logging.getLogger("archspec").warning("%s", self.notice)

    @property
    def provider(self) -> str:
        """Where it runs: "tensorrt", "cuda" or "cpu"."""
        return self.providers[0]

    @property
    def fixed_batch(self) -> int | None:
        """The only batch the file takes, or None where the first axis is free."""
        first = next(iter(self.inputs.values()), ())
        return first[0] if first and isinstance(first[0], int) else None

    def run(self, inputs: Mapping[str, Array] | Array) -> dict[str, Array]:
        """Outputs by name, for inputs by name, or for one array where the model has one input.

        Raises ArchspecError that says what was expected and what was found in name, type or shape.
        """
        feed = self._check_inputs(inputs)
        with self._failing():
            if self.settings.cuda_graph:
                return self._replay(feed)
            found = self._session.run(None, feed)
        return dict(zip(self.outputs, found, strict=True))

    def bind(self, inputs: Mapping[str, Array] | Array) -> Binding:
        """Put inputs on the device, for runs that copy nothing: see Binding. Raises ArchspecError as `run` does."""
        feed = self._check_inputs(inputs)
        with self._failing():
            return self._bind(feed)

    def describe_input(self, name: str) -> str:
        """`image: float32 (N, 3, H, W)`."""
        extents = self.inputs[name]
        return f"{name}: {self.dtypes[name]} ({', '.join(map(str, extents))}{',' * (len(extents) == 1)})"

    def _replay(self, feed: dict[str, Array]) -> dict[str, Array]:
        """A recorded run reads and writes where it did when it was recorded."""
        if self._recorded is None:
            if any(not isinstance(extent, int) for extents in self.inputs.values() for extent in extents):
                raise ArchspecError(f"{self.path}: cuda_graph needs every size fixed: {self._list_inputs()}")
            self._recorded = self._bind(feed)
        else:
            self._recorded.update(feed)
        self._recorded.run()
        return self._recorded.fetch()

    def _bind(self, feed: dict[str, Array]) -> Binding:
        dtypes = {item.name: _read_dtype(item, self.path) for item in self._session.get_outputs()}
        return Binding(self._session, feed, dtypes, "cpu" if self.provider == "cpu" else "cuda")

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except ArchspecError:
            raise
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            raise ArchspecError(f"{self.path}: ONNX Runtime failed: {shorten(error)}") from error

    def _check_inputs(self, inputs: Mapping[str, Array] | Array) -> dict[str, Array]:
        feed = self._name_inputs(inputs)
        self._check_names(feed)
        bound: dict[str, tuple[int, str]] = {}
        for name, array in feed.items():
            self._check_array(name, array, bound)
        check_together({size: extent for size, (extent, _) in bound.items()}, self.sizes)
        return {name: np.asarray(array, order="C") for name, array in feed.items()}

    def _name_inputs(self, inputs: Mapping[str, Array] | Array) -> dict[str, Array]:
        if isinstance(inputs, Mapping):
            return {name: np.asarray(array) for name, array in inputs.items()}
        if len(self.inputs) != 1:
            raise ArchspecError(f"{self.path} takes several inputs, by name: {self._list_inputs()}")
        return {next(iter(self.inputs)): np.asarray(inputs)}

    def _check_names(self, feed: Mapping[str, Array]) -> None:
        for name in feed:
            if name not in self.inputs:
                raise ArchspecError(
                    f"{self.path} has no input '{name}'{suggest(name, self.inputs)} (inputs: {self._list_inputs()})"
                )
        for name in self.inputs:
            if name not in feed:
                raise ArchspecError(f"{self.path} needs the input '{name}' too (inputs: {self._list_inputs()})")

    def _check_array(self, name: str, array: Array, bound: dict[str, tuple[int, str]]) -> None:
        expected = self.inputs[name]
        if array.dtype != self.dtypes[name]:
            wanted = self.dtypes[name]
            raise ArchspecError(f"input '{name}' is {array.dtype}, the model takes {wanted}: use .astype('{wanted}')")
        if array.ndim != len(expected):
            raise ArchspecError(
                f"input '{name}' has {array.ndim} axes, {array.shape}; the model takes {self.describe_input(name)}"
            )
        for axis, (extent, allowed) in enumerate(zip(array.shape, expected, strict=True)):
            self._check_extent(f"input '{name}', axis {axis}", extent, allowed, bound)

    def _check_extent(self, where: str, extent: int, wanted: int | str, bound: dict[str, tuple[int, str]]) -> None:
        if isinstance(wanted, int):
            if extent != wanted:
                raise ArchspecError(f"{where} is {extent}; the model takes {wanted}")
            return
        if not extent:
            raise ArchspecError(f"{where} ({wanted}) is empty")
        check_size(f"{where} ({wanted}) is {extent}", wanted, extent, self.sizes)
        before, there = bound.setdefault(wanted, (extent, where))
        if before != extent and wanted != UNNAMED:
            raise ArchspecError(f"{where} ({wanted}) is {extent}, but {there} ({wanted}) is {before}")

    def _list_inputs(self) -> str:
        return "; ".join(map(self.describe_input, self.inputs))


def _read_extents(item: Any) -> Extents:
    return tuple(UNNAMED if extent is None else extent for extent in item.shape)


def _check_outputs(outputs: Sequence[Any], path: str | Path) -> None:
    for item in outputs:
        if not item.type.startswith("tensor("):
            raise ArchspecError(f"{path} gives a {item.type} in '{item.name}', which is no array")


def _read_dtype(item: Any, path: str | Path) -> np.dtype[Any]:
    if item.type not in DTYPES:
        advice = ": export it with --io fp32" if item.type == "tensor(bfloat16)" else ""
        raise ArchspecError(f"{path}: '{item.name}' is a {item.type}, which no array can hold{advice}")
    return np.dtype(DTYPES[item.type])
