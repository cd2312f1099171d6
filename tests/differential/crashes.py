"""Commands that are disturbed at random moments: what stands there afterwards is whole, and nothing else is lost.

A command (`jobs.py`) runs in a process of its own (`children.py`). Before one of its deeds to files, or after some part
of the time that it takes, it is stopped, something is done to it or to its folder (`blows.py`), and it goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from random import Random

from tests.differential.blows import BLOWS, Scene, on_disk
from tests.differential.harness import Disagreement, Outcome
from tests.differential.jobs import JOBS, SECOND, Files, finish_well, nursery, prepare, read_files
from tests.differential.remains import Remains, check_next, check_remains

LATER = 1.1
"""Some commands are over when something happens."""


@dataclass(frozen=True)
class Crash:
    """A job, what happens to it, and when: before a deed, or after some time, `share` of all."""

    job: str
    blow: str
    by_deed: bool
    share: float


def draw_crash(random: Random) -> Crash:
    return Crash(random.choice(list(JOBS)), random.choice(list(BLOWS)), random.random() < 0.7, random.random())


def examine(seed: int) -> Outcome:
    words = Counter[str]()
    return Outcome(list(run_crash(draw_crash(Random(seed)), Random(seed), words)), words)


def explain(seed: int) -> str:
    """What happened, and what is left of it."""
    crash = draw_crash(Random(seed))
    said = [f"{one.kind}: {one.detail}" for one in run_crash(crash, Random(seed), Counter())]
    return "\n".join([str(crash), *said])


def strike(scene: Scene, blow: str, before: Files) -> Files:
    """What then would stand there without the command: what did before it, and what the blow makes of its files."""
    met = read_files(scene.work)
    BLOWS[blow](scene)
    left = read_files(scene.work)
    changed = {name: data for name, data in left.items() if met.get(name) != data}
    return {name: data for name, data in before.items() if name in left or name not in met} | changed


def run_crash(crash: Crash, random: Random, words: Counter[str]) -> Iterator[Disagreement]:
    """What is wrong afterwards; what happened is counted in `words`."""
    ground = prepare(crash.job)
    words.update([f"job: {crash.job}", f"blow: {crash.blow}"])
    with ground.open_site() as site, on_disk(site) if crash.blow == "full disk" else nullcontext():
        stop = 1 + int(crash.share * ground.deeds) if crash.by_deed else 0
        before = read_files(site / "disk/work")
        child = ground.job.start(nursery(), site, SECOND, stop)
        struck = child.await_stop() if crash.by_deed else child.stop_after(crash.share * ground.seconds * LATER)
        words["struck" if struck else "(had ended)"] += 1
        scene = Scene(ground, site, child, random)
        with scene.undo:
            standing = strike(scene, crash.blow, before) if struck else before
            code, said = child.finish()
            ended = [other.finish() for other in scene.others]
        remains = Remains(
            scene, crash.blow, struck, read_files(ground.folder), standing, read_files(scene.work), code, said
        )
        yield from check_remains(remains)
        yield from (Disagreement("exit code: the other", f"{one}: {text}") for one, text in ended if one not in (0, 2))
        if remains.killed:
            finish_well(replace(ground.job, words=ground.job.words + ground.job.again), site, SECOND)
            yield from check_next(remains)
