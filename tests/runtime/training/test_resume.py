"""A training goes on where it stopped, and nowhere else: what is damaged, another, or missing is told."""

from __future__ import annotations

import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archspec.api import load, train
from archspec.errors import ArchspecError, InputError
from runtime.recipes.recipe import Recipe
from runtime.training.manifest import Manifest
from runtime.training.metrics import Progress
from runtime.training.resume import fill_in
from runtime.training.run_folder import CHECKPOINTS, METRICS, WEIGHTS
from tests.support.killed_training import RECIPE, compare, make_images, prepare, read_result
from tests.support.training import change, stop_at


def go_on(folder: Path, resume: str = "auto", recipe: Recipe = RECIPE, **more: Any) -> Any:
    return train(load(folder.with_name("spec.json")), make_images(), recipe, folder=folder, resume=resume, **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = prepare(tmp_path_factory.mktemp("whole") / "run")
    go_on(folder, "never")
    return folder


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = prepare(tmp_path_factory.mktemp("stopped") / "run")
    with pytest.raises(KeyboardInterrupt):
        go_on(folder, "never", on_step=stop_at(20))
    return folder


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """A run that was interrupted at step 20, whose newest checkpoints are of steps 15 and 18."""
    shutil.copytree(stopped_once.parent, tmp_path / "copy")
    return tmp_path / "copy" / "run"


def name_last(folder: Path) -> Path:
    last = Manifest.read(folder / CHECKPOINTS).last
    assert last is not None
    return folder / CHECKPOINTS / last.name


def look_at_files(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_training_goes_on_from_its_newest_checkpoint(
    whole: Path, stopped: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert name_last(stopped).name == "00000018"
    steps: list[int] = []
    result = go_on(stopped, on_step=lambda progress: steps.append(progress.step))
    assert steps == list(range(19, 31))
    assert compare(read_result(stopped), read_result(whole)) == []
    assert [row.step for row in result.history] == [7, 14, 21, 28, 30]
    assert caplog.messages == []
    files = look_at_files(stopped)
    again = go_on(stopped)  # which is over
    assert (again.steps, again.test_scores) == (30, result.test_scores)
    assert look_at_files(stopped) == files
    (said,) = caplog.messages
    assert said.startswith(f"{stopped} is finished, at step 30 of 30: nothing is trained")
    assert said.endswith(f"begin from them: --init {stopped / WEIGHTS} -o another folder")
    (stopped / WEIGHTS).unlink()
    go_on(stopped)  # which makes what is missing
    assert compare(read_result(stopped), read_result(whole)) == []


@contextmanager
def restoring_limits() -> Iterator[None]:
    """Give files back the length that they may have, and the signal at its end what it does."""
    limit, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)


def fill_at(step: int) -> Callable[[Progress], None]:
    """Have the system cut off what is written after a step beyond 100 bytes of a file, as a full disk does."""

    def fill(progress: Progress) -> None:
        if progress.step == step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    return fill


def test_a_full_disk_ends_a_training_and_costs_the_steps_since_its_checkpoint(
    whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where there is room again it goes on, and ends as the others do."""
    folder = prepare(tmp_path / "run")
    with restoring_limits(), pytest.raises(InputError, match=r"cannot write .*: File too large"):
        go_on(folder, "never", on_step=fill_at(10))
    assert any(message.startswith("stopped: 9 of 30 steps are saved") for message in caplog.messages)
    assert name_last(folder).name == "00000009"
    go_on(folder)
    assert compare(read_result(folder), read_result(whole)) == []


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "ema.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_passed_over_and_told(
    name: str, whole: Path, stopped: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = name_last(stopped) / name
    path.write_bytes(path.read_bytes()[:-1])
    go_on(stopped)
    assert f"{path} has " in caplog.messages[0]
    assert caplog.messages[0].endswith("it goes on from step 15, and 3 steps after it are taken again")
    assert compare(read_result(stopped), read_result(whole)) == []


def test_where_no_checkpoint_is_whole_it_stops(stopped: Path) -> None:
    before = (stopped / METRICS).read_bytes()
    for path in (stopped / CHECKPOINTS).glob("*/state.json"):
        path.write_text("{}")
    with pytest.raises(
        InputError, match=r"no checkpoint in .* is whole: .*; begin anew, without --resume, or from the "
    ):
        go_on(stopped)
    (stopped / CHECKPOINTS / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"the list of checkpoints is damaged: .* is not valid JSON"):
        go_on(stopped)
    shutil.rmtree(stopped / CHECKPOINTS)
    with pytest.raises(InputError, match=r"has no checkpoint to go on from .*; begin anew, .*--init .*weights.safeten"):
        go_on(stopped)
    with pytest.raises(InputError, match="nowhere has no checkpoint to go on from"):
        go_on(stopped.with_name("nowhere"))
    assert (stopped / METRICS).read_bytes() == before
    assert not stopped.with_name("nowhere").exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"seed": 1}, "recipe.seed: 0 there, 1 now"),
        ({"batch": 32}, "recipe.batch: 16 there, 32 now"),
        ({"lr": 0.5}, "recipe.optimizer.lr: 0.01 there, 0.5 now"),
        ({"steps": 60}, "recipe.steps: 30 there, 60 now"),
        ({"compile": True}, "recipe.compile: False there, True now"),
    ],
)
def test_another_recipe_is_refused_with_the_difference(fields: dict[str, Any], said: str, stopped: Path) -> None:
    with pytest.raises(InputError, match=rf"trained with other settings \({said}\); give the same ones, or begin anew"):
        go_on(stopped, recipe=change(RECIPE, **fields))


def test_what_changes_nothing_of_the_steps_may_change(whole: Path, stopped: Path) -> None:
    """The numbers are the same; the weights' metadata say the other words."""
    go_on(stopped, recipe=change(RECIPE, description="as before", keep_checkpoints=3))
    found, expected = read_result(stopped), read_result(whole)
    assert found["metrics"] == expected["metrics"]
    last = [name for name in expected if name.startswith("00000030")]
    assert last
    assert all(found[name] == expected[name] for name in last)


def test_another_network_or_other_data_are_refused(stopped: Path) -> None:
    spec = json.loads(stopped.with_name("spec.json").read_text())
    spec["network"][2] = "silu"
    stopped.with_name("other.json").write_text(json.dumps(spec))
    with pytest.raises(InputError, match=r"network: '.*' there, '.*' now"):
        train(load(stopped.with_name("other.json")), make_images(), RECIPE, folder=stopped, resume="auto")
    with pytest.raises(InputError, match=r"data.archspec\.data: .* there, .* now"):
        train(load("resnet_digits"), "digits", RECIPE, folder=stopped, resume="auto")


def test_a_checkpoint_may_be_named_and_another_folder_too(whole: Path, stopped: Path, tmp_path: Path) -> None:
    """The run that it is of stays as it was; the metrics before it come along."""
    (tmp_path / "other").mkdir()
    other = prepare(tmp_path / "other" / "run")
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    go_on(other, str(stopped / CHECKPOINTS / "00000015"))
    assert {path: path.read_bytes() for path in before} == before
    expected, found = read_result(whole), read_result(other)
    assert found["metrics"] == expected["metrics"]
    assert found["weights"] == expected["weights"]
    with pytest.raises(InputError, match="00000099 is not in the list of checkpoints, 00000007, 00000015, 00000018"):
        go_on(stopped, str(stopped / CHECKPOINTS / "00000099"))


def test_a_run_that_is_there_is_neither_replaced_nor_gone_on_with_unasked(stopped: Path) -> None:
    with pytest.raises(
        ArchspecError, match=r"holds an earlier run .*: go on with it \(--resume auto\), choose another"
    ):
        go_on(stopped, "never")
    assert (stopped / WEIGHTS).exists()


def test_what_was_chosen_is_chosen_again() -> None:
    asked = Recipe(batch="auto", precision="auto", memory_format="auto")
    stored = Recipe(batch=64, precision="bf16").to_dict()
    filled = fill_in(asked, stored)
    assert (filled.batch, filled.precision, filled.memory_format) == (64, "bf16", "contiguous")
    assert fill_in(Recipe(batch=8), stored).batch == 8
    assert fill_in(asked, None) is asked
