"""The layout of a table of keypoints: a CSV file with a row for each picture, and x, y and v of each joint."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from archspec.arrays import Float32Array
from archspec.callbacks import OnStep
from archspec.errors import InputError, tell_value
from runtime.data.csv_table import (
    IMAGE,
    PART,
    CsvRow,
    CsvTable,
    check_one,
    find_column,
    find_file,
    find_tables,
    read_part,
    read_table,
)
from runtime.data.description import MAX_JOINTS, DataDescription
from runtime.data.keypoints_coco import PoseSamples, make_source
from runtime.data.layout import DataLayout
from runtime.data.listing import FolderListing
from runtime.data.mask_pairs import IMAGE_FOLDERS
from runtime.data.poses import MAX_POSITION, bound_pose
from runtime.data.source import DataSource

BY_NUMBER = re.compile(r"(x|y|v)_?([0-9]{1,4})", re.IGNORECASE)
"""A column of a joint without a name: x1, y1, v1."""

BY_NAME = re.compile(r"(.+?)[_ .-](x|y|v|visibility)", re.IGNORECASE)
"""A column of a joint with a name: nose_x, nose_y, nose_v."""

VISIBILITIES = {"0": 0.0, "1": 1.0, "2": 2.0, "0.0": 0.0, "1.0": 1.0, "2.0": 2.0}
"""What stands for a visibility."""

DESCRIBED = "a CSV file with the columns image, x1, y1, v1, x2, … (or nose_x, nose_y, nose_v, …; v may be left out)"
"""What the layout looks like."""

JointColumns = Mapping[str, Mapping[str, str]]
"""The columns of each joint, by x, y and v."""


def recognize(listing: FolderListing) -> bool:
    """Tell whether a folder has a table of images and joints."""
    return any(find_column(columns, IMAGE) and _find_joints(columns) for columns in find_tables(listing).values())


def read(listing: FolderListing, description: DataDescription, name: str, on_step: OnStep) -> DataSource:
    """Read the joints of each picture. A joint whose x and y are empty is not labelled; one without a visibility is
    visible.

    Raises InputError, with file and line, where a row names no file or one twice, or a number makes no sense.
    """
    columns = find_tables(listing, description)
    fitting = [file for file, found in columns.items() if find_column(found, IMAGE) and _find_joints(found)]
    check_one(listing, fitting, "image, x1, y1, …")
    table = read_table(listing.path(fitting[0]))
    joints, image, part = (
        _find_joints(table.columns),
        find_column(table.columns, IMAGE),
        find_column(table.columns, PART),
    )
    folders = [folder for folder in listing.folders if folder.rpartition("/")[2].lower() in IMAGE_FOLDERS]
    found, seen = PoseSamples(tuple(joints)), set[str]()
    for row in table.rows:
        file = find_file(listing, table, row, str(image), folders)
        if file in seen:
            raise InputError(
                f"{table.place(row)}: {file} is named a second time: a table has one pose for each picture"
            )
        seen.add(file)
        pose = _read_pose(table, row, joints)
        if (pose[:, 2] > 0).any():
            found.rows.append((file, "", read_part(table, row, part), pose, bound_pose(pose)))
        else:
            found.left_out["with no keypoint labelled"] += 1
    if not found.rows:
        raise InputError(f"{table.path} labels no joint of any picture")
    return make_source(name, listing, found, description)


def _find_joints(columns: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The columns of each joint, in the order in which the joints come first; none where one lacks x or y."""
    joints: dict[str, dict[str, str]] = {}
    for column in columns:
        if numbered := BY_NUMBER.fullmatch(column):
            axis, name = numbered[1], numbered[2]
        elif named := BY_NAME.fullmatch(column):
            name, axis = named[1], named[2]
        else:
            continue
        joints.setdefault(name, {})[axis[0].lower()] = column
    whole = all({"x", "y"} <= set(found) for found in joints.values())
    return joints if whole and len(joints) <= MAX_JOINTS else {}


def _read_pose(table: CsvTable, row: CsvRow, joints: JointColumns) -> Float32Array:
    pose = np.zeros((len(joints), 3), np.float32)
    for number, columns in enumerate(joints.values()):
        cells = [row.cells[columns[axis]] for axis in "xy"]
        seen = row.cells[columns["v"]] if "v" in columns else ""
        if not any(cells):
            if VISIBILITIES.get(seen, 0):
                raise InputError(f"{table.place(row)}: `{columns['v']}` is {seen}, and `{columns['x']}` is empty")
            continue
        pose[number, :2] = [_read_number(table, row, columns[axis]) for axis in "xy"]
        if seen and seen not in VISIBILITIES:
            raise InputError(
                f"{table.place(row)}: `{columns['v']}` is {tell_value(seen)}, and a visibility is 0, 1 or 2"
            )
        pose[number, 2] = VISIBILITIES[seen] if seen else 2
    return pose


def _read_number(table: CsvTable, row: CsvRow, column: str) -> float:
    try:
        number = float(row.cells[column])
    except ValueError:
        number = math.nan
    if not abs(number) < MAX_POSITION:
        raise InputError(f"{table.place(row)}: `{column}` is {tell_value(row.cells[column])}, and no number of pixels")
    return number


LAYOUT = DataLayout(
    "a table of keypoints", "joints", DESCRIBED, ("joints", "flip_idx", "crop", "table"), recognize, read
)
