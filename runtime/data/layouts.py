"""The layouts of folders of data that are understood, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archspec.callbacks import OnStep
from runtime.data import cifar, class_folders, idx, keypoints_coco, keypoints_csv, label_table, mask_pairs
from runtime.data.listing import FolderListing
from runtime.data.source import DataSource
from runtime.data.volumes import folder as volumes


@dataclass(frozen=True)
class DataLayout:
    """One kind of data in folders: the task that it is for, and what it looks like, in a few words.

    `recognize` tells by the listing whether a folder is laid out so; `read` makes its samples, and hears how many files
    of how many it has looked at. It raises InputError for what is laid out so and cannot be used.
    """

    name: str
    task: str
    described: str
    recognize: Callable[[FolderListing], bool]
    read: Callable[[FolderListing, str, OnStep], DataSource]


LAYOUTS: tuple[DataLayout, ...] = (
    DataLayout("volumes and their labels", "maps", volumes.DESCRIBED, volumes.recognize, volumes.read),
    DataLayout("keypoints as COCO", "joints", keypoints_coco.DESCRIBED, keypoints_coco.recognize, keypoints_coco.read),
    DataLayout("a table of keypoints", "joints", keypoints_csv.DESCRIBED, keypoints_csv.recognize, keypoints_csv.read),
    DataLayout("pairs of images and masks", "maps", mask_pairs.DESCRIBED, mask_pairs.recognize, mask_pairs.read),
    DataLayout("a table of labels", "labels", label_table.DESCRIBED, label_table.recognize, label_table.read),
    DataLayout("IDX files", "labels", idx.DESCRIBED, idx.recognize, idx.read),
    DataLayout("CIFAR's binary files", "labels", cifar.DESCRIBED, cifar.recognize, cifar.read),
    DataLayout("class folders", "labels", class_folders.DESCRIBED, class_folders.recognize, class_folders.read),
)
"""A layout whose folders look like those of another stands before it."""
