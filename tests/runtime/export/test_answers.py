"""What users and libraries say of a network's answers is carried from the weights to `run`, which prints names."""

from __future__ import annotations

import hashlib
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import CLASSES, PREPROCESS, TASK
from runtime.export import answers
from runtime.export.answers import AnswerWords, describe_answers, find_published_answers, list_zoo_names
from runtime.pictures.preprocess import Preprocess
from runtime.weights.pretrained import PublishedWeights, list_published, read_class_set
from runtime.weights.safetensors_file import open_weights
from tests.support.commands import archspec, refuse
from tests.support.lowering import TOLERANCE
from tests.support.torchvision_models import find_torchvision_model, import_torchvision_models

SQUARE = Preprocess(3, (64, 64), (0.5,) * 3, (0.25,) * 3)


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A small network of torchvision with random weights and statistics, as torchvision would have saved it."""
    torch.manual_seed(0)
    model: Any = find_torchvision_model("shufflenet_v2_x0_5")(weights=None)
    for layer in model.train().modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # its statistics are those of the pictures, so that their signal does not fade
    with torch.no_grad():
        model(torch.randn(8, 3, 128, 128))
        model.fc.weight.mul_(8)
    path = tmp_path_factory.mktemp("theirs") / "shufflenet.pth"
    torch.save(model.eval().state_dict(), path)
    return path, model


def draw_photo(path: Path) -> Path:
    rows, columns = np.mgrid[:300, :410]
    waves = [np.sin(rows / 17 + 2 * band) + np.cos(columns / (9 + band)) for band in range(3)]
    Image.fromarray(np.uint8(np.stack(waves, -1) * 60 + 127)).save(path)
    return path


def test_a_converted_network_prints_imagenets_names_as_torchvision_does(
    shuffled: tuple[Path, Any], tmp_path: Path
) -> None:
    """torchvision's own transforms and model, with its names of classes, are the witness."""
    path, model = shuffled
    weights, onnx, photo = tmp_path / "w.safetensors", tmp_path / "m.onnx", draw_photo(tmp_path / "a.png")
    told = archspec("weights", "convert", path, "--to", "shufflenet_v2_x0_5", "-o", weights)
    assert "pictures as of torchvision's shufflenet_v2_x0_5 IMAGENET1K_V1, as all of its weights" in " ".join(
        told.split()
    )
    archspec("export", "shufflenet_v2_x0_5", "--weights", weights, "-o", onnx, "--no-verify")
    (row,) = archspec("run", onnx, photo, "--json", "--top", "5")
    models = import_torchvision_models()
    theirs = models.get_weight("ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1")
    with Image.open(photo) as picture:
        wanted = model(theirs.transforms()(picture)[None]).softmax(1)[0]
    order = wanted.argsort(descending=True)[:5].tolist()
    assert [item["label"] for item in row["top"]] == [theirs.meta["categories"][index] for index in order]
    found = np.array([item["probability"] for item in row["top"]])
    assert np.abs(found - wanted[order].detach().numpy()).max() < TOLERANCE
    assert (row["resized_to"], row["cropped_to"]) == ([256, 349], [224, 224])
    squeezed = model(import_module("torchvision.transforms.functional").to_tensor(
        Image.open(photo).resize((224, 224)))[None]).softmax(1)[0]  # fmt: skip
    assert np.abs(found - squeezed[order].detach().numpy()).max() > 10 * TOLERANCE  # the control
    assert f"{row['probability']:.1%}" in archspec("run", onnx, photo)


@pytest.mark.slow
def test_a_converted_segmentation_lies_on_its_picture_as_torchvisions_does(tmp_path: Path) -> None:
    """torchvision's transforms and model, whose scores are laid back by torch, are the witness."""
    torch.manual_seed(0)
    model: Any = find_torchvision_model("lraspp_mobilenet_v3_large")(weights=None)
    for layer in model.train().modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        model(torch.randn(4, 3, 128, 128))
    torch.save(model.eval().state_dict(), tmp_path / "l.pth")
    spec, weights, photo = "lraspp_mobilenet_v3_large", tmp_path / "w.safetensors", draw_photo(tmp_path / "a.png")
    archspec("weights", "convert", tmp_path / "l.pth", "--to", spec, "-o", weights)
    archspec("export", spec, "--weights", weights, "-o", tmp_path / "m.onnx", "--no-verify")
    (row,) = archspec("run", tmp_path / "m.onnx", photo, "-o", tmp_path / "o.npz", "--json")
    transforms = (
        import_torchvision_models().get_weight("LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1").transforms()
    )
    with torch.no_grad(), Image.open(photo) as picture:
        scores = model(transforms(picture)[None])["out"]
    back = torch.nn.functional.interpolate(scores, (300, 410), mode="bilinear", antialias=True)[0].argmax(0).numpy()
    with np.load(tmp_path / "o.npz") as kept:
        found = kept["answer"]
    assert (row["resized_to"], row["answered"], found.shape) == ([520, 710], 1.0, (300, 410))
    assert (found == back).mean() > 0.999
    assert (np.roll(found, 3, 1) == back).mean() < 0.95  # the control
    assert {item["class"] for item in row["shares"]} <= set(read_class_set("voc"))


def test_what_the_user_says_comes_first(shuffled: tuple[Path, Any], tmp_path: Path) -> None:
    path, _ = shuffled
    (tmp_path / "p.json").write_text(SQUARE.to_json())
    (tmp_path / "names.txt").write_text("".join(f"class {number}\n" for number in range(1000)))
    convert = ("weights", "convert", path, "--to", "shufflenet_v2_x0_5", "--json", "-o")
    own = archspec(*convert, tmp_path / "a.safetensors", "--preprocess", tmp_path / "p.json")
    assert (own["preprocess"], own["classes"]) == (json.loads(SQUARE.to_json()), None)
    both = archspec(*convert, tmp_path / "b.safetensors", "--classes", tmp_path / "names.txt")
    assert (both["preprocess"]["resize_to"], both["classes"]) == (256, 1000)
    facts = open_weights(tmp_path / "b.safetensors")[1]
    assert CLASSES.read(facts) == tuple(f"class {number}" for number in range(1000))
    archspec(
        *("export", "shufflenet_v2_x0_5", "--weights", tmp_path / "b.safetensors", "-o", tmp_path / "m.onnx"),
        *("--no-verify", "--preprocess", tmp_path / "p.json", "--classes", "imagenet"),
    )
    (row,) = archspec("run", tmp_path / "m.onnx", draw_photo(tmp_path / "a.png"), "--json")
    assert row["label"] in read_class_set("imagenet")
    assert row["resized_to"] == [64, 64]


def test_weights_of_ones_own_names_say_what_the_file_says(tmp_path: Path) -> None:
    graph = elaborate(load("shufflenet_v2_x0_5", {"classes": 3}))
    arrays = {name: torch.zeros(weight.shape) for name, weight in graph.weights.items()}
    save_file(arrays, tmp_path / "own.safetensors", PREPROCESS.write(SQUARE.to_json()))
    words = ("--to", "shufflenet_v2_x0_5", "--set", "classes=3", "-o", tmp_path / "w.safetensors", "--json")
    found = archspec("weights", "convert", tmp_path / "own.safetensors", *words)
    assert (found["preprocess"], found["classes"]) == (json.loads(SQUARE.to_json()), None)


def test_a_fresh_network_of_ones_own_is_described_by_files(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "archspec: 1\ninputs: {x: [1, 8, 8]}\nnetwork:\n- {conv: 4}\n- relu\n- flatten\n- {linear: 2}\n"
    )
    (tmp_path / "names.yaml").write_text("[cat, dog]\n")
    (tmp_path / "p.yaml").write_text("channels: 1\nheight: 8\nwidth: 8\nmean: [0.5]\nstd: [0.5]\nresize: letterbox\n")
    words = ("--preprocess", tmp_path / "p.yaml", "--classes", tmp_path / "names.yaml")
    archspec("export", tmp_path / "net.yaml", "-o", tmp_path / "m.onnx", *words)
    (row,) = archspec("run", tmp_path / "m.onnx", draw_photo(tmp_path / "a.png"), "--json")
    assert row["label"] in ("cat", "dog")
    assert (row["resized_to"], row["padded_to"], row["fill"]) == ([6, 8], [8, 8], [0.5])
    for message, said in (
        ("--preprocess imagenet makes pictures of three channels, and net takes 1×8×8", ("--preprocess", "imagenet")),
        ("no preprocessing is called 'imagenet1k'; did you mean 'imagenet'", ("--preprocess", "imagenet1k")),
        ("names.yaml:1:1: error[bad-preprocessing]: ", ("--preprocess", tmp_path / "names.yaml")),
        ("--classes imagenet: the metadata 'archspec.classes' have 1,000 names for 2 ch", ("--classes", "imagenet")),
        ("is not UTF-8", ("--classes", tmp_path / "a.png")),
        ("--task maps: the metadata 'archspec.task' say maps, and no output is", ("--task", "maps")),
    ):
        refuse(message, "export", tmp_path / "net.yaml", "-o", tmp_path / "n.onnx", *said)
        assert not (tmp_path / "n.onnx").exists()
    (tmp_path / "p.yaml").write_text("channels: 1\nheight: 9\nwidth: 8\nmean: [0.5]\nstd: [0.5]\n")
    refuse(
        "p.yaml: the metadata 'archspec.preprocess' make pictures 1×9×8, and 'x' takes 1×8×8",
        *("export", tmp_path / "net.yaml", "-o", tmp_path / "n.onnx", "--preprocess", tmp_path / "p.yaml"),
    )


def test_a_map_says_its_task(tmp_path: Path) -> None:
    graph = elaborate(load("unet_bn", {"classes": 2}))
    (tmp_path / "names.txt").write_text("ground\ncell\n")
    words = {"preprocess": "imagenet", "classes": str(tmp_path / "names.txt")}
    with pytest.raises(ArchspecError, match=r"the task is labels, and no output is .*; --task says another"):
        describe_answers(graph, AnswerWords(**words))
    assert TASK.read(describe_answers(graph, AnswerWords(**words, task="maps"))) == "maps"


@pytest.mark.parametrize("size", [None, 299, 200])
def test_imagenets_preprocessing_is_at_the_networks_own_size(size: int | None) -> None:
    """Seven eighths are seen, as torchvision and timm have it: 256 and 224."""
    graph = elaborate(load("resnet18"), {} if size is None else {"H": size, "W": size})
    found = Preprocess.from_json(describe_answers(graph, AnswerWords(preprocess="imagenet"))[PREPROCESS])
    assert found.size == (size or 224,) * 2
    assert found.resize_to == {None: 256, 299: 341, 200: 228}[size]


def test_names_are_those_of_the_spec_and_of_what_it_extends(tmp_path: Path) -> None:
    (tmp_path / "resnet18.yaml").write_text("archspec: 1\ninputs: {x: [3, 8, 8]}\nnetwork: [relu]\n")
    (tmp_path / "mine.yaml").write_text("archspec: 1\nextends: resnet50\nparams: {classes: 10}\n")
    assert list_zoo_names("resnet18") == ["resnet18"]
    assert list_zoo_names(tmp_path / "resnet18.yaml") == []
    assert list_zoo_names(tmp_path / "mine.yaml") == ["resnet50"]


def publish(name: str, file: bytes | None, **changes: Any) -> PublishedWeights:
    digest = hashlib.sha256(file).hexdigest()[:8] if file is not None else ""
    preprocess = json.loads(Preprocess(3, (224, 224), (0.5,) * 3, (0.25,) * 3, **changes).to_json())
    return PublishedWeights("torchvision", "resnet18", name, preprocess, "imagenet", "labels", digest)


@pytest.mark.parametrize(
    ("rows", "told", "resize_to"),
    [
        ([publish("A", b"other"), publish("B", b"w", resize="shorter", resize_to=232)], "B, as the file's hash", 232),
        ([publish("A", None, resize="shorter", resize_to=256)] * 2, "A, as all of its weights in torchvision", 256),
        ([publish("A", None), publish("B", None, resize="shorter")], r"--preprocess NAME says it \(A, B\)", None),
        ([], "", None),
    ],
)
def test_whose_weights_a_file_holds(
    rows: list[PublishedWeights], told: str, resize_to: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w.pth").write_bytes(b"w")
    monkeypatch.setattr(answers, "list_published", lambda names, libraries: rows)
    graph = elaborate(load("resnet18"))
    found = find_published_answers(tmp_path / "w.pth", graph, ["resnet18"], ["torchvision"])
    assert (not told) == (not found.told)
    assert told.replace(r"\(", "(").replace(r"\)", ")") in found.told
    assert (found.to_dict()["preprocess"] or {}).get("resize_to") == resize_to
    assert found.to_dict()["classes"] == (1000 if rows else None)


def test_what_does_not_fit_the_network_is_not_carried(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"w")
    ten = elaborate(load("alexnet", {"classes": 10}))
    assert find_published_answers(tmp_path / "w.pth", ten, ["alexnet"], ["torchvision"]).told == ""
    small = elaborate(load("vgg11_bn", {"classes": 1000}), {"H": 64, "W": 64})
    found = find_published_answers(tmp_path / "w.pth", small, ["vgg11_bn"], ["torchvision"])
    assert dict(found.metadata) == {}
    assert (
        "prepares pictures for IMAGENET1K_V1 otherwise: the metadata 'archspec.preprocess' make pictures 3×224×224"
        in found.told
    )


def test_several_weights_of_one_short_name_are_told_apart() -> None:
    graph = elaborate(load("vit_b_16"))
    with pytest.raises(
        ArchspecError, match=r"several are called 'augreg_in1k': vit_base_patch16_224\.augreg_in1k, vit_base"
    ):
        describe_answers(graph, AnswerWords(preprocess="augreg_in1k"), ["vit_b_16"])
    said = describe_answers(graph, AnswerWords(preprocess="vit_base_patch16_224.augreg_in1k"), ["vit_b_16"])
    assert Preprocess.from_json(said[PREPROCESS]).resize_to == 248
    assert CLASSES.read(said) == read_class_set("imagenet")
    known = CLASSES.write(tuple(map(str, range(1000))))
    kept = describe_answers(graph, AnswerWords(preprocess="IMAGENET1K_V1"), ["vit_b_16"], known)
    assert CLASSES not in kept
    assert len(list_published(["vit_b_16"])) > 5
