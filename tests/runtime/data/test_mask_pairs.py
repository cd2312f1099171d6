"""Images and masks in two folders: which go together, and what is told of those that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import InputError
from runtime.data.listing import list_data
from runtime.data.mask_pairs import LAYOUT, find_folder_pairs, recognize
from tests.support.folders import draw_pixels, save_pixels, write_mask_pairs


def test_pairs_have_the_same_names_but_for_their_endings(tmp_path: Path) -> None:
    masks = write_mask_pairs(tmp_path, ["b", "a", "deep/c.1"])
    save_pixels(tmp_path / "images" / "d.jpg", draw_pixels((8, 9, 3)))
    masks["d"] = draw_pixels((8, 9), 7, 3)
    save_pixels(tmp_path / "masks" / "d_mask.png", masks["d"])
    listing = list_data(tmp_path)
    assert recognize(listing)
    source = LAYOUT.read(listing, "data")
    assert list(source.names) == ["images/a.png", "images/b.png", "images/d.jpg", "images/deep/c.1.png"]
    assert (source.task, source.classes, source.strays) == ("maps", ("0", "1", "2"), ())
    for index, name in enumerate(["a", "b", "d", "deep/c.1"]):
        image, target = source.samples[index]
        assert target.dtype == np.uint8
        assert np.array_equal(target, masks[name])
        assert image.shape[1:] == target.shape


@pytest.mark.parametrize("layout", ["{part}/images/{name}", "images/{part}/{name}"])
def test_folders_of_parts_stand_above_or_below(tmp_path: Path, layout: str) -> None:
    for part, name in (("train", "a"), ("train", "b"), ("val", "a"), ("test", "c")):
        path = layout.format(part=part, name=name)
        save_pixels(tmp_path / f"{path}.png", draw_pixels((4, 4)))
        save_pixels(tmp_path / f"{path.replace('images', 'masks')}.png", draw_pixels((4, 4), 1, 2))
    source = LAYOUT.read(list_data(tmp_path), "data")
    found = sorted(zip(source.parts or (), (name.rpartition("/")[2] for name in source.names), strict=True))
    assert found == [("test", "c.png"), ("train", "a.png"), ("train", "b.png"), ("validation", "a.png")]


def test_other_words_for_the_folders(tmp_path: Path) -> None:
    for words in (("JPEGImages", "SegmentationClass"), ("imgs", "labels")):
        folder = tmp_path / words[0]
        for word in words:
            save_pixels(folder / word / "a.png", draw_pixels((4, 4), 0, 2))
        assert find_folder_pairs(list_data(folder)) == [(*words, "")]
    assert not recognize(list_data(tmp_path))


def test_labels_that_are_no_pictures_are_no_masks(tmp_path: Path) -> None:
    save_pixels(tmp_path / "images" / "a.png", draw_pixels((4, 4)))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.1 0.1")
    assert not recognize(list_data(tmp_path))


def test_what_has_no_counterpart_is_left_out_and_told(tmp_path: Path) -> None:
    write_mask_pairs(tmp_path, ["a", "b"])
    save_pixels(tmp_path / "images" / "c.png", draw_pixels((4, 4)))
    for name in "xy":
        save_pixels(tmp_path / "masks" / f"{name}.png", draw_pixels((4, 4), 0, 2))
    assert LAYOUT.read(list_data(tmp_path), "data").strays == (
        "1 image has no mask, and is left out: images/c.png",
        "2 masks have no image, and are left out: masks/x.png, masks/y.png",
    )
    for name in "ab":
        (tmp_path / "images" / f"{name}.png").unlink()
    with pytest.raises(
        InputError, match=r"no image of data has a mask of its name: images are images/c\.png; masks are"
    ):
        LAYOUT.read(list_data(tmp_path), "data")


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    write_mask_pairs(tmp_path, ["a"])
    save_pixels(tmp_path / "images" / "a.jpg", draw_pixels((4, 4)))
    with pytest.raises(InputError, match=r"images/a\.jpg and images/a\.png, which differ by their endings alone"):
        LAYOUT.read(list_data(tmp_path), "data")


def test_a_mask_of_another_size_is_told_before_it_is_used(tmp_path: Path) -> None:
    write_mask_pairs(tmp_path, ["a", "b"])
    save_pixels(tmp_path / "masks" / "b.png", draw_pixels((9, 8), 1, 3))
    samples = LAYOUT.read(list_data(tmp_path), "data").samples
    message = r"masks/b\.png is 9×8 \(height × width\), and its image .*images/b\.png is 8×9: they must be of one size"
    for function in (samples.__getitem__, samples.peek):  # type: ignore[attr-defined]
        assert function(0)
        with pytest.raises(InputError, match=message):
            function(1)


def test_image_and_mask_turn_by_their_own_exif(tmp_path: Path) -> None:
    pixels, mask = draw_pixels((4, 6, 3)), draw_pixels((4, 6), 1, 3)
    for folder, array in (("images", pixels), ("masks", mask)):
        exif = Image.Exif()
        exif[0x0112] = 8
        (tmp_path / folder).mkdir()
        Image.fromarray(array).save(tmp_path / folder / "a.png", exif=exif)
    samples = LAYOUT.read(list_data(tmp_path), "data").samples
    image, target = samples[0]
    assert np.array_equal(np.moveaxis(image, 0, 2), np.rot90(pixels))
    assert np.array_equal(target, np.rot90(mask))
    assert samples.peek(0).extents == (6, 4)  # type: ignore[attr-defined]


def test_a_broken_mask_is_named(tmp_path: Path) -> None:
    write_mask_pairs(tmp_path, ["a", "b"])
    (tmp_path / "masks" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    source = LAYOUT.read(list_data(tmp_path), "data")
    (message,) = source.bad
    assert "masks/b.png is a broken picture" in message
    with pytest.raises(InputError, match=r"masks/b\.png is a broken picture"):
        source.samples.peek(1)  # type: ignore[attr-defined]


def test_a_table_names_pairs(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        save_pixels(tmp_path / "photos" / f"{name}.png", draw_pixels((4, 5), number))
        save_pixels(tmp_path / "truth" / f"m{number}.png", draw_pixels((4, 5), number, 3))
    rows = ["photos/b.png,m1.png,train", "a.png,truth/m0.png,val", "c.png,m2.png,"]
    (tmp_path / "pairs.csv").write_text("\n".join(["image,mask,split", *rows]))
    listing = list_data(tmp_path)
    assert recognize(listing)
    source = LAYOUT.read(listing, "data")
    assert list(source.names) == ["photos/a.png", "photos/b.png", "photos/c.png"]
    assert list(source.parts or ()) == ["validation", "train", ""]
    for index in range(3):
        assert np.array_equal(source.samples[index][1], draw_pixels((4, 5), index, 3))
    (tmp_path / "pairs.csv").write_text("image,mask\na.png,m0.png\na.png,m1.png\n")
    with pytest.raises(InputError, match=r"pairs\.csv:3: photos/a\.png is named a second time"):
        LAYOUT.read(list_data(tmp_path), "data")


def test_a_description_names_folders_and_colours(tmp_path: Path) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255], [255, 255, 255]], np.uint8)
    for number in range(4):
        numbers = draw_pixels((4, 5), number, 4)
        save_pixels(tmp_path / "photos" / f"{number}.png", draw_pixels((4, 5), number))
        save_pixels(tmp_path / "truth" / f"{number}.png", colours[numbers])
    text = "images: photos\nmasks: truth\n"
    (tmp_path / "data.yaml").write_text(text)
    assert recognize(list_data(tmp_path))
    with pytest.raises(InputError, match=r"the masks of data have 4 colours: say in its data\.yaml"):
        LAYOUT.read(list_data(tmp_path), "data")
    text += "classes: {background: '#000000', artery: '#ff0000', vein: '#0000ff'}\nignore: '#ffffff'\n"
    (tmp_path / "data.yaml").write_text(text)
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert source.classes == ("background", "artery", "vein")
    for index in range(4):
        numbers = draw_pixels((4, 5), index, 4)
        assert np.array_equal(source.samples[index][1], np.where(numbers == 3, 255, numbers))
    (tmp_path / "data.yaml").write_text(text.replace("ignore: '#ffffff'\n", ""))
    source = LAYOUT.read(list_data(tmp_path), "data")
    with pytest.raises(InputError, match=r"truth/0\.png has \d+ pixels? of 255, which stands? for no class"):
        [source.samples[index] for index in range(4)]


def test_masks_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    save_pixels(tmp_path / "images" / "a.png", draw_pixels((4, 4)))
    save_pixels(tmp_path / "masks" / "a.jpg", draw_pixels((4, 4)))
    with pytest.raises(InputError, match=r"no mask of data can be read: .*masks/a\.jpg is a JPEG picture"):
        LAYOUT.read(list_data(tmp_path), "data")


@pytest.mark.parametrize(
    ("value", "text", "told"),
    [
        (0, "", r"the masks of data store 0 and nothing else, which ask for one class, 0: a network learns nothing"),
        (7, "", r"store 7 and nothing else, which ask for one class, 7"),
        (1, "classes: [ground, cell]", r"store 1 and nothing else, which ask for one class, cell"),
        (9, "classes: {ground: 0, cell: 9}", r"store 9 and nothing else, which ask for one class, cell"),
        (9, "classes: {ground: 0, cell: 1}", r"store 9 and nothing else, which ask for no class"),
        (255, "", r"the masks of data ask for no class: all their pixels are 255"),
    ],
)
def test_masks_of_one_value_teach_nothing(tmp_path: Path, value: int, text: str, told: str) -> None:
    for name in ("a", "b"):
        save_pixels(tmp_path / "images" / f"{name}.png", draw_pixels((8, 9)))
        save_pixels(tmp_path / "masks" / f"{name}.png", np.full((8, 9), value, np.uint8))
    if text:
        (tmp_path / "data.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        LAYOUT.read(list_data(tmp_path), "data")


def test_values_that_stand_for_no_class_are_told_before_training(tmp_path: Path) -> None:
    write_mask_pairs(tmp_path, ["a", "b", "c"])
    (tmp_path / "data.yaml").write_text("classes: {ground: 0, cell: 1, wall: 7}", encoding="utf-8")
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert source.bad == (f"{tmp_path}/masks/a.png has pixels of 2, which stand for no class",)
    assert source.unseen == ("wall",)
