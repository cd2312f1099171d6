"""The spec that archspec init writes, and the schema beside it."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import archspec, refuse


def test_a_schema_of_ones_own_stays_beside_a_new_spec(tmp_path: Path) -> None:
    archspec("init", tmp_path / "a.yaml")
    schema = tmp_path / "archspec.schema.json"
    made = schema.read_bytes()
    archspec("init", tmp_path / "b.yaml")  # the same one stays
    schema.write_text("mine")
    refuse(f"{schema} is there already, and does not hold a schema of this version", "init", tmp_path / "c.yaml")
    assert schema.read_text() == "mine"
    assert not (tmp_path / "c.yaml").exists()
    archspec("init", tmp_path / "c.yaml", "--force")
    assert schema.read_bytes() == made
