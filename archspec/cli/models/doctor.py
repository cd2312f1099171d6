"""The command `doctor`: what is installed, and what is missing."""

from __future__ import annotations

from archspec.cli.options import (
    JsonOption,
)
from archspec.cli.output import print_json


def doctor(as_json: JsonOption = False) -> None:
    """Show versions and providers, and say what is missing for training, export and the GPU."""
    from archspec.cli.tables.models import print_doctor
    from runtime.doctor import examine

    report = examine()
    print_json(report.to_dict()) if as_json else print_doctor(report)
