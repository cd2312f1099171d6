"""A trained run, held against its exported file on the images that neither has seen."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.files import write_whole
from runtime.bench import bench
from runtime.data import Dataset, load_data
from runtime.extras import extra
from runtime.picture import draw_predictions, to_pixels
from runtime.predict import compute_logits
from runtime.preprocess import Preprocess
from runtime.proof import compare
from runtime.run_folder import DATA, MODEL, PICTURE, PREPROCESS, SAMPLES, WEIGHTS, load_weights
from runtime.session import Session
from runtime.train import evaluate_module

with extra("train"):
    from PIL import Image
    from torch import nn

TIMED_BATCHES = (1, 32)
MAKERS = {WEIGHTS: "archspec train", MODEL: "archspec export"}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """torch and ONNX Runtime on the same held-out images.

    Differences are between logits: the largest absolute one, and that over torch's largest logit. `ms_per_image` is
    ONNX Runtime's median time of a run over its batch, by batch.
    """

    data: str
    provider: str
    notice: str | None
    test_images: int
    accuracy_torch: float
    accuracy_onnx: float
    equal_predictions: int
    largest_difference: float
    relative_difference: float
    ms_per_image: dict[int, float]
    file_bytes: int
    picture: str
    samples: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def evaluate_run(
    folder: str | Path,
    module: nn.Module,
    *,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    seconds: float = 1.0,
) -> Evaluation:
    """Compare a run's module with its model.onnx, draw predictions.png, and write a sample PNG per class.

    `module` is the run's network with the run's weights in it; `seconds` is spent on timing each batch. Raises
    ArchspecError where a file is missing, or file, weights, module and data do not belong together.
    """
    folder = Path(folder)
    _check_files(folder)
    arrays, metadata = load_weights(folder / WEIGHTS)
    _check_weights(module, arrays)
    data = _load_data_of(metadata, folder)
    session = Session(folder / MODEL, providers=providers, threads=threads)
    expected = evaluate_module(module, data.test)
    found = compute_logits(session, data.test.images)
    if expected.shape != found.shape:
        raise ArchspecError(f"{session.path} gives {found.shape[1]} classes, the module {expected.shape[1]}")
    rows = bench(session, TIMED_BATCHES, seconds=seconds)
    return Evaluation(
        data=data.name,
        provider=session.provider,
        notice=session.notice,
        test_images=len(data.test),
        accuracy_torch=_accuracy(expected, data),
        accuracy_onnx=_accuracy(found, data),
        equal_predictions=int((expected.argmax(1) == found.argmax(1)).sum()),
        largest_difference=float(np.abs(expected - found).max()),
        relative_difference=compare(expected, found),
        ms_per_image={row.batch: row.p50_ms / row.batch for row in rows},
        file_bytes=(folder / MODEL).stat().st_size,
        picture=str(_draw(folder / PICTURE, data, found)),
        samples=tuple(str(path) for path in write_samples(folder / SAMPLES, data)),
    )


def write_samples(folder: str | Path, data: Dataset) -> list[Path]:
    """The first held-out image of each class as an 8-bit PNG, `<index>-label-<class>.png`, to try `archspec run` on."""
    images = data.preprocess.restore(data.test.images)
    paths = []
    for number, name in enumerate(data.classes):
        found = np.flatnonzero(data.test.labels == number)
        for index in found[:1]:
            paths.append(Path(folder) / f"{index}-label-{re.sub(r'[^A-Za-z0-9]+', '_', name)}.png")
            with write_whole(paths[-1]) as temporary:
                Image.fromarray(to_pixels(images[index])).save(temporary, format="PNG")
    return paths


def _check_files(folder: Path) -> None:
    for name, command in MAKERS.items():
        if not (folder / name).is_file():
            raise ArchspecError(f"{folder} has no {name}: run `{command}` first")


def _check_weights(module: nn.Module, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """The module must hold the file's weights: else the comparison would be between two networks."""
    state = module.state_dict()
    missing = [name for name, _ in module.named_parameters() if name not in arrays]
    if missing:
        raise ArchspecError(f"{WEIGHTS} has no '{missing[0]}', which the module has")
    for name, array in arrays.items():
        if name in state and not np.array_equal(state[name].detach().cpu().numpy(), array):
            raise ArchspecError(f"the module's '{name}' is not that of {WEIGHTS}; load the weights into it first")


def _load_data_of(metadata: dict[str, str], folder: Path) -> Dataset:
    for key in (DATA, PREPROCESS):
        if key not in metadata:
            raise ArchspecError(f"{folder / WEIGHTS} does not say '{key}': `archspec train` did not write it")
    data = load_data(metadata[DATA])
    if Preprocess.from_json(metadata[PREPROCESS]) != data.preprocess:
        raise ArchspecError(f"{folder / WEIGHTS} was trained on other {data.name}: the preprocessing is not the same")
    return data


def _accuracy(logits: npt.NDArray[Any], data: Dataset) -> float:
    return float((logits.argmax(1) == data.test.labels).mean())


def _draw(path: Path, data: Dataset, logits: npt.NDArray[Any]) -> Path:
    labels = [data.classes[index] for index in data.test.labels]
    predictions = [data.classes[index] for index in logits.argmax(1)]
    draw_predictions(
        data.preprocess.restore(data.test.images), labels, predictions, path, title=f"{data.name}, held out"
    )
    return path
