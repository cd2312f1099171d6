"""What training leaves in its folder, epoch by epoch: from the end of the first on a run that can be used, however the
process ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from archspec.errors import InputError
from archspec.files import FileState, check_can_write, write_text, write_whole
from archspec.log import warn
from compiler.onnx_file.metadata import EPOCH, SPEC_HASH
from runtime.training.metrics import append_metrics
from runtime.training.run_folder import MADE, METRICS, SPEC, WEIGHTS, check_vacant, hash_spec, write_export
from runtime.weights.safetensors_file import save_weights

if TYPE_CHECKING:
    from runtime.training.metrics import Epoch


class RunWriter:
    """A context manager: `keep` after each epoch, `finish` after the last. `spec` is its text, `facts` the metadata of
    the weights.

    Nothing is written before the first epoch is over, and then only where no earlier run lies, unless it is to be
    replaced (`force`): spec, weights and metrics take the places of the earlier ones as one, and nothing else is
    touched. Weights remember their spec, so that readers tell where a kill came between two of the three. Where the
    training ends early, one line of the log says what is kept. Raises InputError at once where the folder holds a
    run already, or cannot be written, and later where another training has come between.
    """

    def __init__(self, folder: Path, spec: str, facts: Mapping[str, str], epochs: int, *, force: bool) -> None:
        self.folder, self.spec, self.epochs, self.force = folder, spec, epochs, force
        self.facts = {**facts, **SPEC_HASH.write(hash_spec(spec))}
        self._written: os.stat_result | None = None  # the weights
        self._epochs: dict[FileState, int] = {}  # after which one weights are, by their file
        self._held = ExitStack()
        check_vacant(folder, force=force)
        self._made = not folder.exists()
        self._earlier = _find_state(folder / WEIGHTS)
        check_can_write(folder / WEIGHTS)

    @property
    def kept(self) -> int:
        """The number of the epoch after which the weights in the folder were written; 0 where they are not of this
        training."""
        state = _find_state(self.folder / WEIGHTS)
        return self._epochs.get(state, 0) if state else 0

    def keep(self, epoch: Epoch, state: Mapping[str, Any]) -> None:
        """Write the weights after this epoch, and its line of the metrics."""
        self._write(epoch.epoch, state, self.facts | EPOCH.write((epoch.epoch, self.epochs)), epoch.to_dict())

    def finish(self, state: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
        """Write the weights that training ends with, and what was measured of them."""
        self._write(self.epochs, state, self.facts, measured)

    def _write(self, epoch: int, state: Mapping[str, Any], facts: Mapping[str, str], line: Mapping[str, Any]) -> None:
        first = self._written is None
        with ExitStack() as held:
            with write_whole(self.folder / WEIGHTS, self._check_own) as temporary:
                save_weights(temporary, state, facts)
                if first:
                    write_text(temporary.with_name(SPEC), self.spec)
                    append_metrics(temporary.with_name(METRICS), line)
                written = temporary.stat()
                self._epochs[FileState.read(temporary)] = epoch  # from when it has its name, a signal may end all this
                if os.name == "posix":  # held open, so that no other file gets its number; Windows numbers anew
                    held.enter_context(temporary.open("rb"))
            self._held.close()
            self._written, self._held = written, held.pop_all()
        if first:
            self._tell_older()
        else:
            append_metrics(self.folder / METRICS, line)

    def _tell_older(self) -> None:
        """Tell of what was made of an earlier run, which stays: who knows whether somebody made it by hand, or needs it
        still."""
        if older := [name for name in MADE if os.path.lexists(self.folder / name)]:
            warn(f"{self.folder} has {' and '.join(older)} from before this run: export and evaluate make new ones")

    def _check_own(self, older: Path) -> Callable[[], list[Path]]:
        """Raises InputError where another training has been here meanwhile: no folder holds parts of two."""
        if self._written is None:
            check_vacant(self.folder, force=self.force)
        elif older.exists() and not os.path.samestat(older.stat(), self._written):
            raise InputError(f"{older} was replaced meanwhile, by another training: choose another folder (-o)")
        return list

    def _describe(self) -> str:
        if not self.kept:
            earlier = self._earlier and self._earlier == _find_state(self.folder / WEIGHTS)
            still = f", and the earlier run in {self.folder} is as it was" if earlier else ""
            return f"stopped before the first epoch was finished: nothing of it is kept{still}"
        use = write_export(self.folder)
        return f"stopped after epoch {self.kept} of {self.epochs}, whose weights are kept: {use}"

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()
        if error is None:
            return
        if self.kept or not isinstance(error, Exception):  # of a mistake the error says enough
            warn(self._describe())
        if self._made:
            with suppress(OSError):  # it is not empty
                self.folder.rmdir()


def _find_state(path: Path) -> FileState | None:
    """The state of a file, which tells it from those that get its place when it is gone; None where there is none."""
    try:
        return FileState.read(path)
    except OSError:
        return None
