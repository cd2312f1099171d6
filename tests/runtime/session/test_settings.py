"""Settings reach ONNX Runtime as it means them, and nothing else gets in."""

from __future__ import annotations

import dataclasses
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import ArchspecError
from runtime.session.settings import SETTING_SPECS, Settings


def values_of(name: str) -> st.SearchStrategy[Any]:
    allowed = SETTING_SPECS[name].allowed
    if isinstance(allowed, range):
        return st.integers(allowed.start, allowed.stop - 1)
    return st.booleans() if allowed is bool else st.sampled_from(sorted(allowed))


SETTINGS = st.fixed_dictionaries({}, optional={name: values_of(name) for name in SETTING_SPECS}).map(
    lambda chosen: Settings(**chosen)
)


@given(SETTINGS)
def test_what_is_written_is_read(settings: Settings) -> None:
    assert Settings.from_dict(settings.to_dict()) == settings
    assert None not in settings.to_dict().values()


@given(SETTINGS, SETTINGS)
def test_a_change_stands_above(before: Settings, change: Settings) -> None:
    assert before.changed_by(change).to_dict() == before.to_dict() | change.to_dict()


@given(SETTINGS)
def test_onnx_runtime_has_what_was_asked_for(settings: Settings) -> None:
    """Its own SessionOptions is the witness."""
    options = ort.SessionOptions()
    settings.put_on(options)
    for name, value in settings.to_dict().items():
        spec = SETTING_SPECS[name]
        if spec.place == "attribute":
            assert getattr(options, spec.key) == spec.translate(value)
        elif spec.place == "entry":
            assert options.get_session_config_entry(spec.key) == str(int(value))
        else:
            assert settings.cuda_options()[spec.key] == spec.translate(value)


def test_nothing_asked_for_changes_nothing() -> None:
    options, untouched = ort.SessionOptions(), ort.SessionOptions()
    Settings().put_on(options)
    keys = [spec.key for spec in SETTING_SPECS.values() if spec.place == "attribute"]
    assert [getattr(options, key) for key in keys] == [getattr(untouched, key) for key in keys]
    assert Settings().cuda_options() == {}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "must be a JSON object, found a list"),
        ({"thread": 1}, "unknown key 'thread'; did you mean 'threads'"),
        ({"threads": 0}, "threads must be between 1 and 1024, found 0"),
        ({"threads": True}, "threads must be an integer"),
        ({"spinning": 1}, "spinning must be true or false"),
        ({"layout": "fast"}, "layout must be blocked or plain, found 'fast'"),
        ({"layout": True}, "layout must be blocked or plain"),
        ({"conv_search": {"a": 1}}, "conv_search must be heuristic or exhaustive"),
        ({"arena": None}, "arena must be true or false"),
        ({"block_base": 10**30}, "block_base must be between"),
    ],
)
def test_anything_else_is_refused(found: Any, message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        Settings.from_dict(found)


def test_a_wrong_value_is_refused_in_python_too() -> None:
    with pytest.raises(ArchspecError, match="the setting 'layout' must be blocked or plain"):
        Settings(layout="")


def test_settings_are_said_in_words() -> None:
    assert str(Settings()) == "the runtime's own"
    assert str(Settings(threads=1)) == "1 thread"
    assert str(Settings(threads=2, spinning=False, layout="plain", tf32=True)) == (
        "2 threads, no spinning, plain layout, tf32"
    )


def test_the_cuda_provider_knows_the_names() -> None:
    """Its library, which is here without a GPU too, holds them as text."""
    found = list(Path(ort.__file__).parent.glob("capi/*providers_cuda*"))
    if not found:
        pytest.skip("this onnxruntime has no CUDA provider")
    names = {spec.key for spec in SETTING_SPECS.values() if spec.place == "cuda"}
    growth = SETTING_SPECS["arena_growth"]
    assert isinstance(growth.allowed, Mapping)
    words = set(growth.allowed.values())
    with found[0].open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
        assert [name for name in sorted(names | words) if library.find(name.encode()) < 0] == []
        assert library.find(b"no_such_option_of_cuda") < 0


def test_every_setting_has_a_knob() -> None:
    assert set(SETTING_SPECS) == {item.name for item in dataclasses.fields(Settings)}
