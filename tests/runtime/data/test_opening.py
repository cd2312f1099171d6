"""From a word to a data set: parts, preprocessing, and what is told of a word that names none."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import InputError
from runtime.data.dataset import ArraySamples
from runtime.data.opening import drop_bad, open_data, open_source, take_part
from runtime.data.registry import load_data
from runtime.data.sized import list_files
from runtime.recipes.data import DataSection
from tests.support.folders import draw_pixels, save_pixels, write_class_folders, write_mask_pairs


def test_class_folders_become_prepared_parts(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"dog": 10, "cat": 10})
    data = open_data(tmp_path)
    assert (data.name, data.task, data.classes) == (str(tmp_path), "labels", ("cat", "dog"))
    assert (len(data.train), len(data.test), data.validation) == (16, 4, None)
    values = np.stack([data.train[index][0] for index in range(16)]) / 255
    assert data.preprocess.shape == (3, 8, 9)
    assert np.abs(np.array(data.preprocess.mean) - values.mean((0, 2, 3))).max() < 1e-6
    assert np.abs(np.array(data.preprocess.std) - values.std((0, 2, 3))).max() < 1e-6
    assert np.abs(data.training.images.mean((0, 2, 3))).max() < 1e-5
    assert sorted(data.held_out.labels.tolist()) == [0, 0, 1, 1]


def test_pairs_become_maps(tmp_path: Path) -> None:
    masks = write_mask_pairs(tmp_path, [f"{number:02}" for number in range(10)])
    data = open_data(tmp_path, DataSection(test=0.3, validation=0.2, seed=4))
    assert (data.task, data.classes, data.preprocess.shape) == ("maps", ("0", "1", "2"), (1, 8, 9))
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (5, 2, 3)
    for index, label in enumerate(data.held_out.labels):
        assert np.array_equal(label, masks[list_files(data.test, index)[0].stem])


def test_gray_beside_colours_becomes_colours(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 4, "b": 4})
    save_pixels(tmp_path / "a" / "gray.png", draw_pixels((8, 9)))
    data = open_data(tmp_path)
    assert data.preprocess.channels == 3
    assert {data.train[index][0].shape for index in range(len(data.train))} == {(3, 8, 9)}


def test_extents_are_those_that_are_said_or_common_or_the_median(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "a", {"x": 4}, (8, 9))
    write_class_folders(tmp_path / "a", {"y": 4}, (8, 9))
    assert open_data(tmp_path / "a").preprocess.size == (8, 9)
    for number, shape in enumerate([(10, 20), (30, 40), (50, 60)]):
        save_pixels(tmp_path / "b" / "x" / f"{number}.png", draw_pixels(shape, number))
        save_pixels(tmp_path / "b" / "y" / f"{number}.png", draw_pixels(shape, number + 9))
    assert open_data(tmp_path / "b").preprocess.size == (30, 40)
    for size, wanted in (([7], (7, 7)), ([5, 6], (5, 6))):
        assert open_data(tmp_path / "b", DataSection(size=size)).preprocess.size == wanted
    data = open_data(tmp_path / "b", DataSection(size=[32], resize="letterbox", interpolation="bicubic"))
    assert (data.preprocess.resize, data.preprocess.interpolation) == ("letterbox", "bicubic")
    with pytest.raises(InputError, match=r"data\.size is 1×2×3, and the images have 2 extents"):
        open_data(tmp_path / "b", DataSection(size=[1, 2, 3]))


def test_normalizing_is_measured_or_imagenets_or_none(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 3, "b": 3})
    imagenet = open_data(tmp_path, DataSection(normalize="imagenet")).preprocess
    assert (imagenet.mean, imagenet.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    none = open_data(tmp_path, DataSection(normalize="none")).preprocess
    assert (none.mean, none.std) == ((0, 0, 0), (1, 1, 1))
    write_class_folders(tmp_path / "gray", {"a": 3, "b": 3}, (8, 9))
    gray = open_data(tmp_path / "gray", DataSection(normalize="imagenet")).preprocess
    assert gray == open_data(tmp_path / "gray").preprocess, "of one channel ImageNet has none: it is measured"


def test_bad_files_stop_before_training_or_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_class_folders(tmp_path, {"a": 10, "b": 10})
    (tmp_path / "a" / "bad.png").write_text("")
    whole = (tmp_path / "a" / "000.png").read_bytes()
    (tmp_path / "b" / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"1 file of .* cannot be used: .*a/bad\.png .*leave it out with --skip-bad"):
        open_data(tmp_path)
    with caplog.at_level(logging.WARNING):
        data = open_data(tmp_path, DataSection(skip_bad=True))
    assert "2 bad samples of" in caplog.text
    assert "bad.png" in caplog.text
    assert "half.png" in caplog.text
    assert len(data.train) + len(data.test) == 20
    clean = write_class_folders(tmp_path / "clean", {"a": 10, "b": 10})
    source = open_source(clean)
    assert drop_bad(source) is source


def test_a_broken_file_among_many_is_named_when_it_is_read(tmp_path: Path) -> None:
    """Its head is whole, so that only reading all of it tells."""
    write_class_folders(tmp_path, {"a": 4, "b": 4}, (64, 64, 3))
    whole = (tmp_path / "a" / "000.png").read_bytes()
    (tmp_path / "a" / "000.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a/000\.png is a broken picture"):
        _read_all(tmp_path)


def _read_all(folder: Path) -> None:
    data = open_data(folder)
    for samples in (data.train, data.test):
        data.prepare(samples, range(len(samples)))


def test_names_come_before_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_class_folders(tmp_path / "digits", {"a": 2, "b": 2})
    monkeypatch.chdir(tmp_path)
    assert open_data("digits").preprocess == load_data("digits").preprocess
    assert open_data("./digits").classes == ("a", "b")


def test_transparent_pictures_need_a_ground(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 5, "b": 5}, (8, 9, 4))
    with pytest.raises(InputError, match=r"is transparent in places, .*--ground white"):
        open_data(tmp_path)
    for ground, level in (("white", 255), ("#0a0a0a", 10)):
        data = open_data(tmp_path, DataSection(ground=ground))
        for index in range(len(data.train)):
            path, image = list_files(data.train, index)[0], data.train[index][0]
            pixels = np.asarray(Image.open(path)).astype(float)
            share = pixels[..., 3:] / 255
            witness = share * pixels[..., :3] + (1 - share) * level
            assert np.abs(np.moveaxis(image, 0, 2) - witness).max() <= 0.51
    assert len(open_data(tmp_path, DataSection(ground="black", skip_bad=True)).train) == 8


def test_named_data_are_arranged_too() -> None:
    assert open_data("digits").preprocess == load_data("digits").preprocess
    data = open_data("digits", DataSection(size=[16], resize="letterbox", validation=0.1))
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (1293, 144, 360)
    assert data.held_out.images.shape == (360, 1, 16, 16)
    assert np.array_equal(data.held_out.labels, load_data("digits").held_out.labels)
    values = np.stack([data.train[index][0] for index in range(len(data.train))]).astype(np.float64)
    assert data.preprocess.mean == (round(float(values.mean()), 6),)
    assert data.preprocess.std == (round(float(values.std()), 6),)
    assert data.preprocess.mean != load_data("digits").preprocess.mean
    folds = [open_data("digits", DataSection(fold=f"{number}/3")) for number in (1, 2, 3)]
    assert [len(fold.validation or ()) for fold in folds] == [479] * 3
    assert {len(fold.test) for fold in folds} == {360}
    none = open_data("digits", DataSection(normalize="none")).preprocess
    assert (none.mean, none.std) == ((0.0,), (1.0,))
    assert open_data("digit_maps", DataSection(validation=0.1)).validation is not None


def test_shares_that_hold_nothing_out_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the data, or a fold, say what is held out; the control are the shares that do."""
    write_class_folders(tmp_path / "own" / "train", {"a": 6, "b": 6})
    write_class_folders(tmp_path / "own" / "val", {"a": 2, "b": 2}, (9, 8, 3))
    write_class_folders(tmp_path / "own" / "test", {"a": 2, "b": 2}, (9, 9, 3))
    write_class_folders(tmp_path / "none", {"a": 10, "b": 10})
    open_data(tmp_path / "none", DataSection(test=0.3, validation=0.2))
    open_data(tmp_path / "own")
    open_data("digits", DataSection(validation=0.2))
    assert caplog.messages == []
    open_data(tmp_path / "own", DataSection(test=0.3, validation=0.1))
    open_data("digits", DataSection(test=0.3))
    open_data(tmp_path / "none", DataSection(test=0.3, fold="1/4"))
    own = f"holds nothing out, since {tmp_path / 'own'} says which images are for that"
    assert caplog.messages == [
        f"without effect: data.test: 0.3 {own}",
        f"without effect: data.validation: 0.1 {own}",
        "without effect: data.test: 0.3 holds nothing out, since digits says which images are for that",
        "without effect: data.test: 0.3 holds nothing out, since data.fold: 1/4 does so",
    ]


def test_what_is_no_data_is_told_what_is(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no data set 'digit'; did you mean 'digits'\? \(available: digits, .*\), and no"
    ):
        open_data("digit")
    save_pixels(tmp_path / "a.png", draw_pixels((4, 4)))
    (tmp_path / "b.webp").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"it holds 1 picture \(PNG or JPEG\) in 0 folders; 1 other picture \(WebP\)"
    ) as error:
        open_data(tmp_path)
    assert "labels: CLASS/NAME.png" in str(error.value)
    assert "maps: images/NAME.png" in str(error.value)
    write_mask_pairs(tmp_path / "pairs", ["a", "b", "c"])
    assert open_data(tmp_path / "pairs", task="maps").task == "maps"
    write_class_folders(tmp_path / "classes", {"a": 2, "b": 2})
    with pytest.raises(
        InputError, match="holds class folders, for the task labels; what is wanted are data for the task"
    ):
        open_data(tmp_path / "classes", task="maps")


def test_parts_of_arrays_are_views_where_they_can_be() -> None:
    samples = ArraySamples(np.arange(10)[:, None], np.arange(10))
    part = take_part(samples, np.arange(3, 7))
    assert isinstance(part, ArraySamples)
    assert np.shares_memory(part.images, samples.images)
    assert [int(part[index][1]) for index in range(len(part))] == [3, 4, 5, 6]
    some = take_part(samples, np.array([1, 5]))
    assert [int(some[index][1]) for index in range(len(some))] == [1, 5]


def test_a_turned_picture_has_its_own_extents(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 2, "b": 2}, (4, 6))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(draw_pixels((6, 4))).save(tmp_path / "a" / "turned.png", exif=exif)
    assert open_data(tmp_path).preprocess.size == (4, 6)
    assert open_data(tmp_path).training.images.shape[1:] == (1, 4, 6)


def test_one_class_is_refused_however_it_is_said(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "folders", {"a": 4, "b": 4})
    (tmp_path / "folders" / "data.yaml").write_text("classes: [a]")
    write_class_folders(tmp_path, {"table": 4})
    (tmp_path / "table" / "t.csv").write_text("image,label\n" + "".join(f"00{n}.png,a\n" for n in range(4)))
    for folder in ("folders", "table"):
        with pytest.raises(
            InputError, match=r"has one class, a: a network learns nothing of the task labels from fewer"
        ):
            open_data(tmp_path / folder)


def test_classes_that_no_image_to_train_on_has_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_class_folders(tmp_path, {"table": 6})
    rows = "".join(f"00{number}.png,{'ab'[number % 2]}\n" for number in range(6))
    (tmp_path / "table" / "t.csv").write_text(f"image,label\n{rows}")
    open_data(tmp_path / "table")
    assert "will not learn it" not in caplog.text, "the control"
    (tmp_path / "table" / "data.yaml").write_text("classes: [a, b, c]")
    open_data(tmp_path / "table")
    assert "to train on has c: the network will not learn it" in caplog.text
