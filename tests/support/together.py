"""A training in two processes, as torchrun starts them; `python -m tests.support.together FOLDER RESUME KILL_AT` is one
of the two."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 180
"""The seconds after which processes that wait for each other are ended."""


def write_task(folder: Path, network: list[Any], recipe: dict[str, Any]) -> Path:
    """Write beside a run's folder which network is trained, and how."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    spec = {"archspec": 1, "name": "together", "inputs": {"x": [1, 4, 4]}, "network": network}
    folder.with_name("spec.json").write_text(json.dumps(spec), encoding="utf-8")
    folder.with_name("recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    return folder


def train_together(folder: Path, resume: str = "never", kill_at: int = 0, size: int = 2) -> list[int]:
    """Train in some processes, of which the first is killed at its event of this number in the folder, where one is
    given; their exit codes."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    words = [sys.executable, "-m", "tests.support.together", str(folder), resume]
    processes = []
    for rank in range(size):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        environment = {**os.environ, **place, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        killed = str(0 if rank else kill_at)
        processes.append(subprocess.Popen([*words, killed], cwd=ROOT, env=environment, stderr=subprocess.PIPE))
    try:
        for process in processes:
            process.communicate(timeout=PATIENCE)
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes]


def _main(folder: str, resume: str, kill_at: int) -> None:
    from archspec.api import load, train
    from archspec.errors import RuntimeFailure
    from runtime.recipes.recipe import Recipe
    from tests.support.killed_training import EVENTS, make_images

    events = 0

    def hear(event: str, given: tuple[Any, ...]) -> None:
        nonlocal events
        if event in EVENTS and any(folder in str(name) for name in given if isinstance(name, str | os.PathLike)):
            events += 1
            if events == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    recipe = Recipe.model_validate(json.loads(Path(folder).with_name("recipe.json").read_text(encoding="utf-8")))
    spec = load(str(Path(folder).with_name("spec.json")))
    try:
        train(spec, make_images(), recipe, folder=folder, resume=resume)
    except RuntimeFailure as error:
        sys.exit(f"ended with the other: {error}")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
