"""What tasks say of drawings is what was asked, where it lies on the image."""

from __future__ import annotations

import numpy as np

from runtime.pictures.geometry import NOT_ASKED
from runtime.tasks.drawing import Areas, LabelSheet, OverlaySheet, Points
from runtime.tasks.grid import OutputGrid
from runtime.tasks.joints import Joint, Joints, Pose
from runtime.tasks.labels import Labels, Prediction
from runtime.tasks.maps import ClassMap, Maps, Share


def test_answers_are_drawn_in_their_own_pixels() -> None:
    classes = np.array([[0, 2], [1, 2]])
    drawing = ClassMap("a.png", classes, (Share(2, "cat", 0.5), Share(0, "ground", 0.25))).draw()
    assert isinstance(drawing.overlay, Areas)
    assert np.array_equal(drawing.overlay.classes, classes)
    assert drawing.overlay.grid == OutputGrid((2, 2), (2, 2))
    assert drawing.legend == ((2, "cat"), (0, "ground"))
    pose = Pose("a.png", (Joint("head", 3.0, 4.0, 0.9), Joint("hand", 5.0, 6.0, 0.8))).draw()
    assert isinstance(pose.overlay, Points)
    assert pose.overlay.found.tolist() == [[3, 4, 0.9], [5, 6, 0.8]]
    assert pose.legend == ((1, "head"), (2, "hand"))
    assert Prediction("a.png", "cat", 2, 1.0, (("cat", 1.0),)).draw() is None


def test_labels_are_named_on_their_sheet() -> None:
    sheet = Labels().illustrate(np.array([0, 1]), np.array([1, 1]), ("cat", "dog"), OutputGrid((), ()))
    assert isinstance(sheet, LabelSheet)
    assert (sheet.true, sheet.predicted) == (["dog", "dog"], ["cat", "dog"])


def test_maps_stand_beside_the_true_ones() -> None:
    """Pixels that are not asked have no colour: 255 is no class. Only the first images are shown."""
    truth = np.full((20, 4, 4), 3)
    truth[:, 0, 0] = NOT_ASKED
    grid = OutputGrid((4, 4), (4, 4))
    sheet = Maps().illustrate(np.full((20, 4, 4), 2), truth, ("a", "b", "c", "d"), grid)
    assert isinstance(sheet, OverlaySheet)
    assert [(tile.image, tile.caption) for tile in sheet.tiles[:2]] == [(0, "0, true"), (0, "0, predicted")]
    assert len(sheet.tiles) == 16
    true, found = (tile.overlay for tile in sheet.tiles[:2])
    assert isinstance(true, Areas)
    assert isinstance(found, Areas)
    assert true.classes.ravel().tolist() == [0] + [3] * 15
    assert (found.classes == 2).all()


def test_joints_lie_beside_the_true_ones() -> None:
    found, true = np.zeros((20, 2, 3)), np.ones((20, 2, 2))
    sheet = Joints().illustrate(found, true, ("head", "hand"), OutputGrid((4, 4), (4, 4)))
    assert isinstance(sheet, OverlaySheet)
    assert sheet.note == "a colour for each joint (head, hand); dots predicted, rings true"
    assert [tile.image for tile in sheet.tiles] == list(range(16))
    overlay = sheet.tiles[3].overlay
    assert isinstance(overlay, Points)
    assert (overlay.found == found[3]).all()
    assert overlay.true is not None
    assert (overlay.true == true[3]).all()
