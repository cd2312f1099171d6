"""What training leaves in its folder, epoch by epoch: from the end of the first on a run that can be used, however the
process ends."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from archspec.files import as_argument, write_text, write_whole
from runtime.log import warn
from runtime.run_folder import METRICS, MODEL, SPEC, WEIGHTS, MetricsWriter, check_vacant
from runtime.weights_file import save_weights

if TYPE_CHECKING:
    from runtime.train import Epoch

EPOCH = "archspec.epoch"
"""The key of the metadata of weights that says after which epoch of how many they are, where that is not the last."""


class RunWriter:
    """A context manager: `keep` after each epoch, `finish` after the last. `spec` is its text, `facts` the metadata of
    the weights.

    Nothing is written before the first epoch is over, and then only where no earlier run lies, unless it is to be
    replaced (`force`). Where the training ends early, one line of the log says what is kept. Raises ArchspecError at
    once where the folder holds a run already, or cannot be written.
    """

    def __init__(self, folder: Path, spec: str, facts: Mapping[str, str], epochs: int, *, force: bool) -> None:
        self.folder, self.spec, self.facts, self.epochs, self.force = folder, spec, dict(facts), epochs, force
        self.kept = 0
        self._metrics: MetricsWriter | None = None
        check_vacant(folder, force=force)
        self._made = not folder.exists()
        with write_whole(folder / WEIGHTS):
            pass

    def keep(self, epoch: Epoch, state: Mapping[str, Any]) -> None:
        """The weights after this epoch, and then its line of the metrics."""
        metrics = self._metrics = self._metrics or self._begin()
        save_weights(self.folder / WEIGHTS, state, self.facts | {EPOCH: f"{epoch.epoch} of {self.epochs}"})
        self.kept = epoch.epoch
        metrics.write(epoch.to_dict())

    def finish(self, state: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
        """The weights that training ends with, and then what was measured of them."""
        metrics = self._metrics = self._metrics or self._begin()
        save_weights(self.folder / WEIGHTS, state, self.facts)
        metrics.write(measured)

    def _begin(self) -> MetricsWriter:
        check_vacant(self.folder, force=self.force)  # another training may have been here first
        write_text(self.folder / SPEC, self.spec)
        return MetricsWriter(self.folder / METRICS)

    def _describe(self) -> str:
        if not self.kept:
            return "stopped before the first epoch was finished: nothing of it is kept"
        spec, weights, model = (as_argument(self.folder / name) for name in (SPEC, WEIGHTS, MODEL))
        use = f"archspec export {spec} --weights {weights} -o {model}"
        return f"stopped after epoch {self.kept} of {self.epochs}, whose weights are kept: {use}"

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._metrics:
            self._metrics.__exit__(kind, error, trace)
        if error is None:
            return
        if self.kept or not isinstance(error, Exception):  # of a mistake the error says enough
            warn(self._describe())
        if self._made:
            with suppress(OSError):  # it is not empty
                self.folder.rmdir()
