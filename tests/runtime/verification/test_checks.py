"""A row of a verification is its name, its status and its text, in JSON too."""

from __future__ import annotations

import pytest

from archspec.errors import ArchspecError
from runtime.verification.checks import Check, Status, UnansweredError


@pytest.mark.parametrize("status", ["passed", "noted", "failed"])
def test_a_row_is_what_json_has_of_it(status: Status) -> None:
    told = Check("torch", status, "agrees").to_dict()
    assert told == {"name": "torch", "status": status, "text": "agrees"}
    assert Check("torch", status, "differs").to_dict() != told


def test_a_file_without_an_answer_is_an_error_that_a_command_reports() -> None:
    with pytest.raises(ArchspecError, match="takes text"):
        raise UnansweredError("it takes text")
