"""Inputs and outputs that stay on the device between runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from runtime.session.failures import telling
from runtime.session.input_rules import InputRules

with extra("run"):
    import onnxruntime as ort

NO_RUN = "the last run did not end"
UPDATED = "inputs were updated since the last run: run() first"


class Binding:
    """A session's inputs on `device` ("cpu" or "cuda"), and its outputs where the first run put them, which is that of
    binding: its outputs can be fetched at once.

    `run` copies nothing and returns when the device is done; `update` gives other numbers of the same shapes, in the
    same place, of which nothing is computed before the next `run`; `fetch` copies the outputs of the last run to
    arrays. Made by `Session.bind`, for one thread at a time:
    what one puts there another runs on. It stays in the process that made it.
    """

    def __init__(
        self,
        session: Any,
        feed: Mapping[str, Array],
        dtypes: Mapping[str, np.dtype[Any]],
        device: str,
        rules: InputRules,
    ) -> None:
        """Bind outputs; `dtypes` are those of the outputs, and `rules` what the session takes. What has a known shape
        gets its place before the first run, which may be recorded; the first run finds a place for the rest, and for
        all where a shape is not the one that the model declares."""
        self.session = session
        self._rules = rules
        self._process, self._device = os.getpid(), device
        self._missing = NO_RUN  # why there are no outputs to fetch, if there are none
        self._unsure: set[str] = set()  # inputs that may hold a part of what was to be put there
        self._outputs = [item.name for item in session.get_outputs()]
        self._binding = session.io_binding()
        # On the CPU an OrtValue lies on the array that it is made of, and `update` must not write into the caller's.
        own = {name: np.array(array, order="C") for name, array in feed.items()}
        self._inputs = {name: ort.OrtValue.ortvalue_from_numpy(array, device, 0) for name, array in own.items()}
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        places = {
            item.name: ort.OrtValue.ortvalue_from_shape_and_type(item.shape, dtypes[item.name], device, 0)
            for item in session.get_outputs()
            if item.shape and all(isinstance(extent, int) for extent in item.shape)  # none: a number, or who knows
        }
        self._bind_outputs(places)
        self._placed = True
        try:
            self.run()
        except ArchspecError:
            if not places:
                raise
            self._placed = False  # it does not take a place of the shape that comes either
            self.run()
        self._results = self._binding.get_outputs()
        if self._placed:
            self._bind_outputs(dict(zip(self._outputs, self._results, strict=True)))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the outputs, as they came."""
        return {name: tuple(value.shape()) for name, value in zip(self._outputs, self._results, strict=True)}

    def run(self) -> None:
        """Run on what is bound. Raises ArchspecError where ONNX Runtime fails, and where an update before has failed;
        there are no outputs to fetch then."""
        self._stay()
        self._missing = NO_RUN
        try:
            self._check_inputs()
            if not self._placed:
                self._bind_outputs({})
            with telling(self._rules.path):
                self.session.run_with_iobinding(self._binding)
            if not self._placed:
                self._results = self._binding.get_outputs()
        except ArchspecError as error:
            self._missing = str(error)
            raise
        self._missing = ""

    def update(self, inputs: Mapping[str, Array] | Array) -> None:
        """Put arrays where those are that were bound: some of the inputs by name, or one array where the model has one
        input. Raises ArchspecError as `Session.run` does, and where a shape is not the one that was bound; nothing is
        changed then. Where the device does not take an array, `run` waits for another one in its place."""
        self._stay()
        feed = self._rules.check(inputs, some=True)
        for name, array in feed.items():
            bound = tuple(self._inputs[name].shape())
            if array.shape != bound:
                raise InputError(f"'{name}' was bound as {bound}, found {array.shape}: bind it again")
        self._unsure.update(feed)
        if feed:
            self._missing = UPDATED
        for name, array in feed.items():
            with telling(self._rules.path):
                self._inputs[name].update_inplace(array)
            self._unsure.remove(name)

    def fetch(self) -> dict[str, Array]:
        """Copy the outputs by name, to memory of their own. Raises InputError where the last run gave none, with why,
        and where inputs were updated since."""
        self._stay()
        if self._missing:
            raise InputError(f"there is nothing to fetch: {self._missing}")
        return {name: np.array(value.numpy()) for name, value in zip(self._outputs, self._results, strict=True)}

    def __reduce__(self) -> NoReturn:
        raise InputError("a binding is memory of this process: pass the session on, and bind there")

    def _bind_outputs(self, places: Mapping[str, Any]) -> None:
        """The next run writes into these, and finds a place for the rest."""
        self._binding.clear_binding_outputs()
        for name in self._outputs:
            if name in places:
                self._binding.bind_ortvalue_output(name, places[name])
            else:
                self._binding.bind_output(name, self._device)

    def _check_inputs(self) -> None:
        if self._unsure:
            names = ", ".join(f"'{name}'" for name in sorted(self._unsure))
            raise InputError(f"{self._rules.path}: an update of {names} failed: update it again")

    def _stay(self) -> None:
        if os.getpid() != self._process:
            raise InputError("the binding was made before this process was forked off: bind again here")
