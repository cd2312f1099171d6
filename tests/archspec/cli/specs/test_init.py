"""The command init: a spec that is sound."""

from __future__ import annotations

import json
from pathlib import Path

from archspec.cli.starter import SCHEMA_NAME
from tests.support.commands import run_process


def test_init_writes_a_spec_that_is_sound(tmp_path: Path) -> None:
    spec = tmp_path / "my_net.yaml"
    run_process("init", spec)
    assert run_process("check", spec).strip() == f"{spec}: ok"
    first = spec.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema=./{SCHEMA_NAME}"
    schema = json.loads((tmp_path / SCHEMA_NAME).read_text(encoding="utf-8"))
    assert schema == json.loads(run_process("schema"))
    before = spec.read_text(encoding="utf-8")
    assert "--force" in run_process("init", spec, expect=2)
    assert spec.read_text(encoding="utf-8") == before
    run_process("init", spec, "--force")
