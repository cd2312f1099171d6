"""A training in two processes that torchrun could have started, each forked from one that has torch loaded already."""

from __future__ import annotations

import functools
import itertools
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from torch._C._distributed_c10d import TCPStore

from archspec.api import load
from archspec.errors import RuntimeFailure
from archspec.spec.spec import Spec
from runtime.int8.aware import AwareTraining
from runtime.recipes.recipe import Recipe
from runtime.training.distributed import RANK, RESTARTS, WORLD_SIZE, ProcessRanks
from runtime.training.training_run import TrainingChoices, train_network
from tests.support.killed_training import EVENTS, make_images, measure_metrics

PATIENCE = 240
"""The seconds after which processes that wait for each other are ended."""

LAUNCHES = itertools.count()
"""The number of the next launch: all meet in one store, as processes do that torchrun starts anew."""


class Kill(NamedTuple):
    """A process, by its rank, and at which of its moments it is killed: at each step there is one, and of the first
    process at whatever it does in its folder. Or, with a moment of zero, so many seconds `after` a line of the
    metrics."""

    rank: int
    moment: int = 0
    after: float | None = None


NOBODY = Kill(-1)


def write_task(folder: Path, network: list[Any], recipe: dict[str, Any]) -> Path:
    """Write beside a run's folder which network is trained, and how."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    spec = {"archspec": 1, "name": "together", "inputs": {"x": [1, 4, 4]}, "network": network}
    folder.with_name("spec.json").write_text(json.dumps(spec), encoding="utf-8")
    folder.with_name("recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    return folder


def train_together(folder: Path, resume: str = "never", kill: Kill = NOBODY, size: int = 2) -> list[int | None]:
    """Train in some processes, of which one may be killed; their exit codes, None for one that had to be ended. Where
    float.safetensors lies beside the folder, they train in integers from these weights."""
    return run_together(_train_here, folder, size, resume, kill, kill=kill)


def run_together(
    work: Callable[..., None], folder: Path, size: int = 2, *given: Any, kill: Kill = NOBODY
) -> list[int | None]:
    """Call a function, with a run's folder and what else is given, in some processes that find each other."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.loaded_for_training"])
    place = {
        WORLD_SIZE: str(size),
        RESTARTS: str(next(LAUNCHES)),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_serve_store().port),
    }
    processes = []
    for rank in range(size):
        here = {**place, RANK: str(rank), "LOCAL_RANK": str(rank)}
        processes.append(context.Process(target=_work_here, args=(work, here, str(folder), *given)))
    before = measure_metrics(folder)
    for process in processes:
        process.start()
    if kill.after is not None:
        while processes[kill.rank].is_alive() and measure_metrics(folder) in (0, before):
            time.sleep(0.001)
        time.sleep(kill.after)
        processes[kill.rank].kill()
    for process in processes:
        process.join(PATIENCE)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
        process.join()
    return codes


@functools.cache
def _serve_store() -> TCPStore:
    return TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


def _work_here(work: Callable[..., None], place: dict[str, str], folder: str, *given: Any) -> None:
    os.environ.update(place)
    work(folder, *given)


def read_task(folder: str) -> tuple[Spec, Recipe]:
    """Read what `write_task` has written."""
    recipe = Recipe.model_validate(json.loads(Path(folder).with_name("recipe.json").read_text(encoding="utf-8")))
    return load(str(Path(folder).with_name("spec.json"))), recipe


def _train_here(folder: str, resume: str, kill: Kill) -> None:
    moments = 0

    def pass_by() -> None:
        nonlocal moments
        moments += 1
        if moments == kill.moment and os.environ[RANK] == str(kill.rank):
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(event: str, given: tuple[Any, ...]) -> None:
        if event in EVENTS and any(folder in str(name) for name in given if isinstance(name, str | os.PathLike)):
            pass_by()

    def agree(ranks: ProcessRanks, wanted: bool) -> bool:
        pass_by()
        return agree_as_before(ranks, wanted)

    if os.environ[RANK] == "0":
        sys.addaudithook(hear)
    agree_as_before, ProcessRanks.agree = ProcessRanks.agree, agree  # type: ignore[method-assign,assignment]
    spec, recipe = read_task(folder)
    choices = TrainingChoices(resume=resume, force=resume == "never")
    if (weights := Path(folder).with_name("float.safetensors")).exists():
        init = weights if resume == "never" else None
        choices = replace(choices, init=init, reshaping=AwareTraining("u8s8", reduce_range=True))
    try:
        # without callbacks: what draws pictures takes longer than all else
        result = train_network(spec, make_images(), recipe, folder, choices, ())
        facts = Path(folder).with_name(f"facts{os.environ[RANK]}.json")
        facts.write_text(json.dumps(dict(result.facts)), encoding="utf-8")
    except RuntimeFailure as error:
        sys.exit(f"ended with the other: {error}")
