"""A layout reads data.yaml once, and knows which of its keys are for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import InputError
from runtime.data.layout import DataLayout
from runtime.data.layouts import LAYOUTS
from runtime.data.listing import list_data

DESCRIBED = [layout for layout in LAYOUTS if layout.keys is not None]


@pytest.mark.parametrize("layout", DESCRIBED, ids=lambda each: each.name)
def test_a_key_that_says_nothing_of_a_layout_is_told_with_its_place(layout: DataLayout, tmp_path: Path) -> None:
    key = "crop" if "crop" not in (layout.keys or ()) else "ignore"
    (tmp_path / "data.yaml").write_text(f"{key}: {'box' if key == 'crop' else 3}\n", encoding="utf-8")
    told = rf"data\.yaml:1:1: `{key}` says nothing of {layout.name}, as which this folder is read; "
    with pytest.raises(InputError, match=told):
        layout.read(list_data(tmp_path), "data")
