"""What makes two exported files the same model: the key by which things that belong to a model find it."""

from __future__ import annotations

import hashlib
from math import prod

import numpy as np

from compiler.onnx_target.built import OnnxModel
from compiler.passes.base import Array

IDENTITY = "archspec.model"
"""The key of the metadata that holds it."""

SMALL = 1024
"""Bytes up to which the numbers of a stored tensor count: scales, zero points, shapes."""


def identify(model: OnnxModel) -> str:
    """SHA-256 of everything in the file but the numbers of large tensors: these follow from the nodes, and from the
    weights, whose hash is in the metadata and counts with it."""
    digest = hashlib.sha256(model.head.SerializeToString(deterministic=True))
    for name, array in model.tensors.items():
        digest.update(f"{name}{tuple(array.shape)}{array.dtype}".encode())
        if count_bytes(array) <= SMALL:
            digest.update(as_bytes(array))
    return digest.hexdigest()


def as_bytes(array: Array) -> memoryview:
    """The numbers in the order and form in which files hold them; without a copy where they are so already."""
    values = np.ascontiguousarray(array)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data


def count_bytes(array: Array) -> int:
    return prod(array.shape) * array.dtype.itemsize
