"""The reading of training images against torchvision's `ImageFolder` with the same transforms, from JPEGs and kept; and
steps of training of modules against torchvision's same networks, eager and compiled.

    python benchmarks/training.py [--rounds N] [--quick] [--output DIR]

A folder of photographs of 1024 by 768 pixels is drawn. Each candidate reads all of them once with two workers, resized
to a shorter side of 256, cut at random to 224, mirrored and varied in brightness; candidates take turns. Memory is that
of four workers, shared pages counted once (PSS), above what four workers have that read next to nothing.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.measuring import (
    HEADER,
    Comparison,
    Sample,
    Tasks,
    count_met,
    interleave,
    run_benchmark,
    say,
    tell_machine,
)
from benchmarks.training_steps import compare_steps, time_steps
from runtime.data.cache import IndexedSamples, open_samples
from runtime.data.dataset import Dataset
from runtime.data.loader import Workers, make_loader
from runtime.data.sized import SizedSamples
from runtime.data.source import LabelledPictures
from runtime.data.torchvision_import import import_torchvision
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import AugmentSection, DataSection
from runtime.recipes.recipe import Recipe
from tests.support.photographs import write_photographs

IMAGES, QUICK_IMAGES, BATCH, WORKERS, SIZE, SHORTER = 96, 32, 32, 2, 224, 256
PACKAGES = ("torch", "torchvision", "pillow", "numpy")
CHILDREN = Tasks("benchmarks.training")
VARIED = AugmentSection(flip="horizontal", brightness=0.3)


def open_folder(folder: Path) -> Dataset:
    """The photographs as our readers have them."""
    names = tuple(sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg")))
    classes = np.array(["abc".index(name[0]) for name in names])
    samples = LabelledPictures(folder, names, channels=3, targets=classes)
    preprocess = Preprocess(3, (SIZE, SIZE), (0.5,) * 3, (0.25,) * 3, resize="shorter", resize_to=SHORTER)
    return Dataset("photographs", samples, samples, ("a", "b"), preprocess)


def read_ours(data: Dataset, samples: SizedSamples, workers: int = WORKERS) -> int:
    """All images once; their number."""
    recipe = Recipe(batch=BATCH, epochs=1, augment=VARIED)
    with make_loader(data, samples, recipe, training=True, workers=Workers(workers)) as loader:
        return sum(map(len, loader))


def load_peer(folder: Path) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """torchvision's own, as its documentation has it: transforms v2 of pictures of Pillow, tensors in eight bits."""
    v2, datasets = import_torchvision("torchvision.transforms.v2"), import_torchvision("torchvision.datasets")
    vary = [v2.Resize(SHORTER), v2.RandomCrop(SIZE), v2.RandomHorizontalFlip(), v2.PILToTensor(), v2.ColorJitter(0.3)]
    return DataLoader(datasets.ImageFolder(folder, v2.Compose(vary)), BATCH, shuffle=True, num_workers=WORKERS)


def timed(read: Any, count: int) -> Sample:
    """Seconds of an image, from the start of the workers to the last batch."""
    start = time.perf_counter()
    assert read() == count
    return {"wall": (time.perf_counter() - start) / count}


def measure_memory(data: Dataset, samples: SizedSamples) -> float:
    """The bytes of four workers that have read all images several times."""
    recipe = Recipe(batch=4, epochs=8)
    with make_loader(data, samples, recipe, training=True, workers=Workers(4)) as loader:
        for step, _ in enumerate(loader):
            if step == len(loader) - 2:
                files = [Path(f"/proc/{child.pid}/smaps_rollup") for child in multiprocessing.active_children()]
                lines = [line for file in files for line in file.read_text(encoding="ascii").splitlines()]
                return float(sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")))
    raise AssertionError("there are several steps")


def measure(rounds: int, quick: bool) -> tuple[dict[str, Any], list[Comparison]]:
    count = QUICK_IMAGES if quick else IMAGES
    with tempfile.TemporaryDirectory() as place:
        say("photographs")
        folder = write_photographs(Path(place), count, (768, 1024))
        data = open_folder(folder)
        plain = open_samples(data, data.train, DataSection(cache="off"))
        kept = open_samples(data, data.train, DataSection(cache="ram", workers=WORKERS))
        peer = load_peer(folder)
        say("candidates")
        samples = interleave(
            {
                "plain": lambda: timed(lambda: read_ours(data, plain), count),
                "kept": lambda: timed(lambda: read_ours(data, kept), count),
                "peer": lambda: timed(lambda: sum(len(labels) for _, labels in peer), count),
            },
            rounds,
        )
        say("memory")
        assert isinstance(kept, IndexedSamples)
        base = measure_memory(data, IndexedSamples(kept.packed, kept.places[:8]))
        above = measure_memory(data, kept) - base
    size = float(kept.packed.nbytes)
    rows = [
        Comparison("an image, from JPEG", "`ImageFolder`", samples["plain"], samples["peer"], wanted=1),
        Comparison("an image, kept", "`ImageFolder`", samples["kept"], samples["peer"], wanted=3),
        Comparison(
            "memory of four workers", "the cache", [{"peak": above}], [{"peak": size}], "peak", wanted=1.2, share=True
        ),
        *compare_steps(CHILDREN.run, rounds, quick),
    ]
    return {"images": count, "rows": [row.to_dict() for row in rows]}, rows


def render(report: Mapping[str, Any], rows: list[Comparison]) -> str:
    parts = [
        "# Training",
        f"Median (min–max) of {report['rounds']} rounds of {report['images']} photographs: seconds of an image with "
        f"{WORKERS} workers, and of steps of training. {count_met(row.met for row in rows)}",
        "\n".join([HEADER, *(row.to_markdown() for row in rows)]),
        tell_machine(report),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    run_benchmark("training", __doc__ or "", {"steps": time_steps}, measure, render, PACKAGES)
