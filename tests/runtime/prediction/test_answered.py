"""What became of an image, as rows of JSON."""

from __future__ import annotations

import json

import numpy as np

from archspec.errors import InputError
from runtime.pictures.frame import Frame
from runtime.pictures.reading import PictureReading
from runtime.prediction.answered import Answered, AnsweredFile, InputImage, RawOutputs, Unanswered
from runtime.tasks.maps import ClassMap, Share

FRAME = Frame((4, 6), (8, 12), (8, 12))
IMAGE = InputImage(AnsweredFile("a.png", 1), 0, np.zeros((1, 8, 12)), FRAME, PictureReading(FRAME))


def test_an_image_of_several_has_its_number() -> None:
    assert IMAGE.path == "a.png"
    assert InputImage(AnsweredFile("a.npy", 3), 2, np.zeros((1, 2, 2)), Frame.whole((2, 2))).path == "a.npy[2]"
    assert Unanswered(IMAGE, InputError("why")).input is IMAGE


def test_rows_say_how_the_image_was_read() -> None:
    answer = ClassMap("a.png", np.zeros((4, 6), np.int8), (Share(0, "rest", 1.0),))
    row = Answered(IMAGE, {}, ("rest",), answer).to_dict()
    assert row["size"] == [4, 6]
    assert row["resized_to"] == [8, 12]
    assert row["shares"] == [{"index": 0, "class": "rest", "share": 1.0}]
    numbers = RawOutputs("a.png", {"y": np.array([[1.0, 3.0]])}, IMAGE.reading)
    assert numbers.summarize()["outputs"] == {"y": {"shape": [1, 2], "mean": 2.0, "min": 1.0, "max": 3.0}}
    assert json.loads(json.dumps(numbers.to_dict()))["outputs"] == {"y": [[1.0, 3.0]]}
