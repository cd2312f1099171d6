"""A run needs a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from runtime.training.run_folder import check_vacant


@pytest.mark.parametrize("name", ["notes", "notes/run", "notes/a/b"])
@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_no_folder_for_a_run(name: str, force: bool, tmp_path: Path) -> None:
    """Which training would else find out when it has something to keep."""
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ArchspecError, match="notes is not a folder"):
        check_vacant(tmp_path / name, force=force)
    check_vacant(tmp_path / "new" / "run", force=force)
