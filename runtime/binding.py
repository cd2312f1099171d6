"""Inputs and outputs that stay on the device between runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from runtime.extras import extra

with extra("run"):
    import onnxruntime as ort

Array = npt.NDArray[Any]


class Binding:
    """A session's inputs on `device` ("cpu" or "cuda"), and its outputs where the first run put them.

    `run` copies nothing and returns when the device is done; `update` gives other numbers of the same shapes, in the
    same place; `fetch` copies the outputs of the last run to arrays. Made by `Session.bind`.
    """

    def __init__(
        self, session: Any, feed: Mapping[str, Array], dtypes: Mapping[str, np.dtype[Any]], device: str
    ) -> None:
        """`dtypes` are those of the outputs. What has a known shape gets its place before the first run, which may be
        recorded; the first run finds a place for the rest."""
        self._session = session
        self._outputs = [item.name for item in session.get_outputs()]
        self._binding = session.io_binding()
        # On the CPU an OrtValue lies on the array that it is made of, and `update` must not write into the caller's.
        own = {name: np.array(array, order="C") for name, array in feed.items()}
        self._inputs = {name: ort.OrtValue.ortvalue_from_numpy(array, device, 0) for name, array in own.items()}
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for item in session.get_outputs():
            if all(isinstance(extent, int) for extent in item.shape):
                place = ort.OrtValue.ortvalue_from_shape_and_type(item.shape, dtypes[item.name], device, 0)
                self._binding.bind_ortvalue_output(item.name, place)
            else:
                self._binding.bind_output(item.name, device)
        self.run()
        self._results = self._binding.get_outputs()
        for name, value in zip(self._outputs, self._results, strict=True):
            self._binding.bind_ortvalue_output(name, value)

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def update(self, feed: Mapping[str, Array]) -> None:
        """Put arrays where those are that were bound. Raises ArchspecError unless their shapes are the same."""
        for name, array in feed.items():
            bound = tuple(self._inputs[name].shape())
            if array.shape != bound:
                raise ArchspecError(f"'{name}' was bound as {bound}, found {array.shape}: bind it again")
            self._inputs[name].update_inplace(np.ascontiguousarray(array))

    def fetch(self) -> dict[str, Array]:
        """Outputs by name, in memory of their own."""
        return {name: np.array(value.numpy()) for name, value in zip(self._outputs, self._results, strict=True)}
