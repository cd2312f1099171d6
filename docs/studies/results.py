"""What came of a study: `results.json`, `curves.svg`, and the tables in its `README.md`, all from its runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

from archspec.files import write_text
from docs.studies.study import Study, Training
from docs.studies.voting import measure_votes
from runtime.runs.curves import draw_curves
from runtime.runs.record import RunRecord
from runtime.session.machine import describe_cpu

RESULTS, CURVES, PAGE, VOTES = "results.json", "curves.svg", "README.md", "votes.png"

PLAIN_BELOW = 1_000
"""The least loss that is written as a power of ten."""

MARKED = re.compile(r"(?<=<!-- written by `python -m docs\.studies` -->\n).*?(?=<!-- until here -->)", re.DOTALL)
"""The part of a page that is written anew."""

FIGURES = ("training_loss", "training_score", "test_score")
FACTS = ("variant", "seed", "network", "steps", "stopped", "cpu_seconds", "seconds")
"""What the results keep of a training."""


def write_results(
    study: Study, trainings: Sequence[Training], outcomes: Sequence[Mapping[str, Any]], jobs: int, note: str
) -> None:
    """Write all that is told of a study into its folder, which has its page."""
    to = study.folder
    results = {
        "study": study.name,
        "data": study.data,
        "metric": next(outcome["metric"] for outcome in outcomes if outcome["metric"]),
        "machine": {"processor": describe_cpu(), "torch": version("torch"), "jobs": jobs, "note": note},
        "trainings": [{name: outcome[name] for name in (*FACTS, *FIGURES)} for outcome in outcomes],
    }
    if study.vote:
        folders = [training.folder for training in trainings]
        results["together"] = measure_votes(folders, to / VOTES)
    write_text(to / RESULTS, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    write_text(to / CURVES, draw_curves([average_runs(label, runs) for label, runs in _group_runs(trainings)]))
    page = (to / PAGE).read_text(encoding="utf-8")
    write_text(to / PAGE, fill_page(page, results))


def fill_page(page: str, results: Mapping[str, Any]) -> str:
    """Put the tables of the results into the marked part of a page."""
    text = "\n".join([*_write_variants(results), *_write_together(results), *_write_machine(results)])
    return MARKED.sub(lambda _: f"\n{text}\n\n", page)


def average_runs(label: str, runs: Sequence[RunRecord]) -> RunRecord:
    """Average runs that differ by their seeds into one of that name, as far as all of them went: the means of each
    epoch over its training images, and those of the test images behind it."""
    by_step = [{row["step"]: row for row in run.evaluations} for run in runs]
    common = [step for step in by_step[0] if all(step in rows for rows in by_step)]
    evaluations = [_average([rows[step] for rows in by_step]) for step in common]
    losses = [{"kind": "step", "step": row["step"], "loss": row["loss"]} for row in evaluations]
    return RunRecord(Path(label), runs[0].spec, tuple(losses), tuple(evaluations), None)


def _average(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Average what evaluations of one step have measured; `loss` and the score without a part are of training."""
    said = {"kind", "step", "epoch", "best", "learning_rate", "seconds", "samples_per_second"}
    return {"step": rows[0]["step"], **{name: fmean(row[name] for row in rows) for name in rows[0] if name not in said}}


def _group_runs(trainings: Sequence[Training]) -> Iterator[tuple[str, list[RunRecord]]]:
    for label in dict.fromkeys(training.variant for training in trainings):
        yield label, [RunRecord.read(training.folder) for training in trainings if training.variant == label]


def _write_variants(results: Mapping[str, Any]) -> Iterator[str]:
    word = _tell_metric(results["metric"])
    yield f"| variant | training loss | training {word} | test {word} | processor time |"
    yield "|---|--:|--:|--:|--:|"
    for label in dict.fromkeys(row["variant"] for row in results["trainings"]):
        rows = [row for row in results["trainings"] if row["variant"] == label]
        ended = [row for row in rows if not row["stopped"]]
        cells = [_write_spread([row[name] for row in ended]) for name in FIGURES]
        stopped = f"; {len(rows) - len(ended)} of {len(rows)} stopped" if len(ended) < len(rows) else ""
        yield f"| {label}{stopped} | {' | '.join(cells)} | {fmean(row['cpu_seconds'] for row in rows):.0f} s |"


def _write_spread(values: Sequence[float]) -> str:
    """Write the mean of some seeds, with the least and the largest."""
    if not values:
        return "—"
    mean, least, most = map(_write_number, (fmean(values), min(values), max(values)))
    return f"{mean} ({least}–{most})" if len(values) > 1 else mean


def _write_number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < PLAIN_BELOW else f"{value:.0e}".replace("e+", "e")


def _write_together(results: Mapping[str, Any]) -> Iterator[str]:
    rows = results.get("together", ())
    if rows:
        names = [name for name in rows[0] if name != "answer"]
        yield ""
        yield f"| answer | {' | '.join(map(_tell_metric, names))} |"
        yield f"|---{'|--:' * len(names)}|"
        yield from (f"| {row['answer']} | {' | '.join(f'{row[name]:.3f}' for name in names)} |" for row in rows)


def _tell_metric(name: str) -> str:
    return name.replace("_", " ").replace("iou", "IoU")


def _write_machine(results: Mapping[str, Any]) -> Iterator[str]:
    rows, machine = results["trainings"], results["machine"]
    seeds, steps = len({row["seed"] for row in rows}), max(row["steps"] for row in rows)
    cpu, wall = (sum(row[name] for row in rows) / 60 for name in ("cpu_seconds", "seconds"))
    yield ""
    said = f"Means of {seeds} seeds, the least and the largest in brackets." if seeds > 1 else "One seed."
    count = "up to " if any(row["stopped"] for row in rows) else ""
    note = f"; {machine['note']}" if machine["note"] else ""
    yield (
        f"{said} {len(rows)} trainings of {count}{steps:,} steps took "
        f"{cpu:.0f} minutes of processor time, in {wall / machine['jobs']:.0f} minutes with {machine['jobs']} at a "
        f"time ({machine['processor']}, torch {machine['torch']}, one thread each{note})."
    )
