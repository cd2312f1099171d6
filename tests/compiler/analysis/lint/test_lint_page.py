"""The page on lint has a row for every code, and says of each what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from compiler.analysis.lint import CODES
from tests.support.lint_texts import lint_text

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "analysis" / "lint.md").read_text(encoding="utf-8")


def test_the_page_lists_every_code() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \| (.*) \|$", PAGE, re.M)
    assert rows == [(code.code, code.summary, code.remedy) for code in CODES.values()]


def test_the_example_s_comments_silence_all() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    assert lint_text(example) == ()
    assert len(lint_text(re.sub("# archspec: .*", "", example))) == 2
