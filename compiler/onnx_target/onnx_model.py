"""An ONNX model in memory: a message of everything but the weights, and the weights beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import onnx

from compiler.graph import Graph
from compiler.passes.base import AppliedPass
from compiler.passes.weight_arrays import WeightArray

MAX_WEIGHT_THREADS = 2
"""The largest number of threads that compute weights at once; more of them wait for the memory."""


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A model in memory: `head` has everything but the stored tensors; these, some of them still to be computed, are in
    `tensors` by name.

    `graph` is the network as it was written, after `steps`; the results of the nodes in `rows` have their channels
    last. `values` are the ids of its nodes by the names of their results, which may be there in rows and in planes.
    """

    head: onnx.ModelProto
    tensors: Mapping[str, WeightArray]
    graph: Graph
    steps: tuple[AppliedPass, ...] = ()
    rows: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def metadata(self) -> Mapping[str, str]:
        return MappingProxyType({item.key: item.value for item in self.head.metadata_props})


def as_bytes(array: WeightArray) -> memoryview:
    """Give the numbers in the order and form in which files hold them; without a copy where they are so already."""
    values = np.ascontiguousarray(array)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data
