"""Pictures are read as they are looked at, at their full depth; what is transparent needs a ground."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from archspec.errors import ArchspecError
from runtime.pictures.file import GROUNDS, open_picture, parse_ground
from tests.support.pngs import add_chunk, pack_key, write_huge_png, write_palette_png, write_png

WHITE, BLACK = GROUNDS["white"], GROUNDS["black"]


def draw(shape: tuple[int, ...], depth: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1 << depth, shape)


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("bands", [1, 3])
def test_every_bit_is_kept(tmp_path: Path, bands: int, depth: int, interlaced: bool) -> None:
    pixels = draw((25, 17, bands), depth)
    picture = open_picture(write_png(tmp_path / "a.png", pixels, depth, interlaced=interlaced))
    assert (picture.size, picture.whole, picture.alpha) == ((25, 17), (1 << depth) - 1, None)
    assert np.array_equal(picture.bands, pixels)
    painted = picture.paint(bands)
    assert painted.dtype == np.float32
    assert np.abs(painted.transpose(1, 2, 0) * ((1 << depth) - 1) - pixels).max() < 0.01


@pytest.mark.parametrize("ground", [WHITE, BLACK, (32, 64, 96)])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("bands", [2, 4])
def test_what_is_transparent_lies_on_the_ground(
    tmp_path: Path, bands: int, depth: int, ground: tuple[int, int, int]
) -> None:
    """alpha · colour + (1 - alpha) · ground; Pillow's own compositing is the witness where it has the depth."""
    pixels, whole = draw((5, 7, bands), depth), (1 << depth) - 1
    path = write_png(tmp_path / "a.png", pixels, depth)
    picture = open_picture(path)
    with pytest.raises(ArchspecError, match=r"a\.png is transparent in places.*--ground white"):
        picture.paint(3)
    found = picture.paint(3, ground)
    share = pixels[..., -1:] / whole
    expected = share * pixels[..., :-1] / whole + (1 - share) * np.array(ground) / 255
    assert np.abs(found.transpose(1, 2, 0) - expected).max() < 0.5 / whole + 1e-6
    if depth == 8:
        with Image.open(path) as image:
            under = Image.new("RGBA", image.size, (*ground, 255))
            witness = np.asarray(Image.alpha_composite(under, image.convert("RGBA")).convert("RGB")) / 255
        assert np.abs(found.transpose(1, 2, 0) - witness).max() < 1 / 255
    others = picture.paint(3, tuple(255 - value for value in ground))  # type: ignore[arg-type]
    assert np.abs(found - others).max() > 0.1


@pytest.mark.parametrize(
    ("bands", "depth", "key"), [(1, 1, (1,)), (1, 2, (2,)), (1, 4, (9,)), (1, 8, (77,)), (1, 16, (40_000,)),
                                (3, 8, (1, 2, 3)), (3, 16, (256, 511, 3))]
)  # fmt: skip
def test_one_colour_may_be_transparent(tmp_path: Path, bands: int, depth: int, key: tuple[int, ...]) -> None:
    """Exactly that one, in the file's own bits: of 16-bit colours a neighbour in the low byte is not."""
    pixels = draw((6, 6, bands), depth)
    pixels[0, 0] = key
    pixels[0, 1] = [*key[:-1], key[-1] ^ 1]
    picture = open_picture(write_png(tmp_path / "a.png", pixels, depth, key))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, (pixels == key).all(-1))
    assert not picture.alpha[0, 0]
    assert picture.alpha[0, 1] == picture.whole
    unused = (pixels != key).any(-1)
    pixels[~unused] = pixels[unused][0]
    assert open_picture(write_png(tmp_path / "b.png", pixels, depth, key)).alpha is None


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("bands", "depth", "key"), [(1, 1, (2,)), (1, 1, (3,)), (1, 2, (6,)), (1, 4, (0xFF09,)), (1, 8, (0x14D,)),
                                (3, 8, (0x101, 0x0202, 0xFF03)), (3, 8, (1, 2, 256))]
)  # fmt: skip
def test_of_a_transparent_colour_the_picture_s_own_bits_count(
    tmp_path: Path, bands: int, depth: int, key: tuple[int, ...], interlaced: bool
) -> None:
    """The samples are of 16 bits, and "decoders must mask the other bits" (PNG, third edition, 11.3.1.1). Pillow's
    conversion is the witness; of 2 and 4 bits it compares a stretched value with one that is not."""
    masked = tuple(sample & ((1 << depth) - 1) for sample in key)
    pixels = draw((9, 11, bands), depth)
    pixels[0, 0], pixels[0, 1] = masked, [*masked[:-1], masked[-1] ^ 1]
    picture = open_picture(write_png(tmp_path / "a.png", pixels, depth, key, interlaced=interlaced))
    assert picture.alpha is not None
    expected = np.where((pixels == masked).all(-1), 0, 255)
    assert np.array_equal(picture.alpha, expected)
    assert not (pixels == key).all(-1).any()  # the control
    if depth == 8:
        with Image.open(tmp_path / "a.png") as image:
            assert np.array_equal(np.asarray(image.convert("RGBA"))[..., 3], expected)


@pytest.mark.parametrize("bands", [1, 3])
def test_the_first_transparent_colour_before_the_pixels_counts(tmp_path: Path, bands: int) -> None:
    """As libpng has it, and with it browsers; Pillow takes the last one, wherever it is."""
    pixels, first, second = draw((9, 11, bands)), (7,) * bands, (9,) * bands
    pixels[0, 0], pixels[0, 1] = first, second
    twice = add_chunk(write_png(tmp_path / "a.png", pixels, key=first), b"IDAT", b"tRNS", pack_key(second))
    late = add_chunk(write_png(tmp_path / "b.png", pixels), b"IEND", b"tRNS", pack_key(first))
    found = open_picture(twice).alpha
    assert found is not None
    assert found[0, :2].tolist() == [0, 255]
    assert open_picture(late).alpha is None
    with Image.open(late) as image:
        image.load()
        assert "transparency" in image.info  # the control


@pytest.mark.parametrize("bands", [2, 4])
def test_beside_an_alpha_channel_no_colour_is_transparent(tmp_path: Path, bands: int) -> None:
    pixels = draw((9, 11, bands))
    pixels[..., -1] = 255
    key = tuple(pixels[0, 0, :-1].tolist())
    assert open_picture(write_png(tmp_path / "a.png", pixels, key=key)).alpha is None


@pytest.mark.parametrize(("ending", "kept"), [("png", 8), ("png", 60), ("jpg", 20), ("jpg", 300)])
def test_what_is_cut_off_is_a_damaged_picture_and_not_another_file(tmp_path: Path, ending: str, kept: int) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(draw((40, 40, 3)).astype(np.uint8)).save(path)
    assert open_picture(path).size == (40, 40)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArchspecError, match=rf"a\.{ending} is a broken picture: .*: copy it or save it again$"):
        open_picture(path)


@pytest.mark.parametrize("size", [0, 1, 3, 5, 8])
@pytest.mark.parametrize("bands", [1, 3])
def test_what_is_no_colour_is_refused(tmp_path: Path, bands: int, size: int) -> None:
    path = add_chunk(write_png(tmp_path / "a.png", draw((3, 3, bands))), b"IDAT", b"tRNS", bytes(size))
    with pytest.raises(ArchspecError, match=r"a\.png is a broken picture"):
        open_picture(path)


def test_a_palette_may_have_fewer_colours_than_alphas(tmp_path: Path) -> None:
    """Those that are beyond it are of no colour; Pillow is the witness where it takes as many."""
    entries, colours = np.array([[0, 1, 2], [2, 1, 0]]), [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    for alphas in (b"\x09", bytes([9, 255, 128]), bytes([255, 7, 255, 3, 4, 5]), bytes(300), bytes([255] * 3)):
        path = write_palette_png(tmp_path / "a.png", entries, colours, alphas)
        picture = open_picture(path)
        assert np.array_equal(picture.bands, np.array(colours)[entries])
        found = np.full(entries.shape, 255) if picture.alpha is None else picture.alpha
        assert np.array_equal(found, np.array([*alphas, 255, 255, 255])[entries])
        if len(alphas) <= 256:
            with Image.open(path) as image:
                assert np.array_equal(found, np.asarray(image.convert("RGBA"))[..., 3])
    late = add_chunk(write_palette_png(tmp_path / "b.png", entries, colours, b""), b"IEND", b"tRNS", b"\0")
    assert open_picture(late).alpha is None


def test_palettes_may_be_transparent(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for given, alphas in ((1, [255, 0, 255]), (bytes([9, 255, 128]), [9, 255, 128])):
        picture.save(tmp_path / "a.png", transparency=given)
        found = open_picture(tmp_path / "a.png")
        assert found.alpha is not None
        assert found.alpha.tolist() == [[alphas[0], alphas[1]], [alphas[2], alphas[0]]]
        assert found.bands[..., 0].tolist() == [[255, 0], [0, 255]]
    picture.save(tmp_path / "a.png", transparency=7)
    assert open_picture(tmp_path / "a.png").alpha is None


def test_an_alpha_that_covers_everything_is_none(tmp_path: Path) -> None:
    pixels = draw((4, 4, 4))
    pixels[..., 3] = 255
    picture = open_picture(write_png(tmp_path / "a.png", pixels))
    assert np.abs(picture.paint(3) * 255 - pixels[..., :3].transpose(2, 0, 1)).max() < 0.01


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path, name: str, orientation: int) -> None:
    image = Image.fromarray(draw((8, 12, 3)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / name, exif=exif)
    with Image.open(tmp_path / name) as stored:
        witness = np.asarray(ImageOps.exif_transpose(stored))
        control = np.asarray(stored)
    picture = open_picture(tmp_path / name)
    assert picture.size == witness.shape[:2]
    assert np.array_equal(picture.bands, witness)
    assert orientation == 1 or control.shape != witness.shape or not np.array_equal(control, witness)


def test_broken_exif_is_passed_over_in_silence(tmp_path: Path) -> None:
    image = Image.fromarray(draw((8, 12, 3)).astype(np.uint8))
    for garbage in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x05abc"):
        image.save(tmp_path / "a.png", exif=garbage)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert open_picture(tmp_path / "a.png").size == (8, 12)


def test_gray_of_colours_is_their_luma(tmp_path: Path) -> None:
    pixels = draw((9, 9, 3))
    path = save(tmp_path / "a.png", pixels)
    with Image.open(path) as image:
        witness = np.asarray(image.convert("L"), np.float64)
    found = open_picture(path).paint(1)[0] * 255.0
    assert np.abs(found - witness).max() <= 0.5 + 1e-4
    assert np.abs(pixels.mean(-1) - witness).max() > 5
    shades = np.repeat(np.arange(256)[None, :, None], 3, 2)
    assert np.array_equal(np.rint(open_picture(save(path, shades)).paint(1)[0, 0] * 255), np.arange(256))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_white_is_white_however_it_is_stored(tmp_path: Path, mode: str, channels: int) -> None:
    whites: dict[str, float | tuple[float, ...]] = {"1": 1, "I;16": 65535, "LA": (255, 255)}
    Image.new(mode, (9, 9), whites.get(mode, "white")).save(tmp_path / "a.png")
    assert np.allclose(open_picture(tmp_path / "a.png").paint(channels), 1, atol=1e-6)


@pytest.mark.parametrize(("largest", "faint"), [(0, None), (1020, 1020), (4095, 4095), (4096, None), (65535, None)])
def test_a_16_bit_picture_that_is_nearly_black_is_noticed(tmp_path: Path, largest: int, faint: int | None) -> None:
    """Up to 4,095: data of 12 bits."""
    picture = open_picture(write_png(tmp_path / "a.png", np.array([[[0], [largest]]]), 16))
    assert picture.faint == faint
    assert picture.paint(1)[0, 0, 1] == pytest.approx(largest / 65535)
    assert open_picture(write_png(tmp_path / "b.png", np.array([[[0], [3]]]), 8)).faint is None


@pytest.mark.parametrize("side", [8_200, 10_000, 60_000])
def test_a_decompression_bomb_is_refused_unread(tmp_path: Path, side: int) -> None:
    with pytest.raises(ArchspecError, match=r"bomb\.png is too large a picture"):
        open_picture(write_huge_png(tmp_path / "bomb.png", side))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "deep.png"])
def test_a_picture_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    if name == "deep.png":
        write_png(tmp_path / name, draw((40, 40, 3), 16), 16)
    else:
        save(tmp_path / name, draw((40, 40)))
    whole = (tmp_path / name).read_bytes()
    for part in (0.0, 0.02, 0.3, 0.6, 0.9):
        (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(ArchspecError, match=rf"{name} is (a broken picture|no PNG or JPEG)"):
            open_picture(tmp_path / name)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    image = Image.fromarray(draw((16, 18)).astype(np.uint8))
    for name in ("a.gif", "a.tif", "a.bmp", "a.webp"):
        image.save(tmp_path / name)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4" + bytes(9))
    np.save(tmp_path / "a", np.zeros(3))
    (tmp_path / "a.npy").rename(tmp_path / "array.png")
    advice = "save it as PNG, which keeps 16 bits too, or give its numbers as .npy"
    for name, message in (
        ("none.png", "does not exist"),
        (".", "not a file"),
        ("text.png", "text.png is no PNG or JPEG: give pictures of these kinds, folders of them, or .npy files$"),
        ("a.gif", f"is no PNG or JPEG but a GIF picture: {advice}"),
        ("a.tif", f"is no PNG or JPEG but a TIFF picture: {advice}"),
        ("a.bmp", f"is no PNG or JPEG but a BMP picture: {advice}"),
        ("a.webp", f"is no PNG or JPEG but a WebP picture: {advice}"),
        ("a.zip", "is no PNG or JPEG but a zip archive: give pictures of these kinds"),
        ("array.png", "is an array: name it array.npy"),
    ):
        with pytest.raises(ArchspecError, match=message):
            open_picture(tmp_path / name)


def test_grounds_are_colours() -> None:
    assert parse_ground("white") == (255, 255, 255)
    assert parse_ground("#204060") == (32, 64, 96)
    for text in ("", "red", "204060", "#2040", "#20406g", "#204060\n"):
        with pytest.raises(ArchspecError, match=r"a ground is white, black or a colour such as '#204060'"):
            parse_ground(text)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize(
    ("extents", "shown", "reduced"),
    [((160, 240), (20, 20), 4), ((160, 240), (13, 20), 8), ((160, 240), (54, 80), 1), ((160, 240), (53, 80), 2),
     ((156, 240), (20, 20), 4), ((161, 240), (20, 20), 1), ((150, 250), (10, 10), 2), ((160, 240), (13, 21), 4)]
)  # fmt: skip
def test_a_jpeg_that_is_shown_much_smaller_is_decoded_smaller(
    tmp_path: Path, extents: tuple[int, int], shown: tuple[int, int], reduced: int, orientation: int
) -> None:
    """A smooth picture, each pixel of which is the mean of those that it stands for, wherever the camera was up."""
    height, width = extents
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows * 200 / height, columns * 200 / width, 255 - rows * 200 / height], -1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.jpg", exif=exif, quality=95)
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.png", exif=exif)
    whole = open_picture(tmp_path / "a.jpg")
    turned = whole.size != extents
    found = open_picture(tmp_path / "a.jpg", lambda own: shown[::-1] if own != extents else shown)
    assert (found.size, found.reduced) == (whole.size, reduced)
    assert turned == (orientation > 4)
    tall, wide = whole.size
    means = whole.bands.reshape(tall // reduced, reduced, wide // reduced, reduced, 3).mean((1, 3))
    assert np.abs(found.bands - means).max() < 4
    assert reduced < 4 or np.abs(np.roll(found.bands, 1, 0) - means).max() > 4  # the control
    assert open_picture(tmp_path / "a.png", lambda own: shown).reduced == 1
