"""The command check: every mistake with its place, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from archspec.spec.zoo import ZOO
from tests.support.commands import run_process


def test_check_takes_a_block_library() -> None:
    library = ZOO / "blocks" / "resnet.yaml"
    assert run_process("check", library).strip() == f"{library}: ok"
    assert "block library" in run_process("analyze", library, expect=2)


def test_check_says_which_sizes_are_fixed(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    text = "archspec: 1\ninputs: {x: [3, H, W]}\nsizes: {H: 8, W: 8}\nnetwork: [slice: {axis: 1, stop: H // 2}]\n"
    spec.write_text(text)
    note = f"    note: H is 8, and not dynamic: an expression reads it at {spec}:4:34"
    assert run_process("check", spec).splitlines() == [f"{spec}: ok", note]
    spec.write_text(text.replace("H // 2", "4"))
    assert run_process("check", spec).splitlines() == [f"{spec}: ok"]


def test_check_reports_every_mistake_with_its_place(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text("archspec: 1\ninputs: {x: [3, 8, 8]}\nnetwork:\n  - max_pol\n  - conv: {out: 2, kernal: 3}\n")
    output = run_process("check", spec, "resnet18", expect=1)
    assert f"{spec}:4:5: error[unknown-node]: unknown node 'max_pol'; did you mean 'max_pool'?" in output
    assert f"{spec}:5:20: error[unknown-field]: unknown field 'kernal' of conv; did you mean 'kernel'?" in output
    assert "resnet18: ok" in output
    assert "2 mistakes" in output
    mistakes = json.loads(run_process("check", spec, "--json", expect=1))
    assert [(item["code"], item["line"], item["column"]) for item in mistakes] == [
        ("unknown-node", 4, 5),
        ("unknown-field", 5, 20),
    ]


def test_a_file_that_cannot_be_read_outweighs_mistakes(tmp_path: Path) -> None:
    """A script that counts mistakes should learn that it did not see all."""
    (tmp_path / "net.yaml").write_text("archspec: 1\ninputs: {x: [3]}\nnetwork: [rellu]\n")
    output = run_process("check", "net.yaml", "nowhere.yaml", expect=2, cwd=tmp_path)
    assert output.splitlines()[3] == "nowhere.yaml: error[unreadable]: cannot be read: No such file or directory"
    found = json.loads(run_process("check", "net.yaml", "nowhere.yaml", "--json", expect=2, cwd=tmp_path))
    assert [(item["line"], item["column"]) for item in found] == [(3, 11), (None, None)]
