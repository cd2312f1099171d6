"""The loss and the score of labels, against torch's and scikit-learn's, and probabilities against torch's softmax."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import accuracy_score

from compiler.onnx_file.metadata import OUTPUT, SHARES
from runtime.pictures.frame import Frame
from runtime.tasks.grid import OutputGrid
from runtime.tasks.labels import Labels, softmax
from runtime.tasks.task import AnswerInput

LABELS = Labels()
GENERATOR = np.random.default_rng(0)


def test_labels() -> None:
    logits, labels = GENERATOR.standard_normal((20, 4)).astype(np.float32), GENERATOR.integers(0, 4, 20)
    grid = LABELS.place((1, 8, 8), (4,))
    answers = LABELS.decide(logits, grid)
    halves = [LABELS.count(answers[part], labels[part], grid) for part in (slice(7), slice(7, None))]
    assert LABELS.score(halves[0] + halves[1]) == {"accuracy": accuracy_score(labels, answers)}
    assert LABELS.count_equal(answers, answers) == (20, 20)
    assert LABELS.count_equal(answers, (answers + 1) % 4) == (0, 20)


def test_an_image_has_one_class() -> None:
    found, times = LABELS.count_classes(np.array(3))
    assert (found.tolist(), times.tolist()) == ([3], [1])


def test_the_likeliest_are_ranked() -> None:
    logits = np.array([[0.1, 2.0, -1.0], [3.0, 3.0, 0.0]], np.float32)
    witness = torch.softmax(torch.from_numpy(logits).double(), 1).numpy()
    frames = [Frame.whole((8, 8))] * 2
    given = AnswerInput(("a", "b"), frames, logits, OutputGrid((), ()), ("x", "y", "z"), {}, 2)
    first, second = LABELS.answer(given)
    assert (first.path, first.label, first.index, first.array.tolist()) == ("a", "y", 1, 1)
    assert [name for name, _ in first.top] == ["y", "x"]
    assert np.allclose([share for _, share in first.top], witness[0, [1, 0]], rtol=1e-12)
    assert (second.label, [name for name, _ in second.top]) == ("x", ["x", "y"])  # of equal ones the first
    shares = AnswerInput(("a",), frames[:1], witness[:1], OutputGrid((), ()), ("x", "y", "z"), {OUTPUT: SHARES}, 1)
    (kept,) = LABELS.answer(shares)
    assert kept.probability == witness[0, 1]  # a softmax of shares would be nearer to a third


def test_softmax_is_torchs_also_of_large_numbers() -> None:
    logits = GENERATOR.standard_normal((2, 5, 3, 3)) * 1e3
    assert np.allclose(softmax(logits), torch.softmax(torch.from_numpy(logits), 1).numpy(), rtol=1e-12)
    assert not np.allclose(softmax(logits), torch.softmax(torch.from_numpy(logits), 2).numpy())


def test_the_first_of_each_class_is_a_sample() -> None:
    assert LABELS.choose_samples(np.array([2, 0, 2, 0]), ("a", "b", "c"), 1) == {1: "a", 0: "c"}
