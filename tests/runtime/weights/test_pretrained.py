"""What libraries publish of their weights: their own code is the witness, where it is installed."""

from __future__ import annotations

import hashlib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.spec.zoo import zoo_specs
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import load_image
from runtime.weights.pretrained import FOLDER, LIBRARIES, find_published, list_published, read_class_set
from tests.support.torchvision_models import import_torchvision_models
from tests.zoo.preprocessing import NORMALIZES_ITSELF, write


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_file_has_what_the_library_says(library: str) -> None:
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    assert (FOLDER / f"{library}.json").read_text() == write(library)


def test_the_names_are_torchvisions() -> None:
    import_torchvision_models()
    meta = import_module("torchvision.models._meta")
    assert list(read_class_set("imagenet")) == meta._IMAGENET_CATEGORIES
    assert list(read_class_set("voc")) == [name.strip("_") for name in meta._VOC_CATEGORIES]
    assert len(set(read_class_set("imagenet"))) == 1000


@pytest.mark.parametrize("spec", ["resnet50", "efficientnet_b1", "swin_t", "convnext_tiny", "inception_v3", "vit_l_16"])
def test_a_picture_is_prepared_as_the_weights_own_transforms_do(spec: str, tmp_path: Path) -> None:
    """Equal but for the last digits; each weights' transforms differ from the others'."""
    models = import_torchvision_models()
    torch = import_module("torch")
    pixels = np.random.default_rng(0).integers(0, 256, (300, 411, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for row in list_published([spec], ["torchvision"]):
        transforms = models.get_weight(f"{models.get_model_weights(spec).__name__}.{row.name}").transforms()
        wanted = transforms(Image.fromarray(pixels))
        if spec in NORMALIZES_ITSELF:  # what its model does then
            model = models.inception_v3(weights=None, init_weights=False, transform_input=True, aux_logits=True)
            wanted = model._transform_input(wanted[None])[0]
        preprocess = Preprocess.from_dict(row.preprocess)
        found = torch.from_numpy(load_image(tmp_path / "a.png", preprocess))
        assert found.shape == wanted.shape
        assert (found - wanted).abs().max() < 1e-5
        other = Preprocess.from_dict({**row.preprocess, "resize_to": row.preprocess["resize_to"] + 1})
        assert (torch.from_numpy(load_image(tmp_path / "a.png", other)) - wanted).abs().max() > 0.1  # the control


def test_every_row_is_of_a_spec_and_sound() -> None:
    for row in list_published(zoo_specs()):
        assert Preprocess.from_dict(row.preprocess).channels == 3
        assert row.spec in zoo_specs()
        assert row.classes in ("", "imagenet", "voc")
        assert row.task in ("labels", "maps")
    assert {row.spec for library in LIBRARIES for row in list_published(zoo_specs(), [library])} >= {
        "resnet50",
        "vgg16",
    }
    assert list_published(["nobody"]) == []
    assert list_published(["resnet50"], ["smp"]) == []


def test_a_file_is_known_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"weights")
    rows = list_published(["resnet50"])
    assert find_published(path, rows) is None
    digest = hashlib.sha256(b"weights").hexdigest()
    marked = [*rows[:1], type(rows[0])("timm", "resnet50", "resnet50.ours", {}, "", "labels", digest[:8]), *rows[1:]]
    found = find_published(path, marked)
    assert found is not None
    assert (found.name, found.short_name) == ("resnet50.ours", "ours")
    assert find_published(tmp_path / "missing.pth", [rows[0].__class__("timm", "a", "a", {}, "", "labels", "")]) is None
