"""What is kept of answers: their numbers, and pictures of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import ArchspecError
from runtime.prediction.answer_writer import AnswerWriter, NumbersFile, open_numbers
from runtime.prediction.answered import Answered
from runtime.prediction.predict import answer_files
from tests.support.task_models import FACTS, ask, open_model, write_colours


def test_what_is_kept(tmp_path: Path) -> None:
    session = open_model(tmp_path, FACTS | {"archspec.task": "maps"})
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3))
    paths = [write_colours(tmp_path / f"{name}.png", pixels) for name in "ab"]
    with open_numbers(tmp_path / "kept.npz") as numbers:
        writer = AnswerWriter(ask(session), numbers, tmp_path / "pictures")
        for answered in answer_files(session, paths):
            assert isinstance(answered, Answered)
            writer(answered)
    assert str(writer) == f"wrote {tmp_path}/kept.npz and pictures of 2 in {tmp_path}/pictures/"
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "0-a.map.png",
        "0-a.png",
        "1-b.map.png",
        "1-b.png",
        "key.json",
    ]
    with np.load(tmp_path / "kept.npz") as kept, Image.open(tmp_path / "pictures" / "0-a.map.png") as drawn:
        names = [f"{i}.{name}" for i in range(2) for name in ("answer", "negative", "small")]
        assert sorted(kept) == sorted([*names, "files"])
        assert kept["files"].tolist() == list(map(str, paths))
        assert kept["0.small"].dtype == np.float32
        assert np.array_equal(kept["0.answer"], pixels.argmax(-1))
        assert np.array_equal(np.asarray(drawn), pixels.argmax(-1))
        assert np.allclose(kept["0.small"], pixels.transpose(2, 0, 1) / 255)


def test_a_folder_of_pictures_is_drawn_anew(tmp_path: Path) -> None:
    session = open_model(tmp_path, FACTS | {"archspec.task": "maps"})
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3))
    paths = [write_colours(tmp_path / f"{name}.png", pixels) for name in "abc"]
    for chosen in (paths, paths[:1]):
        writer = AnswerWriter(ask(session), NumbersFile(None, ExitStack()), tmp_path / "out")
        for answered in answer_files(session, chosen):
            assert isinstance(answered, Answered)
            writer(answered)
    assert str(writer) == f"wrote pictures of 1 in {tmp_path}/out/, in place of 6 older ones"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0-a.map.png", "0-a.png", "key.json"]
    Image.new("L", (2, 2)).save(tmp_path / "out" / "1-mine.png")
    with pytest.raises(ArchspecError, match=r"1-mine\.png is there already"):
        AnswerWriter(ask(session), NumbersFile(None, ExitStack()), tmp_path / "out")
