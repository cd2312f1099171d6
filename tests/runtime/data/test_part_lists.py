"""Lists of parts: which images lines name, and what is told of those that name none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data import part_lists
from runtime.data.listing import FolderListing, list_data
from runtime.data.opening import open_data, open_source
from runtime.data.part_lists import MAX_LIST_BYTES, apply_part_lists, find_part_lists
from runtime.data.source import DataSource, LabelledPictures
from tests.support.folders import draw_pixels, save_pixels, write_class_folders, write_mask_pairs

NAMES = ["00", "01", "02", "03", "04", "05"]


def write_lists(folder: Path, **lists: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, text in lists.items():
        (folder / f"{part}.txt").write_text(text, encoding="utf-8")
    return folder


def part_of(folder: Path) -> dict[str, str]:
    """The part of each image of a folder, by its name, as its lists say it."""
    source = open_source(folder)
    assert source.parts is not None
    return dict(zip(source.names, source.parts, strict=True))


def test_lists_split_pairs_of_images_and_masks(tmp_path: Path) -> None:
    masks = write_mask_pairs(tmp_path, NAMES)
    write_lists(
        tmp_path, train="images/04.png\nimages/00.png\n\nimages/02.png\n", val="./images/01.png", test="03\n05.png\n"
    )
    data = open_data(tmp_path)
    assert data.validation is not None
    for samples, names in ((data.train, ["00", "02", "04"]), (data.validation, ["01"]), (data.test, ["03", "05"])):
        assert [samples[index][1].tolist() for index in range(len(samples))] == [masks[name].tolist() for name in names]
    # the control: without the lists the same folder is dealt otherwise
    for part in ("train", "val", "test"):
        (tmp_path / f"{part}.txt").unlink()
    data = open_data(tmp_path)
    assert (len(data.train), data.validation, len(data.test)) == (5, None, 1)


def test_voc_has_its_lists_in_folders_of_their_own_as_bare_names(tmp_path: Path) -> None:
    for name in NAMES:
        save_pixels(tmp_path / "JPEGImages" / f"{name}.jpg", draw_pixels((8, 9, 3), int(name)))
        save_pixels(tmp_path / "SegmentationClass" / f"{name}.png", draw_pixels((8, 9), int(name), 3))
    write_lists(
        tmp_path / "ImageSets" / "Segmentation", train="00\n02\n04", val="01\n03", trainval="00\n01\n02\n03\n04"
    )
    assert part_of(tmp_path) == {
        **{f"JPEGImages/{name}.jpg": "train" for name in ("00", "02", "04")},
        **{f"JPEGImages/{name}.jpg": "validation" for name in ("01", "03")},
    }
    (note,) = open_source(tmp_path).notes
    assert note.endswith(
        "1 image of "
        + str(tmp_path)
        + " is in none of the lists (train.txt, val.txt), and is left out: JPEGImages/05.jpg"
    )
    write_lists(tmp_path / "ImageSets" / "Segmentation", val="../../JPEGImages/01.jpg\nJPEGImages/05.jpg")
    assert [name for name, part in part_of(tmp_path).items() if part == "validation"] == [
        "JPEGImages/01.jpg",
        "JPEGImages/05.jpg",
    ]
    write_lists(tmp_path, test="JPEGImages/00.jpg")
    told = "the parts are those of test.txt; not used: ImageSets/Segmentation/train.txt, ImageSets/Segmentation/val.txt"
    assert open_source(tmp_path).notes == (told,)


def test_lists_of_class_folders(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"cat": 4, "dog": 4})
    absolute = (tmp_path / "dog" / "003.png").resolve()
    write_lists(tmp_path, test=f"cat/001.png\ndog/000\n{absolute}\n")
    data = open_data(tmp_path)
    assert (len(data.train), len(data.test)) == (5, 3)  # what no list names is trained on where none names these
    assert [data.test[index][1] for index in range(3)] == [0, 1, 1]
    write_lists(tmp_path, train="cat/000.png\ndog/001.png\n")
    assert set(part_of(tmp_path)) == {f"{name}.png" for name in ("cat/000", "cat/001", "dog/000", "dog/001", "dog/003")}
    assert "3 images of " in open_source(tmp_path).notes[0]
    assert open_source(tmp_path).strata == [0, 0, 1, 1, 1]


def test_lists_of_volumes(tmp_path: Path) -> None:
    for name in NAMES:
        for kind in ("images", "labels"):
            (tmp_path / kind).mkdir(exist_ok=True)
            np.save(tmp_path / kind / f"{name}.npy", draw_pixels((4, 5, 6), int(name), 2))
    write_lists(tmp_path, train="00\nimages/01.npy\n02.npy\n", test="03\n04\n05\n")
    assert [part for _, part in sorted(part_of(tmp_path).items())] == ["train"] * 3 + ["test"] * 3
    data = open_data(tmp_path)
    assert (len(data.train), len(data.test)) == (3, 3)
    (tmp_path / "data.yaml").write_text("place: {train: {width: [0, 0.5]}, test: {width: [0.5, 1]}}")
    with pytest.raises(
        InputError, match=r"has lists, and `place` in data\.yaml says the parts too: keep one \(test\.txt, train\.txt"
    ):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ({"train": "a/000.png\nb/9.png"}, r"train\.txt:2: 'b/9\.png' is no image of .*; each line names one"),
        ({"train": "a/000.png\n\na/000"}, r"train\.txt:3: a/000\.png is named a second time.*train\.txt:1"),
        ({"train": "a/000.png", "val": "b/000\na/000"}, r"val\.txt:2: a/000\.png is named a second time.*train\.txt:1"),
        ({"train": "b\\\ufeff.png"}, r"train\.txt:1: 'b\\\\ufeff\.png' is no image of"),  # each backslash once
        ({"train": "000.png"}, r"train\.txt:1: '000\.png' can be several images \(a/000\.png, b/000\.png\): write"),
        ({"test": "notes.md"}, r"test\.txt:1: 'notes\.md' is there \(notes\.md\), and no image of the data"),
        ({"test": "\n \n"}, r"test\.txt is the list of test, and names no image: fill or remove it"),
        ({"val": "a/000", "valid": "a/001"}, r"val\.txt and .*valid\.txt are both lists of validation: keep one"),
    ],
)  # fmt: skip
def test_lines_that_name_no_image_are_told_with_their_place(tmp_path: Path, lists: dict[str, str], told: str) -> None:
    write_class_folders(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "notes.md").touch()
    write_lists(tmp_path, **lists)
    with pytest.raises(InputError, match=told):
        open_source(tmp_path)


def test_lists_that_cannot_be_read_or_contradict_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_class_folders(tmp_path / "train", {"a": 3, "b": 3})
    write_class_folders(tmp_path / "test", {"a": 3, "b": 3}, (8, 10, 3))
    (tmp_path / "train.txt").write_bytes(b"train/a/000.png\ntrain/b/\xff.png")
    with pytest.raises(InputError, match=r"train\.txt:2:9: the byte 0xff is not UTF-8: save the list as UTF-8"):
        open_source(tmp_path)
    write_lists(tmp_path, train="train/a/000.png\ntrain/b/000.png\ntest/a/000.png")
    with pytest.raises(
        InputError, match=r"train\.txt:3: test/a/000\.png is listed for train, and its folder .*says test"
    ):
        open_source(tmp_path)
    write_lists(tmp_path, train="train/a/000.png\ntrain/b/000.png", test="test/a/001.png")
    assert len(part_of(tmp_path)) == 3
    monkeypatch.setattr("runtime.data.part_lists.MAX_LIST_BYTES", 5)
    assert MAX_LIST_BYTES > 5
    with pytest.raises(InputError, match="has more than 5 bytes, which is too much for a list"):
        open_source(tmp_path)


@given(
    names=st.lists(st.text("ab.1 é", min_size=1, max_size=3), min_size=1, max_size=6, unique=True),
    folders=st.lists(st.sampled_from(["x", "y/z", "x/y"]), min_size=6, max_size=6),
    draw=st.data(),
)
def test_any_whole_path_names_its_image(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], folders: list[str], draw: st.DataObject
) -> None:
    """Whatever images are called, a list of their whole paths gives each its part."""
    root = tmp_path_factory.mktemp("lists")
    files = sorted({f"{folder}/{name.strip() or 'a'}.png" for folder, name in zip(folders, names, strict=False)})
    parts = draw.draw(st.lists(st.sampled_from(["train", "test"]), min_size=len(files), max_size=len(files)))
    for part in sorted(set(parts)):
        write_lists(root, **{part: "\n".join(file for file, of in zip(files, parts, strict=True) if of == part)})
    lists = tuple(f"{part}.txt" for part in sorted(set(parts)))
    listing = FolderListing(root, (*lists, *files), ())
    source = open_like(root, files)
    found = apply_part_lists(listing, source)
    wanted = {file: of for file, of in zip(files, parts, strict=True) if of == "test" or "train" in parts}
    assert found.parts is not None
    assert {name: part for name, part in zip(found.names, found.parts, strict=True) if part} == wanted
    assert find_part_lists(list_data(root)) == {name: name[:-4] for name in lists}


def open_like(root: Path, files: list[str]) -> DataSource:
    targets = np.zeros(len(files), np.int64)
    return DataSource("x", "labels", LabelledPictures(root, files, targets=targets), ("a", "b"), files)


def test_among_too_many_of_one_name_the_whole_path_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mask_pairs(tmp_path, [f"case{number}/image" for number in range(3)])
    write_lists(tmp_path, train="case2/image.png\ncase0/image.png", test="case1/image.png")
    assert part_of(tmp_path)["images/case2/image.png"] == "train"
    monkeypatch.setattr(part_lists, "MAX_ALIKE", 2)
    with pytest.raises(InputError, match=r"\.txt:1: .*can be several images .*write the path"):
        part_of(tmp_path)
    write_lists(tmp_path, train="images/case2/image.png\nimages/case0/image.png", test="images/case1/image.png")
    assert part_of(tmp_path)["images/case2/image.png"] == "train"


def test_a_folder_of_lists_is_no_class(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 3, "b": 3}, (8, 8))
    names = sorted(open_source(tmp_path).names)
    write_lists(tmp_path / "ImageSets" / "Main", train="\n".join(names[:4]), test="\n".join(names[4:]))
    source = open_source(tmp_path)
    assert source.classes == ("a", "b")
    assert not source.problems
    assert list(part_of(tmp_path).values()) == 4 * ["train"] + 2 * ["test"]


def test_a_line_that_is_near_an_image_is_told_which(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 3, "b": 2}, (8, 8))
    write_lists(tmp_path, train="../elsewhere/a/002.png")
    with pytest.raises(InputError, match=r"train\.txt:1: .*is no path of an image .*; a/002\.png is one of"):
        part_of(tmp_path)
