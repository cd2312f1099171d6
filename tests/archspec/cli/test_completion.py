"""What a shell completes: names of specs, codes and data sets."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from archspec.cli.completion import complete_code, complete_data, complete_recipe, complete_spec
from archspec.cli.main import app
from archspec.spec.zoo import zoo_specs


def test_names_are_completed() -> None:
    assert complete_spec("resnet1") == [name for name in sorted(zoo_specs()) if name.startswith("resnet1")]
    assert "resnet18" in complete_spec("resnet1")
    assert complete_code("unknown-t") == ["unknown-tap"]
    assert complete_data("digit_") == ["digit_maps", "digit_points"]
    assert complete_spec("nothing of the kind") == []


def test_the_shell_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"_ARCHSPEC_COMPLETE": "complete_bash", "COMP_WORDS": "archspec show resnet1", "COMP_CWORD": "2"}
    output = CliRunner().invoke(app, [], env=environment, prog_name="archspec").output
    assert "resnet18" in output.split()


def test_names_of_recipes() -> None:
    assert complete_recipe("unet") == ["unet", "unet3d"]
