"""The check of data finds what the test put there, and nothing else."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.check import DataFindings, check_data, tell_kind
from runtime.data.opening import open_data, open_source
from tests.support.folders import draw_pixels, save_pixels, write_class_folders, write_mask_pairs
from tests.support.pngs import write_png
from tests.support.poses import make_coco, write_coco, write_pictures


def check(folder: Path | str) -> DataFindings:
    return check_data(open_source(folder))


def test_sound_data_have_the_figures_of_training(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 12, "b": 8})
    found, data = check(tmp_path), open_data(tmp_path)
    assert (found.is_bad, found.findings) == (False, {})
    assert (found.mean, found.std) == (data.preprocess.mean, data.preprocess.std)
    assert found.parts == {"train": len(data.train), "test": len(data.test)}
    for part, split in (("train", data.training), ("test", data.held_out)):
        assert found.counts[part] == np.bincount(split.labels).tolist()
    assert found.extents == Counter({(8, 9): 20})
    assert (found.channels, found.levels) == (Counter({3: 20}), Counter({"8 bits": 20}))


def test_each_kind_is_found(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train/a": 5, "train/b": 5, "test/a": 3})
    for copied, name in (
        ("train/a/000.png", "test/a/leak.png"),
        ("train/a/001.png", "train/a/twin.png"),
        ("train/b/000.png", "train/a/zother.png"),
    ):
        (tmp_path / name).write_bytes((tmp_path / copied).read_bytes())
    (tmp_path / "train/b/bad.png").write_bytes(b"none")
    (tmp_path / "train/b/x.webp").write_bytes(b"")
    found = check(tmp_path)
    kinds = {"leak": 1, "duplicate": 2, "contradiction": 1, "broken": 1, "empty": 1, "left out": 1}
    assert found.totals == kinds
    assert found.findings["leak"] == ["test/a/leak.png (test) and train/a/000.png (train)"]
    assert found.findings["empty"] == ["the test part has nothing of b"]
    assert found.is_bad
    assert tell_kind("leak", 2) == "2 findings: in two parts"


def test_masks_of_another_size_and_those_without_images(tmp_path: Path) -> None:
    write_mask_pairs(tmp_path, [f"{number}" for number in range(10)])
    save_pixels(tmp_path / "masks/3.png", draw_pixels((9, 8), 1, 3))
    save_pixels(tmp_path / "masks/alone.png", draw_pixels((9, 8), 1, 3))
    found = check(tmp_path)
    assert found.totals == {"broken": 1, "left out": 1}
    assert "masks/3.png is 9×8 (height × width), and its image" in found.findings["broken"][0]
    assert found.findings["left out"] == ["1 mask has no image, and is left out: masks/alone.png"]


def test_joints_outside_of_their_image(tmp_path: Path) -> None:
    write_pictures(tmp_path, {f"{number}.png": (20, 30) for number in range(4)})
    poses = [[29, 19, 2, 1, 1, 2, 0, 0, 0], [30, 19, 2, 1, -1, 1, 99, 99, 0], [5, 5, 2] * 3, [6, 6, 2] * 3]
    given = [{"image_id": number, "keypoints": pose} for number, pose in enumerate(poses, 1)]
    write_coco(tmp_path / "people.json", make_coco([f"{number}.png" for number in range(4)], given))
    assert check(tmp_path).findings["outside"] == [
        "1.png: nose lies at 30, 19, beside 20×30 (height × width)",
        "1.png: left_eye lies at 1, -1, beside 20×30 (height × width)",
    ]


def test_faint_images_are_told_and_harmless(tmp_path: Path) -> None:
    for label in "ab":
        for number in range(5):
            path = tmp_path / label / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            pixels = np.random.default_rng(number + 9 * (label == "a")).integers(0, 4096, (8, 8, 1))
            write_png(path, pixels, 16)
    found = check(tmp_path)
    assert (found.totals, found.is_bad, found.levels) == ({"faint": 1}, False, Counter({"16 bits": 10}))


def test_data_that_cannot_be_split_are_looked_at_all_the_same(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 1, "b": 0})
    found = check(tmp_path)
    assert found.parts == {"all": 1}
    assert found.totals["unusable"] >= 1
    assert found.to_dict()["bad"]


@pytest.mark.parametrize("name", ["digits", "digit_maps", "digit_points"])
def test_data_sets_with_names(name: str) -> None:
    found, data = check(name), open_data(name)
    assert sum(found.parts.values()) == len(data.train) + len(data.test)
    assert not found.is_bad


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_damage_is_a_finding_and_never_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    """Of a folder of pairs whose files are cut, overwritten, exchanged or removed at random."""
    write_mask_pairs(tmp_path, [f"{number}" for number in range(6)], shape=(16, 16))
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    for _ in range(data.draw(st.integers(0, 4))):
        path, how = tmp_path / data.draw(st.sampled_from(names)), data.draw(st.integers(0, 3))
        content = bytearray(path.read_bytes()) if path.exists() else bytearray(b"x")
        if how == 0:
            path.unlink(missing_ok=True)
        elif how == 1:
            path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        elif how == 2 and content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
            path.write_bytes(content)
        else:
            save_pixels(path, draw_pixels((9, 9), 1, 3))
    with suppress(InputError):
        check(tmp_path)
    with suppress(InputError):
        open_data(tmp_path)
