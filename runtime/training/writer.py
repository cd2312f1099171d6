"""What training leaves in its folder while it goes on: at each moment a run that can be used or taken up, however the
process ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from archspec.files import check_can_write, scratch_folder, write_text, write_whole
from archspec.log import warn
from archspec.replacing import PNG, check_gives_way
from compiler.onnx_file.metadata import EPOCH, SPEC_HASH
from runtime.training.checkpoint import CheckpointStore
from runtime.training.lock import RunLock
from runtime.training.manifest import EMA, Manifest
from runtime.training.manifest import WEIGHTS as CHECKPOINT_WEIGHTS
from runtime.training.metrics import append_metrics, format_metrics
from runtime.training.nonfinite import DivergedError
from runtime.training.run_folder import (
    CHECKPOINTS,
    MADE,
    METRICS,
    RECIPE,
    SHEET,
    SPEC,
    WEIGHTS,
    check_vacant,
    hash_spec,
    list_trained,
    write_export,
)
from runtime.weights.safetensors_file import save_weights

if TYPE_CHECKING:
    from runtime.training.checkpoint import Snapshot
    from runtime.training.metrics import EvaluatedStep


@dataclass(frozen=True, slots=True)
class RunText:
    """What a run says of itself: its spec and its recipe, both in one piece, the metadata of its weights, the settings
    that a training which goes on has to have too, how many epochs and steps it takes, how many checkpoints it keeps,
    the command that goes on with it (None: there is none), and the words that others need."""

    spec: str
    recipe: str
    facts: Mapping[str, str]
    settings: Mapping[str, Any]
    epochs: int
    steps: int
    keep: int
    again: str | None = None
    words: Sequence[str] = ()


class RunWriter:
    """A context manager that keeps what a training tells it, in the order of its steps.

    In a new folder files are written as they come, from the first line of the metrics on. Where an earlier run is to be
    replaced (`force`), it stays until there are new weights: then spec, recipe, weights and metrics take its files'
    places as one, and its checkpoints are removed; nothing else is touched. Where a training goes on in its folder,
    `manifest` lists its checkpoints that are whole; `earlier` are the lines of the metrics up to where it goes on, and
    those behind them are dropped, since they come again.

    Weights remember their spec, so that readers tell where a kill came between two files. Where the training ends
    early, lines of the log say what is kept, and how to go on. Raises InputError at once where the folder holds a run
    already, cannot be written, or is being written by another training.
    """

    def __init__(
        self,
        folder: Path,
        run: RunText,
        *,
        force: bool = False,
        manifest: Manifest | None = None,
        earlier: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.folder, self.run = folder, run
        self.facts = {**run.facts, **SPEC_HASH.write(hash_spec(run.spec))}
        self.goes_on = manifest is not None
        if not self.goes_on:
            check_vacant(folder, force=force)
        self._made = not folder.exists()
        self._replaces = not self.goes_on and bool(list_trained(folder))
        self._rows = [*earlier]  # as long as there is no file for them
        self._begun, self._sheet = False, b""
        self.step, self.kept, self._is_measured = max((row["step"] for row in earlier), default=0), 0, False
        self.store = CheckpointStore(folder / CHECKPOINTS, manifest or Manifest(run.settings), run.keep)
        self._lock = RunLock(folder / CHECKPOINTS)
        try:
            check_can_write(folder / WEIGHTS)
            if self.goes_on:
                self.store.clear_up()
                write_text(folder / METRICS, format_metrics(self._rows))
                self._begun = True
        except BaseException:
            self._leave()
            raise

    def add_sheet(self, draw: Callable[[Path], None]) -> None:
        """Write the picture of training images that a function draws into a file, or nothing where it draws none; a run
        that goes on has its own."""
        if self.goes_on:
            return
        check_gives_way(self.folder / SHEET, PNG)
        with scratch_folder() as folder:
            draw(folder / SHEET)
            if (folder / SHEET).exists():
                self._sheet = (folder / SHEET).read_bytes()
        if not self._replaces:
            self._write_sheet()

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Write a line of the metrics."""
        self.step = row["step"]
        if not self._begun:
            self._rows.append(row)
            if not self._replaces:
                self._begin({})
            return
        append_metrics(self.folder / METRICS, row)

    def keep(self, row: EvaluatedStep, weights: Mapping[str, Any]) -> None:
        """Write the weights after an evaluation, which is the best so far."""
        self._write_weights(weights, row.epoch)
        self._is_measured = True

    def save(self, snapshot: Snapshot, *, best: bool) -> Path:
        """Save a checkpoint; before the first evaluation also the weights as they are then."""
        if not self.kept and not self.goes_on:
            weights = snapshot.tensors.get(EMA) or snapshot.tensors[CHECKPOINT_WEIGHTS]
            self._write_weights(
                {name: value.detach().cpu() for name, value in weights.items()}, snapshot.state["epoch"]
            )
        return self.store.save(snapshot, best=best)

    def finish(self, weights: Mapping[str, Any]) -> None:
        """Write the weights that training ends with."""
        self._write_weights(weights, None)

    def _write_sheet(self) -> None:
        if self._sheet:
            with write_whole(self.folder / SHEET) as temporary:
                temporary.write_bytes(self._sheet)

    def _write_weights(self, weights: Mapping[str, Any], epoch: int | None) -> None:
        """Write the weights of an epoch, or of the whole training."""
        facts = self.facts if epoch is None else self.facts | EPOCH.write((epoch, self.run.epochs))
        if self._begun:
            with write_whole(self.folder / WEIGHTS) as temporary:
                save_weights(temporary, weights, facts)
        else:
            self._begin(weights, facts)
        self.kept = self.run.epochs if epoch is None else epoch

    def _begin(self, weights: Mapping[str, Any], facts: Mapping[str, str] | None = None) -> None:
        """Write what stands at the beginning of a run, with the weights where there are some, as one."""
        texts = {SPEC: self.run.spec, RECIPE: self.run.recipe, METRICS: format_metrics(self._rows)}
        if weights:
            with write_whole(self.folder / WEIGHTS) as temporary:
                save_weights(temporary, weights, facts or {})
                for name, text in texts.items():
                    write_text(temporary.with_name(name), text)
        else:
            for name, text in texts.items():
                write_text(self.folder / name, text)
        self._begun = True
        self._rows.clear()
        if self._replaces:
            self._write_sheet()
            self.store.clear_out()
            self._tell_older()

    def _tell_older(self) -> None:
        """Tell of what was made of an earlier run, which stays: who knows whether somebody made it by hand, or needs it
        still."""
        if older := [name for name in MADE if os.path.lexists(self.folder / name)]:
            warn(f"{self.folder} has {' and '.join(older)} from before this run: export and evaluate make new ones")

    def describe_end(self, error: BaseException) -> list[str]:
        """Tell, in lines, what is kept of a training that ended early, and how to go on with it. Where it has diverged,
        the same steps would end the same, and weights that nothing was measured of may be of no use."""
        last = self.store.manifest.last
        if last is None:
            still = f", and the earlier run in {self.folder} is as it was" if self._replaces and not self._begun else ""
            return [f"stopped before anything was saved: nothing of it is kept{still}"]
        lost = f"; the {self.step - last.step} after it are lost" if last.step < self.step else ""
        lines = [f"stopped: {last.step} of {self.run.steps} steps are saved{lost}"]
        diverged = isinstance(error, DivergedError)
        if self.run.again and not diverged:
            lines.append(f"to go on: {self.run.again}")
        if self._is_measured or (self.kept and not diverged):
            export = write_export(self.folder, self.facts, self.run.words)
            lines.append(f"to use the weights of epoch {self.kept} of {self.run.epochs}: {export}")
        return lines

    def _leave(self) -> None:
        """Let go of the folder, and remove it where it is new and nothing is in it."""
        self._lock.release()
        if self._made:
            with suppress(OSError):  # it is not empty
                self.folder.rmdir()

    def _withdraw(self) -> None:
        """Remove what a new folder got before anything was saved."""
        if not self._replaces and not self.goes_on and not self.kept:
            for name in (*((SPEC, RECIPE, METRICS) if self._begun else ()), *((SHEET,) if self._sheet else ())):
                (self.folder / name).unlink(missing_ok=True)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self.store.manifest.last is None:
            with suppress(OSError):
                self._withdraw()
        if error is not None and (self.store.manifest.last is not None or not isinstance(error, Exception)):
            for line in self.describe_end(error):  # of a mistake before that the error says enough
                warn(line)
        self._leave()
