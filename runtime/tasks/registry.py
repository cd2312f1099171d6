"""The tasks by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from archspec.errors import ArchspecError, suggest
from runtime.tasks.joints import Joints
from runtime.tasks.labels import Labels
from runtime.tasks.maps import Maps
from runtime.tasks.task import Task

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in (Labels(), Maps(), Joints())})

UNNAMED = Labels.name
"""The task of a model that names its classes and reads pictures, and does not name its task."""


def find_task(name: str) -> Task:
    """Find the task of that name. Raises ArchspecError, which lists what there is."""
    if name not in TASKS:
        raise ArchspecError(f"no task '{name}'{suggest(name, TASKS)} (available: {', '.join(TASKS)})")
    return TASKS[name]
