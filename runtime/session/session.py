"""A model file that runs: checked before it is loaded, and answering in the program's own words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError, ModelError, RuntimeFailure, raising, tell_value
from archspec.files import check_name
from archspec.log import warn
from compiler.onnx_file.metadata import ROWS, read_sizes
from runtime.session.binding import Binding
from runtime.session.failures import telling
from runtime.session.fixed_axes import check_fixed
from runtime.session.input_rules import InputRules
from runtime.session.interface import read_dtypes, read_interface
from runtime.session.model_file import ModelFile, WrittenError, read_state
from runtime.session.process_local import ProcessLocal
from runtime.session.providers import create_session, read_providers
from runtime.session.request import SessionRequest
from runtime.session.rewriting import Rewrite
from runtime.session.settings import Settings
from runtime.session.shape_watch import ShapeWatch
from runtime.session.start import CPU, SHORT
from runtime.session.tuning_file import SettingsSource

AGAIN = "a copy of a session, and one in a process that was forked off, opens its file again (mapped=False too)"


MAX_ATTEMPTS = 10
"""The largest number of times that a file is opened which is written or replaced each time meanwhile."""


class Session:
    """A model on ONNX Runtime.

    `providers` (of "tensorrt", "cuda", "cpu", or ONNX Runtime's own names; one or several) are demands: ArchspecError
    where one of them is not what the session got. Without them the best that works is taken, and where that is the CPU,
    `notice` says why; on a machine with a GPU the log says it too, with the first answer. `threads` bounds the CPU
    threads of one operation.

    `settings` are asked of ONNX Runtime; "default" leaves it alone, and without them those apply that `archspec tune`
    measured for this model on this device. `settings` and `settings_source` say what holds, and where it comes from.
    `fixed` gives free axes one extent for good, as in {"N": 1, "H": 224, "x.3": 224} (the place of an axis, which may
    have no name), which spares ONNX Runtime some work; the session takes no other then. `as_written` loads this very
    file, also where one lies beside it that was optimized for this processor.

    `inputs` and `outputs` have extents by name; None for an output of which neither the file nor ONNX Runtime says how
    many axes it has.

    Where outputs have other shapes than the file declares, one line of the log says so.

    Threads may share a session: each call of `run` answers for its own inputs. Pickled or copied it is opened again
    from its path, with what it was made with, and so it is in a process that was forked off, when it first runs there;
    ArchspecError where the file was written, replaced or removed since the session was opened, and for a fork where it
    runs on a GPU.

    On CPUs weights are `mapped`: read where they lie, in this file or others. Replace such a file as a whole while it
    is in use (write another, then rename it). Where it is written in place, `run` raises ArchspecError; where it is cut
    off during a run, the system may end the process (SIGBUS). With mapped=False the session has copies, and itself
    needs no file once it is there; what is opened again (above) does. A file that is replaced while it is opened is
    opened anew, at most MAX_ATTEMPTS times in all.

    `loaded` is the file that was loaded: `path`, or the form of it that was optimized for this processor.

    Raises ArchspecError where the file is missing, malformed, or reads data outside its folder, and where what was
    measured for it is malformed.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> _ = archspec.to_onnx(graph, archspec.to_torch(graph).state_dict(), "model.onnx")
    >>> session = archspec.Session("model.onnx", providers=["cpu"])
    >>> session.inputs, session.outputs
    ({'x': ('batch', 100)}, {'output': ('batch', 1)})
    >>> import numpy as np
    >>> session.run(np.zeros((2, 100), np.float32))["output"].shape
    (2, 1)
    """

    rewrites: ClassVar[tuple[Rewrite, ...]] = ()
    """The changes of a derived class in the model, in memory before it is loaded; its file stays as it is."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        providers: Sequence[str] | str | None = None,
        threads: int | None = None,
        settings: Settings | Literal["default"] | None = None,
        fixed: Mapping[str, int] | None = None,
        as_written: bool = False,
        mapped: bool = True,
    ) -> None:
        self.path = _read_path(path)
        self._options: dict[str, Any] = {
            "providers": read_providers(providers),
            "threads": threads,
            "settings": settings,
            "fixed": fixed,
            "as_written": as_written,
            "mapped": mapped,
        }
        _check_flags(as_written=as_written, mapped=mapped)
        self._place = Path(os.path.abspath(self.path))
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                self._open()
                break
            except WrittenError:  # replaced meanwhile: the file that is there now is opened as any other
                if attempt == MAX_ATTEMPTS:
                    raise

    def _open(self) -> None:
        options, model = self._options, ModelFile.open(self.path).check()
        self._state = model.state
        self.fixed = check_fixed(model, options["fixed"])
        source = SettingsSource.read(model, options["settings"], options["threads"], self.fixed)
        created = create_session(self._ask(model, options["providers"], source))
        self.notice, self._surprising = created.notice, created.surprising
        self.loaded, chosen = created.loaded.path, created.loaded.chosen
        self.settings, self.settings_source = chosen.settings, chosen.source
        self.providers: tuple[str, ...] = tuple(SHORT.get(name, name) for name in created.loaded.providers)
        self._local = ProcessLocal(created.loaded.session)
        self._recorded: Binding | None = None
        found = read_interface(created.loaded.session, model, self.fixed)
        self.inputs, self.outputs, self.dtypes = found.inputs, found.outputs, found.dtypes
        self.metadata, self.sizes = found.metadata, read_sizes(found.metadata)
        self.rows = ROWS.read(found.metadata) or {}
        self._rules = InputRules(self.path, self.inputs, self.dtypes, self.sizes, self.rows)
        self._watch = ShapeWatch(self.path, self.inputs, self.outputs)

    def _ask(self, model: ModelFile, providers: tuple[str, ...] | None, source: SettingsSource) -> SessionRequest:
        as_written, mapped = self._options["as_written"], self._options["mapped"]
        return SessionRequest(model, providers, source, self.fixed, as_written, mapped, self.rewrites)

    @property
    def provider(self) -> str:
        """The provider on which it runs: "tensorrt", "cuda" or "cpu"."""
        return self.providers[0]

    @property
    def fixed_batch(self) -> int | None:
        """The only batch the file takes, or None where the first axis is free."""
        first = next(iter(self.inputs.values()), ())
        return first[0] if first and isinstance(first[0], int) else None

    def run(self, inputs: Mapping[str, Array] | Array) -> dict[str, Array]:
        """Compute outputs by name, for inputs by name, or for one array where the model has one input.

        Raises ArchspecError that says what was expected and what was found in name, type or shape.

        >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
        >>> _ = archspec.to_onnx(graph, archspec.to_torch(graph).state_dict(), "model.onnx")
        >>> import numpy as np
        >>> archspec.Session("model.onnx", providers=["cpu"]).run({"x": np.ones((3, 99), np.float32)})
        Traceback (most recent call last):
        archspec.errors.InputError: ...
        """
        feed = self._rules.check(inputs)
        if self.settings.cuda_graph:
            found = self._replay(feed)
        else:
            with telling(self.path):
                found = dict(zip(self.outputs, self._session.run(list(self.outputs), feed), strict=True))
        self._give_notice()
        self._watch.look_at(feed, found)
        return found

    def bind(self, inputs: Mapping[str, Array] | Array) -> Binding:
        """Put inputs on the device, for runs that copy nothing: see Binding. Raises ArchspecError as `run` does.

        >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
        >>> _ = archspec.to_onnx(graph, archspec.to_torch(graph).state_dict(), "model.onnx")
        >>> import numpy as np
        >>> binding = archspec.Session("model.onnx", providers=["cpu"]).bind(np.zeros((2, 100), np.float32))
        >>> binding.update({"x": np.ones((2, 100), np.float32)})
        >>> binding.run()
        >>> binding.fetch()["output"].shape
        (2, 1)
        """
        feed = self._rules.check(inputs)
        binding = self._bind(feed)
        self._give_notice()
        self._watch.look_at(feed, {name: np.broadcast_to(0, shape) for name, shape in binding.shapes.items()})
        return binding

    def describe_input(self, name: str) -> str:
        """Write an input, its type and its shape: `image: float32 (N, 3, H, W)`."""
        return self._rules.describe(name)

    def describe_inputs(self) -> str:
        """Write all inputs so."""
        return str(self._rules)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (type(self), self._place, self._options, self._state.written)

    @property
    def _session(self) -> Any:
        return self._local.get(self._reopen)

    def _reopen(self) -> Any:
        """Open the session again in a process that was forked off: what was chosen holds there too."""
        if self.provider != "cpu":
            raise RuntimeFailure(
                f"{self.path}: a process that was forked off cannot use the GPU of the one that it comes from: "
                "start it by multiprocessing's 'spawn', or open the session there"
            )
        _check_unwritten(self._place, self._state.written)
        model = ModelFile.open(self._place).check()
        loaded = self._ask(model, (CPU,), SettingsSource(model, self.settings)).load((CPU,))
        self.loaded = loaded.path
        return loaded.session

    def _replay(self, feed: dict[str, Array]) -> dict[str, Array]:
        """A recorded run reads and writes where it did when it was recorded: one thread at a time."""
        session = self._session
        with self._local.lock:
            if self._recorded is None or self._recorded.session is not session:
                if any(not isinstance(extent, int) for extents in self.inputs.values() for extent in extents):
                    raise InputError(f"{self.path}: cuda_graph needs every size fixed: {self._rules}")
                self._recorded = self._bind(feed)
            else:
                self._recorded.update(feed)
            self._recorded.run()
            return self._recorded.fetch()

    def _bind(self, feed: dict[str, Array]) -> Binding:
        with telling(self.path):
            dtypes = read_dtypes(self._session.get_outputs(), self.path)
            return Binding(self._session, feed, dtypes, "cpu" if self.provider == "cpu" else "cuda", self._rules)

    def _give_notice(self) -> None:
        """Give the notice once there is an answer: what went wrong before is all that there is to say then."""
        if self._surprising and self.notice:
            self._surprising = False
            _tell_once(self.notice)


_TOLD: dict[str, object] = {}


def _tell_once(notice: str) -> None:
    """Tell once in a process, by the first of its threads."""
    own = object()
    if _TOLD.setdefault(notice, own) is own:
        warn(notice)


def _open_again(kind: type[Session], path: Path, options: Mapping[str, Any], written: tuple[int, int]) -> Session:
    """A session that is copied, also into another process. Raises ArchspecError."""
    _check_unwritten(path, written)
    return kind(path, **options)


def _check_unwritten(path: Path, written: tuple[int, int]) -> None:
    """Raises ArchspecError where the file that is opened again has another length or time than it had, or is gone."""
    try:
        found = read_state(path).written
    except ArchspecError as error:
        raise ModelError(f"{error}; {AGAIN}: have it there, or open a session on another file here") from error
    if found != written:
        raise ModelError(f"{path} was written or replaced since the session was opened; {AGAIN}: open a new session")


def _read_path(path: object) -> Path:
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(name, str):
        raise InputError(f"a model is named by a string or a Path, found {tell_value(path)}")
    with raising(InputError):
        check_name(name)
    return Path(name)


def _check_flags(**flags: object) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise InputError(f"{name} is True or False, found {tell_value(value)}")
