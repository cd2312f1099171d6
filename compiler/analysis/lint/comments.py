"""Comments that silence findings: `# archspec: ignore[CODE, …]`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from archspec.errors import suggest
from archspec.spec.codes import Code
from archspec.spec.comments import Comment
from archspec.wording import cut
from compiler.analysis.lint.finding import Finding

UNUSED = Code(
    "unused-ignore",
    "a comment silences nothing",
    "remove the code from the comment",
    "The comment names a code that no rule has, or a rule that finds nothing there: on the comment's line; where it "
    "stands alone, on the next; before `archspec: 1`, in the file. In files that a spec imports or extends, only "
    "unknown codes are reported: what a comment there silences may show in another spec.",
)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One code that a comment silences."""

    code: str
    comment: Comment

    @property
    def about(self) -> tuple[str, str, int | None]:
        return self.code, self.comment.place.file, self.comment.line


def read_ignores(comments: Iterable[Comment]) -> tuple[Ignore, ...]:
    """Read the codes that comments silence; a comment that says anything else has the empty code."""
    return tuple(Ignore(code, comment) for comment in comments for code in _read_codes(comment.words))


def _read_codes(words: str) -> list[str]:
    named = re.match(r"ignore\[([^\]]*)\]", words)
    return [code.strip() for code in named[1].split(",")] if named else [""]


def silence(findings: Iterable[Finding], ignores: Sequence[Ignore]) -> tuple[list[Finding], set[Ignore]]:
    """Separate the findings that no comment covers from the comments that covered the others."""
    by_place: dict[Any, list[Ignore]] = {}
    for ignore in ignores:
        by_place.setdefault(ignore.about, []).append(ignore)
    kept: list[Finding] = []
    used: set[Ignore] = set()
    for finding in findings:
        lines = (finding.place.line, None)
        covering = [each for line in lines for each in by_place.get((finding.code, finding.place.file, line), ())]
        used.update(covering)
        kept += [] if covering else [finding]
    return kept, used


def report_unused(
    unused: Iterable[Ignore], codes: Collection[str], looked_for: Collection[str], file: str
) -> Iterator[Finding]:
    """Report each comment that names no known code, or in `file` silences nothing of what was `looked_for`."""
    for ignore in unused:
        if ignore.code not in codes:
            yield _report(ignore, _tell_unknown(ignore.code, codes))
        elif ignore.code in looked_for and ignore.comment.place.file == file:
            yield _report(ignore, f"there is no finding of '{ignore.code}' for this comment to silence")


def _report(ignore: Ignore, message: str) -> Finding:
    remedy = UNUSED.remedy if ignore.code else "name one, or remove the comment"
    return Finding(UNUSED.code, message, remedy, ignore.comment.place)


def _tell_unknown(code: str, codes: Collection[str]) -> str:
    if not code:
        return "this comment names no code, as in `# archspec: ignore[dead-node]`"
    return f"no rule has the code '{cut(code, 40)}'{suggest(code, codes).removesuffix('?')}"
