"""The settings with which ONNX Runtime runs a model: names of this program's own for what it takes in four different
places."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from archspec.errors import InputError, raising
from archspec.extras import extra
from archspec.strict_json import check_integer, check_keys
from archspec.wording import cut

with extra("run"):
    import onnxruntime as ort

SettingPlace = Literal["attribute", "entry", "cuda"]
SettingValue = bool | int | str

MAX_THREADS = 1024
"""The largest number of threads of one operation that a setting can ask for."""


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One setting: where ONNX Runtime takes it (an attribute of SessionOptions, an entry of its configuration, an
    option of the CUDA provider), its name there, and what it may be: true or false, a whole number, or words with
    values."""

    place: SettingPlace
    key: str
    allowed: type[bool] | range | Mapping[str, Any]

    @raising(InputError)
    def check(self, value: object, what: str) -> SettingValue:
        """Give `value` where it is allowed. Raises InputError where it is not."""
        if isinstance(self.allowed, range):
            return check_integer(value, what, self.allowed.start, self.allowed.stop - 1)
        words = {True: True, False: False} if self.allowed is bool else self.allowed
        if isinstance(value, bool | str) and value in words and isinstance(value, bool) == (self.allowed is bool):
            return value
        known = "true or false" if self.allowed is bool else " or ".join(map(str, words))
        raise InputError(f"{what} must be {known}, found {cut(repr(str(value)), 42)}")

    def translate(self, value: SettingValue) -> Any:
        """Give the value in ONNX Runtime's terms: its entries and options are texts."""
        found = self.allowed[str(value)] if isinstance(self.allowed, Mapping) else value
        if self.place == "attribute":
            return found
        return str(int(found)) if isinstance(found, bool | int) else str(found)


def _setting(place: SettingPlace, key: str, allowed: type[bool] | range | Mapping[str, Any]) -> Any:
    return field(default=None, metadata={"spec": SettingSpec(place, key, allowed)})


_LEVELS = MappingProxyType(
    {"blocked": ort.GraphOptimizationLevel.ORT_ENABLE_ALL, "plain": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED}
)
_SEARCHES = MappingProxyType({"heuristic": "HEURISTIC", "exhaustive": "EXHAUSTIVE"})
_GROWTHS = MappingProxyType({"doubling": "kNextPowerOfTwo", "exact": "kSameAsRequested"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that a session asks of ONNX Runtime. None leaves one as the runtime has it by itself.

    On the CPU: `threads` of one operation; whether they spin while they wait (`spinning`); convolutions in the layout
    `blocked` by channels, or `plain`; a memory `arena`, and a `memory_pattern` planned at the first run; `block_base`
    cuts an operation's work into pieces that shrink; `flush_denormals` takes the tiniest numbers for zero.
    With the CUDA provider: how cuDNN looks for its convolutions (`conv_search`); `nhwc`, `conv_bias` and
    `conv_workspace` (channels last, bias fused, all the workspace wanted); `arena_growth`; `tf32`, which gives up
    digits of fp32; `cuda_graph`, which replays one recorded run and needs every size fixed.

    Raises InputError where a value is not allowed.

    >>> from runtime.session.settings import Settings
    >>> settings = Settings(threads=2, layout="blocked")
    >>> settings.to_dict()
    {'threads': 2, 'layout': 'blocked'}
    >>> str(settings.changed_by(Settings(arena=False)))
    '2 threads, blocked layout, no arena'
    """

    threads: int | None = _setting("attribute", "intra_op_num_threads", range(1, MAX_THREADS + 1))
    spinning: bool | None = _setting("entry", "session.intra_op.allow_spinning", bool)
    layout: str | None = _setting("attribute", "graph_optimization_level", _LEVELS)
    arena: bool | None = _setting("attribute", "enable_cpu_mem_arena", bool)
    memory_pattern: bool | None = _setting("attribute", "enable_mem_pattern", bool)
    block_base: int | None = _setting("entry", "session.dynamic_block_base", range(1, 1025))
    flush_denormals: bool | None = _setting("entry", "session.set_denormal_as_zero", bool)
    conv_search: str | None = _setting("cuda", "cudnn_conv_algo_search", _SEARCHES)
    nhwc: bool | None = _setting("cuda", "prefer_nhwc", bool)
    conv_bias: bool | None = _setting("cuda", "fuse_conv_bias", bool)
    conv_workspace: bool | None = _setting("cuda", "cudnn_conv_use_max_workspace", bool)
    arena_growth: str | None = _setting("cuda", "arena_extend_strategy", _GROWTHS)
    tf32: bool | None = _setting("cuda", "use_tf32", bool)
    cuda_graph: bool | None = _setting("cuda", "enable_cuda_graph", bool)

    def __post_init__(self) -> None:
        for name, value in self.to_dict().items():
            SETTING_SPECS[name].check(value, f"the setting '{name}'")

    @classmethod
    def from_dict(cls, found: object, what: str = "a settings object") -> Settings:
        """Make settings of what `to_dict` gives. Raises ArchspecError for anything else that was in a file."""
        items = check_keys(found, what, (), SETTING_SPECS).items()
        checked: dict[str, Any] = {name: SETTING_SPECS[name].check(value, f"{what}: {name}") for name, value in items}
        return cls(**checked)

    def to_dict(self) -> dict[str, SettingValue]:
        """Give the settings that are not left to the runtime, by name."""
        pairs = ((item.name, getattr(self, item.name)) for item in dataclasses.fields(self))
        return {name: value for name, value in pairs if value is not None}

    def __str__(self) -> str:
        said = (_say(name, value) for name, value in self.to_dict().items())
        return ", ".join(said) or "the runtime's own"

    def changed_by(self, change: Settings) -> Settings:
        """Give these settings, with those of `change` above them."""
        above: dict[str, Any] = change.to_dict()
        return dataclasses.replace(self, **above)

    def put_on(self, options: Any) -> None:
        """Set what an onnxruntime.SessionOptions takes."""
        if self.threads is not None:
            options.inter_op_num_threads = 1
        for name, value in self.to_dict().items():
            spec = SETTING_SPECS[name]
            if spec.place == "attribute":
                setattr(options, spec.key, spec.translate(value))
            elif spec.place == "entry":
                options.add_session_config_entry(spec.key, spec.translate(value))

    def cuda_options(self) -> dict[str, str]:
        """Give the options of the CUDA provider."""
        chosen = ((SETTING_SPECS[name], value) for name, value in self.to_dict().items())
        return {spec.key: spec.translate(value) for spec, value in chosen if spec.place == "cuda"}


SETTING_SPECS: Mapping[str, SettingSpec] = MappingProxyType(
    {item.name: item.metadata["spec"] for item in dataclasses.fields(Settings)}
)


def _say(name: str, value: SettingValue) -> str:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    if name == "threads":
        return f"{value} {words if value != 1 else 'thread'}"
    return f"{value} layout" if name == "layout" else f"{words} {value}"
