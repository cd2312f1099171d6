"""A trained run with its plain twin, for the commands that look into it."""

from __future__ import annotations

import pytest

from runtime.training.run import Run
from tests.support.commands import archspec
from tests.support.runs import train_digits


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has its plain twin in it, trained by the command."""
    run = train_digits(tmp_path_factory.mktemp("run"))
    archspec("lesion", run.folder, "--plain", "train", "--threads", "1")
    return run
