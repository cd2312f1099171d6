"""Bad input: each mistake has its code, its place, and a message that says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archspec.api import check, elaborate, load
from archspec.errors import Diagnostic, SpecError

HEAD = "archspec: 1\ninputs: {x: [4, H, W]}\nsizes: {H: 8, W: 8}\n"
"""Three lines: what follows starts at line 4."""


def mistakes_in(text: str | bytes, folder: Path, name: str = "net.yaml") -> tuple[Diagnostic, ...]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return check(path)


CASES = {
    "unknown-node": ("network: [max_pol]", "unknown-node", 4, 11, "unknown node 'max_pol'; did you mean 'max_pool'?"),
    "unknown-field": ("network: [conv: {out: 2, kernal: 3}]", "unknown-field", 4, 26, "did you mean 'kernel'?"),
    "unknown-key": ("netwrk: []\nnetwork: [relu]", "unknown-field", 4, 1, "did you mean 'network'?"),
    "list-for-number": ("network: [conv: {out: [2]}]", "bad-value", 4, 23, "`out` of conv should be a whole number"),
    "word-for-boolean": ("network: [conv: {out: 2, bias: maybe}]", "unknown-name", 4, 32, "unknown name 'maybe'"),
    "word-for-init": ("network: [conv: {out: 2, init: hee}]", "bad-value", 4, 32, "should be he or he_fan_out"),
    "network-is-no-list": ("network: relu", "wrong-type", 4, 10, "should be a list of nodes"),
    "two-keys": ("network:\n  - conv: 2\n    name: a", "bad-node", 5, 5, "a node has one key"),
    "missing-argument": (
        "blocks: {b: {args: {width: int}, body: [conv: width]}}\nnetwork: [b]",
        "missing-argument",
        5,
        11,
        "b needs `width`",
    ),
    "unknown-argument": (
        "blocks: {b: {args: {width: int}, body: [conv: width]}}\nnetwork: [b: {width: 2, widht: 3}]",
        "unknown-argument",
        5,
        25,
        "did you mean 'width'?",
    ),
    "mismatch-in-a-call": (
        "blocks:\n  b:\n    args: {width: int}\n    body: [residual: {body: [conv: width]}]\n"
        "network:\n  - b: {width: 6}",
        "shape-mismatch",
        7,
        12,
        "residual adds its body, 6×8×8, to its input, 4×8×8; give `project` or `shortcut`",
    ),
    "unequal-each": (
        "network: [repeat: {each: {a: [1, 2], b: [1, 2, 3]}, body: [relu]}]",
        "unequal-each",
        4,
        26,
        "a has 2, b has 3",
    ),
    "unknown-tap": ("network: [tap: start, from: strat]", "unknown-tap", 4, 29, "did you mean 'start'?"),
    "duplicate-key": ("network: [relu]\nnetwork: [relu]", "duplicate-key", 5, 1, "the first is in line 4"),
    "duplicate-output": (
        "network: [output: a, relu, output: a]",
        "duplicate-output",
        4,
        36,
        "output called 'a' already",
    ),
    "even-same": ("network: [conv: {out: 2, kernel: 4}]", "shape-mismatch", 4, 34, "padding: same needs an odd kernel"),
    "half-a-channel": ("network: [conv: {out: 5 / 2}]", "bad-value", 4, 23, "should be a whole number, found 2.5"),
    "groups": (
        "network: [conv: {out: 6, groups: 3}]",
        "shape-mismatch",
        4,
        34,
        "3 does not divide the 4 input channels",
    ),
    "a-billion-turns": ("network: [repeat: {n: 1000000000, body: []}]", "too-many-nodes", 4, 23, "100,000 nodes"),
    "turns-that-multiply": (
        "network: [repeat: {n: 999, body: [repeat: {n: 999, body: [repeat: {n: 999, body: [relu]}]}]}]",
        "too-many-nodes",
        4,
        71,
        "--max-nodes raises the bound",
    ),
    "python-tag": (
        'network: !!python/object/apply:os.system ["true"]',
        "tag",
        4,
        10,
        "tags are not part of the language",
    ),
    "merge-key": ("a: &a {n: 1}\nnetwork: [repeat: {<<: *a}]", "merge-key", 5, 20, "merge keys are not part"),
    "nothing-in-it": ("network: [add: []]", "bad-value", 4, 16, "should not be empty"),
    "too-small": ("network: [max_pool: 9]", "shape-mismatch", 4, 21, "a window of 9 does not fit into 4×8×8"),
    "linear-on-an-image": ("network: [linear: 3]", "shape-mismatch", 4, 11, "put `flatten` before it"),
    "recursion": (
        "blocks:\n  a: {body: [b]}\n  b: {body: [a]}\nnetwork: [a]",
        "block-cycle",
        6,
        14,
        "a block calls itself: a → b → a",
    ),
    "code": ('network: [conv: "__import__(1)"]', "bad-expression", 4, 17, "is not allowed in an expression"),
    "no-size": ("network: [relu]\ndefaults: {conv: {stride: 0}}", "bad-value", 5, 27, "greater than or equal to 1"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_has_its_place(case: str, tmp_path: Path) -> None:
    body, code, line, column, message = CASES[case]
    found = mistakes_in(HEAD + body + "\n", tmp_path)
    assert [(item.code, item.place.line, item.place.column) for item in found] == [(code, line, column)], found
    assert message in found[0].message
    assert str(found[0]).startswith(f"{tmp_path / 'net.yaml'}:{line}:{column}: error[{code}]: ")


def test_a_mismatch_tells_the_calls_that_led_to_it(tmp_path: Path) -> None:
    (found,) = mistakes_in(HEAD + CASES["mismatch-in-a-call"][0], tmp_path)
    assert [call.text for call in found.calls] == ["b(width=6)"]
    assert f"in b(width=6), called at {tmp_path / 'net.yaml'}:9:5" in str(found)


WHOLE = {
    "empty": (b"", "empty", 1, 1),
    "only-a-comment": (b"# nothing\n", "empty", 1, 1),
    "a-list": (b"- 1\n", "wrong-type", 1, 1),
    "not-utf8": (b"archspec: 1\nname: \xff\n", "not-utf8", 2, 7),
    "brackets": (b"[" * 100_000, "too-deep", 1, 65),
    "braces": (b"{a: " * 100_000, "too-deep", 1, 257),
    "too-large": (b"# " + b"x" * (1 << 20), "too-large", 1, 1),
    "control-character": (b"archspec: 1\nname: \x00\n", "control-character", 2, 7),
    "unclosed": (b"archspec: 1\nnetwork: [relu\n", "syntax", 3, 1),
    "two-documents": (b"archspec: 1\n---\narchspec: 1\n", "many-documents", 2, 1),
    "infinite": (b"archspec: .inf\n", "bad-number", 1, 11),
    "long-number": (b"archspec: " + b"9" * 5000, "bad-number", 1, 11),
    "alias-bomb": (
        b"a: &a [1,1,1,1,1,1,1,1,1]\n"
        + b"".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n".encode() for i in range(7)),
        "too-many-aliases",
        5,
        23,
    ),
    "aliases-that-multiply": (
        b"a: &a [" + b",".join([b"1"] * 20_000) + b"]\nb: [*a, *a, *a, *a, *a, *a]\n",
        "too-large",
        2,
        17,
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_document_that_cannot_be_read(case: str, tmp_path: Path) -> None:
    text, code, line, column = WHOLE[case]
    found = mistakes_in(text, tmp_path)
    assert [(item.code, item.place.line, item.place.column) for item in found] == [(code, line, column)], found


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    for name, message in {
        ".": "this is a directory",
        "none.yaml": "No such file",
        "pipe.yaml": "not a regular file",
        "loop.yaml": "cannot be read",
    }.items():
        (found,) = check(tmp_path / name)
        assert message in found.message, found


def test_imports_stay_inside(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("archspec: 1\nblocks: {b: {body: [relu]}}\n", encoding="utf-8")
    inside = tmp_path / "specs"
    inside.mkdir()
    (inside / "link.yaml").symlink_to(outside)
    for name in ("../outside", "link", str(outside), "/etc/passwd"):
        (found,) = mistakes_in(f"{HEAD}import: [{name}]\nnetwork: [relu]\n", inside)
        assert (found.code, found.place.line, found.place.column) == ("import-outside", 4, 10), found
        assert "outside the spec's folder and the zoo" in found.message


def test_import_cycles_and_missing_imports_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("archspec: 1\nimport: [b]\nblocks: {}\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("archspec: 1\nimport: [a]\nblocks: {}\n", encoding="utf-8")
    (found,) = mistakes_in(f"{HEAD}import: [a]\nnetwork: [relu]\n", tmp_path)
    assert found.code == "import-cycle"
    assert "a → b → a" in found.message
    (found,) = mistakes_in(f"{HEAD}import: [blocks/resnt]\nnetwork: [relu]\n", tmp_path)
    assert found.code == "unknown-import"
    assert "did you mean 'blocks/resnet'?" in found.message
    (found,) = mistakes_in("archspec: 1\nextends: net\n", tmp_path)
    assert found.code == "import-cycle"


def test_a_diamond_of_imports_is_fine(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("archspec: 1\nblocks: {b: {body: [relu]}}\n", encoding="utf-8")
    for name in ("left", "right"):
        text = f"archspec: 1\nimport: [base]\nblocks: {{{name}: {{body: [b]}}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    assert mistakes_in(f"{HEAD}import: [left, right]\nnetwork: [left, right, b]\n", tmp_path) == ()


def test_several_mistakes_are_all_reported(tmp_path: Path) -> None:
    text = HEAD + (
        "descripton: x\n"
        "network:\n"
        "  - max_pol\n"
        "  - conv: {out: 2, kernal: 3}\n"
        "  - repeat: {n: 2, body: [from: nowhere, conv: width]}\n"
        "  - output: a\n"
        "  - output: a\n"
        "sizes: {H: 8, W: 8}\n"
    )
    found = [(item.code, item.place.line) for item in mistakes_in(text, tmp_path)]
    assert {("unknown-field", 4), ("unknown-node", 6), ("unknown-field", 7), ("duplicate-key", 11)} <= set(found)
    assert ("unknown-name", 8) in found
    assert ("duplicate-output", 10) in found


def test_a_mistake_in_a_loop_is_one_mistake(tmp_path: Path) -> None:
    text = HEAD + "network: [repeat: {n: 50, body: [conv: {out: 6, groups: 5}]}]\n"
    assert len(mistakes_in(text, tmp_path)) == 1


def test_numbers_that_would_explode_do_not(tmp_path: Path) -> None:
    lets = ", ".join(f"v{i}: v{i - 1} * v{i - 1}" for i in range(1, 60))
    text = HEAD + f"blocks: {{b: {{let: {{v0: 9, {lets}}}, body: [conv: v59]}}}}\nnetwork: [b]\n"
    (found,) = mistakes_in(text, tmp_path)
    assert "larger than any size could be" in found.message


def test_blocks_that_call_each_other_twice_are_bounded(tmp_path: Path) -> None:
    """2^40 calls, and not one node."""
    blocks = "".join(f"  b{i}: {{body: [b{i + 1}, b{i + 1}]}}\n" for i in range(40)) + "  b40: {body: []}\n"
    (found,) = mistakes_in(f"{HEAD}blocks:\n{blocks}network: [b0]\n", tmp_path)
    assert found.code == "too-many-nodes"


def test_blocks_that_nest_deep_are_bounded(tmp_path: Path) -> None:
    blocks = "".join(f"  b{i}: {{body: [b{i + 1}]}}\n" for i in range(500)) + "  b500: {body: [relu]}\n"
    (found,) = mistakes_in(f"{HEAD}blocks:\n{blocks}network: [b0]\n", tmp_path)
    assert found.code == "too-deep"


def test_sizes_that_would_fit_are_named() -> None:
    with pytest.raises(SpecError) as caught:
        elaborate(load("unet"), {"H": 570, "W": 572})
    assert "H accepts 188 + 16·k; nearest: 572" in str(caught.value)
    assert "W accepts" not in str(caught.value)
