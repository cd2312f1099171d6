"""Several runs side by side: their figures, and in what their settings differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archspec.errors import InputError
from runtime.runs.record import RunRecord

ABSENT = "—"
"""What stands for a setting that a run does not have, or does not say."""


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Runs in the order in which they were named, and each setting that is not the same in all: of the
    recipe, the network, the data, the weights that training began from, and the processes. A setting that a run does
    not have is the same as one that is None or False."""

    runs: tuple[RunRecord, ...]
    differences: Mapping[str, tuple[Any, ...]]

    @property
    def same_metric(self) -> bool:
        """True if all runs are measured by one score."""
        return len({run.metric for run in self.runs}) == 1

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values; a setting has one value for each run, None where it has none."""
        differences = {
            name: [None if value == ABSENT else value for value in values] for name, values in self.differences.items()
        }
        return {"runs": [run.to_dict() for run in self.runs], "differences": differences}


def compare_runs(runs: Sequence[RunRecord]) -> RunComparison:
    """Compare at least two runs. Raises InputError for fewer, and for one that is named twice."""
    if len(runs) < 2:
        raise InputError("a comparison needs two runs or more")
    folders = [run.folder.resolve() for run in runs]
    for place, folder in enumerate(folders):
        if folder in folders[:place]:
            raise InputError(f"{runs[place].folder} is named twice")
    settings = [dict(_flatten({**run.recipe, **run.others})) for run in runs]
    names = dict.fromkeys(name for found in settings for name in found)
    rows = {name: tuple(found.get(name, ABSENT) for found in settings) for name in names}
    return RunComparison(tuple(runs), {name: row for name, row in rows.items() if _differ(row)})


def _differ(row: Sequence[Any]) -> bool:
    """Tell whether a setting is not the same in all runs: one that a run does not have is off in it."""
    said = [value for value in row if value != ABSENT]
    off = all(value is None for value in said) or all(value is False for value in said)
    return not off and any(value != row[0] for value in row)


def _flatten(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Write nested settings under dotted names."""
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _flatten(item, f"{before}{name}.")
        else:
            yield f"{before}{name}", item
