"""What is asked of a session, and how its model is loaded: from the form that was made for this processor or from the
file as it is, with weights mapped or copied."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, RuntimeFailure
from archspec.log import warn
from runtime.session.failures import shorten
from runtime.session.file_watch import Watch, WatchedSession
from runtime.session.fixed_axes import find_nameless, fix_nameless
from runtime.session.mapped_weights import can_map, copy_data, map_weights
from runtime.session.model_file import ModelFile
from runtime.session.optimized_form import describe_unused, find_optimized
from runtime.session.rewriting import Rewrite, rewrite_model
from runtime.session.settings import Settings
from runtime.session.start import AS_IS, CPU, CUDA, SHORT, TENSORRT, start
from runtime.session.tuning_file import ChosenSettings, SettingsSource

CUDA_DEFAULTS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
"""The options of CUDA where the settings say nothing: DEFAULT takes a slow convolution, EXHAUSTIVE seconds per shape;
and TF32, which ONNX Runtime turns on by itself, gives other numbers than those that were proven."""

NO_KERNEL = "; its CPU provider has no kernel for that in this type, as it has none in bfloat16: GPUs may run it"


class NoKernelError(RuntimeFailure):
    """A model that ONNX Runtime's CPU provider cannot run, sound as it may be."""


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """All that is asked of a session: a model that was checked; the `providers` that are demanded, by ONNX Runtime's
    names (None: the best that works); where its settings come from; free axes whose extents are fixed; whether it is to
    be the file as it was written, not what was made of it for this processor; whether weights may stay in files; and
    what changes the model in memory."""

    model: ModelFile
    providers: tuple[str, ...] | None
    settings: SettingsSource
    fixed: Mapping[str, int]
    as_written: bool = False
    mapped: bool = True
    rewrites: tuple[Rewrite, ...] = ()

    def load(self, names: Sequence[str]) -> LoadedModel:
        """Load a session on these providers, from the form that was made for this processor where one applies.

        Raises RuntimeFailure where ONNX Runtime does not load it, and ModelError where the file is no longer the one
        that was opened.
        """
        chosen = self.settings.choose(SHORT.get(names[0], names[0]))
        on_cpu = list(names) == [CPU]
        if on_cpu and not (self.fixed or self.as_written or self.rewrites) and chosen.settings.layout != "plain":
            form = find_optimized(self.model)
            if form is not None:
                try:
                    return LoadedModel(self._load_form(form, chosen.settings), form, chosen)
                except ArchspecError as error:  # the model itself is always there
                    warn(describe_unused(form, self.model.path, error))
        return LoadedModel(self._load(names, chosen.settings), self.model.path, chosen)

    def _load_form(self, path: Path, settings: Settings) -> Any:
        form = ModelFile.open(path).check()
        session = replace(self, model=form)._load([CPU], settings, AS_IS)
        self.model.check_unwritten()
        return session

    def _load(self, names: Sequence[str], settings: Settings, attributes: Mapping[str, Any] | None = None) -> Any:
        """A session that notices where a file from which it computes is written."""
        rewrites = self._list_rewrites()
        if list(names) == [CPU] and self.mapped and can_map(self.model) and not rewrites:
            with contextlib.suppress(Exception):  # what ONNX Runtime does not take in this form, it may from the file
                return self._load_mapped(settings, attributes)
        shared, data = ({}, self.model.data) if self.mapped else copy_data(self.model)
        watch = Watch(self.model.path.parent / name for name in data)
        with self._explaining(names):
            source, entries = rewrite_model(self.model, rewrites) if rewrites else (self.model.path, {})
            session = start(
                source,
                providers={name: self.choose_options(name, settings) for name in names},
                settings=settings,
                fixed=self.fixed,
                attributes=attributes,
                entries=entries,
                shared=shared,
            )
        self.model.check_unwritten()
        watch.check_names()
        return WatchedSession(session, watch, shared) if data or shared else session

    def _list_rewrites(self) -> list[Rewrite]:
        nameless = find_nameless(self.model, self.fixed)
        fixing = [partial(fix_nameless, nameless)] if nameless else []
        return [*fixing, *self.rewrites]

    def _load_mapped(self, settings: Settings, attributes: Mapping[str, Any] | None) -> Any:
        watch = Watch([self.model.path])
        source, entries = map_weights(self.model)
        session = start(source, settings=settings, fixed=self.fixed, attributes=attributes, entries=entries)
        self.model.check_unwritten()
        watch.check_names()
        return WatchedSession(session, watch)

    def choose_options(self, name: str, settings: Settings) -> dict[str, str]:
        """Choose the options of a provider under these settings."""
        if name == CUDA:
            return CUDA_DEFAULTS | settings.cuda_options()
        if name != TENSORRT:
            return {}
        from runtime.session.tensorrt import choose_tensorrt_options  # which hashes the model

        return choose_tensorrt_options(self.model, self.fixed, keep=not self.rewrites)

    @contextlib.contextmanager
    def _explaining(self, names: Sequence[str]) -> Iterator[None]:
        try:
            yield
        except ArchspecError:
            raise
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            self.model.check_unwritten()  # what it says is of the file that is there now
            said = f"{self.model.path}: ONNX Runtime cannot load it: {shorten(error)}"
            if type(error).__name__ == "NotImplemented" and list(names) == [CPU]:
                raise NoKernelError(f"{said}{NO_KERNEL}") from error
            raise RuntimeFailure(said) from error


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """An onnxruntime.InferenceSession, the file that it was loaded from, and the settings it was given."""

    session: Any
    path: Path
    chosen: ChosenSettings

    @property
    def providers(self) -> list[str]:
        """The providers that it got, by ONNX Runtime's own names."""
        return list(self.session.get_providers())
