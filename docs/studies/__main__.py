"""Runs a study: trains its variants, and writes its picture, its figures and the tables of its page.

`python -m docs.studies --list` lists the studies; `python -m docs.studies NAME` runs one, in the project's folder. What
was trained is kept in `runs/studies` and not trained again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from archspec.errors import ArchspecError
from docs.studies.results import write_results
from docs.studies.study import find_study, list_studies
from docs.studies.trainings import train_all

RUNS = Path("runs/studies")


def run_study(name: str, jobs: int, note: str) -> None:
    """Run the study of that name. Raises ArchspecError."""
    study = find_study(name)
    trainings = study.list_trainings(RUNS)
    outcomes = train_all(trainings, jobs, lambda line: print(line, flush=True))
    write_results(study, trainings, outcomes, jobs, note)
    print(f"wrote the results into {study.folder}; the runs are in {RUNS / name}: archspec runs {RUNS / name}")


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.studies", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="*", help="the studies to run")
    parser.add_argument("--list", action="store_true", help="list the studies, each with what it asks")
    parser.add_argument("--jobs", type=int, default=2, help="how many trainings at a time, with a thread each")
    parser.add_argument("--note", default="", help="what else is to be said of the machine, in the page")
    chosen = parser.parse_args(given)
    if chosen.list or not chosen.name:
        for name in list_studies():
            print(f"{name}: {find_study(name).question}")
        return 0
    try:
        for name in chosen.name:
            run_study(name, chosen.jobs, chosen.note)
    except ArchspecError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
