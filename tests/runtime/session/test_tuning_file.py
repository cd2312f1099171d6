"""What was measured is found again: for this model, on this device, by this runtime, and nowhere else."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.session import machine, tuning_file
from runtime.session.model_file import ModelFile
from runtime.session.session import Session
from runtime.session.settings import Settings
from runtime.session.tuning_file import TuningEntry, TuningKey, identify, keep_entries, read_entries, tuning_path
from tests.support.models import build_double, save

SIZES = {"archspec.sizes": json.dumps({"H": {"value": 8, "first": 8, "step": 4}, "W": {"value": 5}})}
SHAPE = {"N": 1, "H": 8, "W": 5}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(build_double(metadata=SIZES), tmp_path / "m.onnx")


def entry_of(key: TuningKey, settings: Settings, *, fixed: bool = False, sizes: dict[str, int] = SHAPE) -> TuningEntry:
    return TuningEntry(key, sizes, fixed, settings, 1.0, 2.0)


def open_on_cpu(path: Path, **options: Any) -> Session:
    return Session(path, providers=("cpu",), **options)


def test_a_session_takes_what_was_measured(model: Path) -> None:
    before = open_on_cpu(model)
    assert (before.settings, before.settings_source) == (Settings(), "default")
    keep_entries(model, (entry_of(identify(ModelFile.open(model), "cpu"), Settings(threads=1, spinning=False)),))
    session = open_on_cpu(model)
    assert (session.settings, session.settings_source) == (Settings(threads=1, spinning=False), "m.onnx.tune.json")
    assert session._session.get_session_options().intra_op_num_threads == 1
    assert open_on_cpu(model, threads=2).settings == Settings(threads=2, spinning=False)
    assert open_on_cpu(model, settings="default").settings == Settings()
    given = open_on_cpu(model, settings=Settings(arena=False))
    assert (given.settings, given.settings_source) == (Settings(arena=False), "given")


@pytest.mark.parametrize("change", [{"model": "another"}, {"device": "a toaster"}, {"runtime": "onnxruntime 0.1"}])
def test_what_was_measured_elsewhere_is_left_alone(model: Path, change: dict[str, str]) -> None:
    keep_entries(model, (entry_of(replace(identify(ModelFile.open(model), "cpu"), **change), Settings(threads=1)),))
    session = open_on_cpu(model)
    assert session.settings == Settings()
    assert session.settings_source == "default: m.onnx.tune.json is of another model, device or runtime"


def test_another_device_adds_an_entry_and_the_same_one_replaces_its_own(model: Path) -> None:
    here = identify(ModelFile.open(model), "cpu")
    elsewhere = entry_of(replace(here, device="a toaster"), Settings(threads=3))
    keep_entries(model, (elsewhere,))
    keep_entries(model, (entry_of(here, Settings(threads=1)),))
    keep_entries(model, (entry_of(here, Settings(threads=2), sizes={"N": 8, "H": 8, "W": 5}),))
    assert [entry.settings.threads for entry in read_entries(model)] == [3, 2]
    assert read_entries(model)[0] == elsewhere


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked there")
@pytest.mark.parametrize("alone", [True, False])
def test_two_searches_at_the_same_time_lose_no_entry(model: Path, monkeypatch: pytest.MonkeyPatch, alone: bool) -> None:
    """The control is that one is lost where nobody waits for the other: both have read before either writes."""
    here = identify(ModelFile.open(model), "cpu")
    found = [entry_of(replace(here, device=name), Settings(threads=1)) for name in ("a toaster", "a kettle")]
    both_have_read = threading.Barrier(2)

    def read_together(model: Path) -> tuple[TuningEntry, ...]:
        there = read_entries(model)
        with suppress(threading.BrokenBarrierError):  # one of them waits to read
            both_have_read.wait(timeout=1)
        return there

    monkeypatch.setattr(tuning_file, "read_entries", read_together)
    if not alone:
        monkeypatch.setattr(tuning_file, "updating", lambda path: nullcontext())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda entry: keep_entries(model, (entry,)), found))
    kept = {entry.key.device for entry in read_entries(model)}
    assert (kept == {"a toaster", "a kettle"}) == alone


@pytest.mark.parametrize(
    ("before", "later", "stays"),
    [
        ((8, 8), (1, 8), True),
        ((3, 8), (2, 8), True),
        ((3, 8), (3, 8), False),
        ((1, 8), (8, 8), False),
        ((6, 6), (5, 5), False),  # all there were
        ((None, None), (1, 8), False),
    ],
)
def test_a_fuller_search_is_not_replaced_by_a_lesser_one(
    model: Path, before: tuple[Any, Any], later: tuple[int, int], stays: bool
) -> None:
    key = identify(ModelFile.open(model), "cpu")
    old = replace(entry_of(key, Settings(threads=1)), tried=before[0], changes=before[1])
    new = replace(entry_of(key, Settings()), tried=later[0], changes=later[1])
    other = replace(entry_of(replace(key, device="a toaster"), Settings(threads=3)), tried=8, changes=8)
    keep_entries(model, (other, old))
    assert keep_entries(model, (new,)) == ((old,) if stays else ())
    assert read_entries(model) == (other, old if stays else new)
    assert keep_entries(model, (new,), force=True) == ()
    assert read_entries(model) == (other, new)


def test_what_was_not_tried_is_said(model: Path) -> None:
    key = identify(ModelFile.open(model), "cpu")
    for counts, source in (((1, 8), "m.onnx.tune.json: 1 of 8 changes tried"), ((8, 8), "m.onnx.tune.json")):
        entry = replace(entry_of(key, Settings()), tried=counts[0], changes=counts[1])
        keep_entries(model, (entry,), force=True)
        assert open_on_cpu(model).settings_source == source


def test_settings_that_a_renamed_model_left_behind_are_told(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep_entries(model, (entry_of(identify(ModelFile.open(model), "cpu"), Settings(threads=1)),))
    (model.parent / "other.onnx.tune.json").write_text("[", encoding="utf-8")  # nobody's, and no matter
    assert open_on_cpu(model).settings == Settings(threads=1)
    assert not caplog.messages
    renamed = model.rename(model.parent / "n.onnx")
    assert open_on_cpu(renamed).settings == Settings()
    assert caplog.messages == [
        f"{tuning_path(model)} has settings that were measured for n.onnx when it had another name, and is not used: "
        f"rename it to n.onnx.tune.json, or run archspec tune {renamed}"
    ]
    caplog.clear()
    open_on_cpu(renamed, settings="default")
    save(build_double((1, 3)), model.parent / "another.onnx")
    open_on_cpu(model.parent / "another.onnx")  # of which nothing was measured
    save(build_double(metadata=SIZES), model)
    open_on_cpu(renamed)  # a copy: the settings have their model
    assert not caplog.messages
    model.unlink()
    tuning_path(model).rename(tuning_path(renamed))
    assert open_on_cpu(renamed).settings == Settings(threads=1)
    assert not caplog.messages


def test_settings_for_fixed_sizes_are_for_those_alone(model: Path) -> None:
    key = identify(ModelFile.open(model), "cpu")
    free, fixed = entry_of(key, Settings(threads=1)), entry_of(key, Settings(arena=False), fixed=True)
    keep_entries(model, (free, fixed))
    assert open_on_cpu(model).settings == free.settings
    assert open_on_cpu(model, fixed=SHAPE).settings == fixed.settings
    assert open_on_cpu(model, fixed={"N": 2}).settings == free.settings


def test_the_exporters_word_for_a_model_is_its_identity(tmp_path: Path) -> None:
    paths = [
        save(build_double(metadata={"archspec.content": word, "n": str(n)}), tmp_path / f"{n}.onnx")
        for n, word in enumerate(("one", "one", "two"))
    ]
    assert [identify(ModelFile.open(path), "cpu").model for path in paths] == ["one", "one", "two"]
    plain = [save(build_double((n, 3)), tmp_path / f"plain{n}.onnx") for n in (1, 2)]
    assert identify(ModelFile.open(plain[0]), "cpu") != identify(ModelFile.open(plain[1]), "cpu")


ENTRY = {
    "model": "m", "device": "d", "runtime": "r", "provider": "cpu",
    "sizes": {"N": 1}, "fixed": False, "settings": {}, "milliseconds": 1.0, "default_milliseconds": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "must be a JSON object"),
        ("{}", "lacks the key 'format'"),
        ('{"format": 2, "entries": []}', "another format than 1"),
        ('{"format": 1, "entries": {}}', "entries must be a list"),
        ('{"format": 1, "entries": [3]}', "entry 1 must be a JSON object"),
        ('{"format": 1, "format": 1, "entries": []}', "stands twice"),
        *(
            (json.dumps({"format": 1, "entries": [ENTRY | change]}), message)
            for change, message in (
                ({"model": 1}, "model must be a string"),
                ({"sizes": []}, "sizes must be a JSON object"),
                ({"sizes": {"N": 0}}, "sizes: N must be between"),
                ({"fixed": 1}, "fixed must be true or false"),
                ({"settings": {"library": "evil.so"}}, "unknown key 'library'"),
                ({"settings": {"threads": 10**9}}, "threads must be between 1 and 1024"),
                ({"milliseconds": "1"}, "milliseconds must be a number"),
                ({"more": 1}, "unknown key 'more'"),
                ({"tried": 1}, "lacks the key 'changes'"),
                ({"tried": 9, "changes": 8}, "tried must be between 0 and 8"),
            )
        ),
        (" " * (1 << 20) + "{}", "is larger than 1,048,576 bytes"),
    ],
)
def test_a_malformed_file_is_refused_and_stays_out_by_default_settings(model: Path, text: str, message: str) -> None:
    tuning_path(model).write_text(text, encoding="utf-8")
    with pytest.raises(ArchspecError, match=message) as caught:
        open_on_cpu(model)
    assert "m.onnx.tune.json" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ArchspecError, match=message):
        keep_entries(model, ())
    assert tuning_path(model).read_text(encoding="utf-8") == text
    assert open_on_cpu(model, settings="default").settings == Settings()


def test_a_sound_entry_is_read(model: Path) -> None:
    """The control of the test above."""
    tuning_path(model).write_text(json.dumps({"format": 1, "entries": [ENTRY]}), encoding="utf-8")
    (entry,) = read_entries(model)
    assert (entry.key, entry.tried, entry.unfinished) == (TuningKey("m", "d", "r", "cpu"), None, "")


def test_a_folder_in_its_place_is_refused(model: Path) -> None:
    tuning_path(model).mkdir()
    with pytest.raises(ArchspecError, match="is not a file"):
        open_on_cpu(model)


@pytest.mark.parametrize("settings", ["fast", 3, {"threads": 1}])
def test_other_settings_are_refused(model: Path, settings: Any) -> None:
    with pytest.raises(ArchspecError, match="settings are Settings or 'default'"):
        open_on_cpu(model, settings=settings)


# Fixed sizes.


def test_a_fixed_session_takes_its_sizes_and_no_others(model: Path) -> None:
    session = open_on_cpu(model, fixed=SHAPE)
    assert session.inputs == {"x": (1, 3, 8, 5)}
    x = np.ones((1, 3, 8, 5), np.float32)
    assert np.array_equal(session.run(x)["y"], x + x)
    with pytest.raises(ArchspecError, match="axis 2 is 12; the model takes 8"):
        session.run(np.ones((1, 3, 12, 5), np.float32))
    assert open_on_cpu(model, fixed={"N": 2}).inputs == {"x": (2, 3, "H", "W")}


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"D": 1}, r"has no free axis 'D' to fix \(free: N, H, W\)"),
        ({"H": 9}, "H is fixed at 9; the model takes 8, 12, 16"),
        ({"N": 0}, "a whole number from 1, found 0"),
        ({"N": True}, "a whole number from 1, found True"),
    ],
)
def test_sizes_that_cannot_be_fixed_are_refused(model: Path, fixed: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        open_on_cpu(model, fixed=fixed)


def test_an_entry_of_the_free_machine_does_not_hold_under_a_quota(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = identify(ModelFile.open(model), "cpu")
    keep_entries(model, (entry_of(key, Settings(threads=1)),))
    assert open_on_cpu(model).settings == Settings(threads=1)
    monkeypatch.setattr(machine, "read_quota", lambda: 0.5)
    assert open_on_cpu(model).settings_source.startswith("default: m.onnx.tune.json is of another model, device")
