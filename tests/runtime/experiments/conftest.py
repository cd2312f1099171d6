"""One short training for all tests here."""

from __future__ import annotations

import pytest

from runtime.training.run import Run
from tests.support.runs import train_digits


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_digits(tmp_path_factory.mktemp("run"))
