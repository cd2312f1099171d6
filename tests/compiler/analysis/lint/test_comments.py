"""Comments that silence findings: where they count, and what is said of those that do nothing."""

from __future__ import annotations

import pytest

from compiler.analysis.lint import MAX_FINDINGS, Finding
from tests.support.lint_texts import IMAGE, lint_text

BIASED = "  - conv: 8\n  - batch_norm\n"


def told(findings: tuple[Finding, ...]) -> list[tuple[str, int, int]]:
    return [(finding.code, finding.place.line, finding.place.column) for finding in findings]


def test_before_the_document_it_counts_for_the_file() -> None:
    text = "# a network\n\n# archspec: ignore[bias-before-norm]\n" + IMAGE + BIASED + "  - relu\n" + BIASED
    assert lint_text(text) == ()


def test_on_a_line_it_counts_for_that_line_alone() -> None:
    text = IMAGE + "  - conv: 8  # archspec: ignore[bias-before-norm]\n  - batch_norm\n  - relu\n" + BIASED
    assert told(lint_text(text)) == [("bias-before-norm", 7, 5)]


def test_alone_it_counts_for_the_next_line_that_holds_more() -> None:
    text = IMAGE + "  # archspec: ignore[bias-before-norm]\n  # since the exporter wants it\n\n" + BIASED
    assert lint_text(text) == ()


def test_several_codes_and_a_reason_may_stand_in_one() -> None:
    comment = "# archspec: ignore[ dropout-before-norm,dead-node ] as published"
    layers = f"  - conv: 8\n  - dropout: 0.1  {comment}\n  - batch_norm\n"
    assert told(lint_text(IMAGE + layers)) == [("unused-ignore", 5, 19)]


def test_what_silences_nothing_is_reported() -> None:
    text = IMAGE + "  - conv: 8  # archspec: ignore[bias-before-norm]\n  - relu\n"
    (finding,) = lint_text(text)
    assert str(finding).endswith(
        "4:14: warning[unused-ignore]: there is no finding of 'bias-before-norm' for this comment to silence; "
        "remove the code from the comment"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("ignore[bias-befor-norm]", "no rule has the code 'bias-befor-norm'; did you mean 'bias-before-norm'"),
        ("ignore[]", "this comment names no code"),
        ("ignore", "this comment names no code"),
        ("ingore[bias-before-norm]", "this comment names no code"),
        ("ignore[unknown-node]", "no rule has the code 'unknown-node'"),
    ],
)
def test_unknown_codes_are_reported(words: str, says: str) -> None:
    (finding,) = lint_text(f"{IMAGE}  - conv: 8  # archspec: {words}\n")
    assert says in finding.message
    assert finding.code == "unused-ignore"


def test_a_rule_that_was_not_asked_leaves_its_comments_alone() -> None:
    text = IMAGE + "  - conv: 8  # archspec: ignore[bias-before-norm]\n  - relu\n"
    assert lint_text(text, ignore=["bias-before-norm"]) == ()
    assert lint_text(text, select=["dead-node", "unused-ignore"]) == ()


@pytest.mark.parametrize(
    "line",
    [
        "description: 'a # archspec: ignore[dead-node]'",
        'description: "a\n   # archspec: ignore[dead-node]\n  b"',
        "description: |\n  # archspec: ignore[dead-node]\n  text",
        "description: a#archspec:ignore[dead-node]",
        "description: a  # ignore[dead-node], said archspec: no",
    ],
)
def test_what_is_no_comment_says_nothing(line: str) -> None:
    assert lint_text(IMAGE.replace("network", f"{line}\nnetwork") + "  - conv: 8\n") == ()


LIBRARY = "archspec: 1\nblocks:\n  part:\n    body:\n      - conv: 8{}\n      - batch_norm\n"


def test_a_library_silences_what_it_means() -> None:
    user = "archspec: 1\nimport: [lib]\ninputs: {x: [4, 8, 8]}\nnetwork: [part]\n"
    assert told(lint_text(user, {"lib.yaml": LIBRARY.format("")})) == [("bias-before-norm", 5, 9)]
    comment = "  # archspec: ignore[bias-before-norm]"
    assert lint_text(user, {"lib.yaml": LIBRARY.format(comment)}) == ()


def test_what_a_library_silences_may_show_elsewhere() -> None:
    """Another spec may call the block with a normalization behind it; so nothing is said, but of unknown codes."""
    user = "archspec: 1\nimport: [lib]\ninputs: {x: [4, 8, 8]}\nnetwork: [part]\n"
    body = LIBRARY.replace("      - batch_norm\n", "")
    assert lint_text(user, {"lib.yaml": body.format("  # archspec: ignore[bias-before-norm]")}) == ()
    assert told(lint_text(user, {"lib.yaml": body.format("  # archspec: ignore[no-such-code]")})) == [
        ("unused-ignore", 5, 18)
    ]


def test_many_comments_are_no_work() -> None:
    text = "".join(f"# archspec: ignore[code{i}]\n" for i in range(20_000)) + IMAGE + "  - conv: 8\n"
    assert len(lint_text(text)) == MAX_FINDINGS
