"""The words of attention, and of the windows in which it looks."""

from __future__ import annotations

from pydantic import Field

from archspec.ops import Attention
from archspec.ops.partition import EnterWindows
from archspec.spec.body import Body
from archspec.spec.layers import WeightedNode, with_fields
from archspec.spec.values import Numeric


class Attending(WeightedNode):
    """Means of values, weighted by a softmax of how well queries and keys agree (Vaswani et al., 2017): three bodies of
    one input, and the fields of the operation. The result has the value's channels at the query's positions."""

    word = "attend"
    query: Body = Field((), description="body that makes the queries; its positions are those of the result")
    key: Body = Field((), description="body that makes the keys, of the query's channels")
    value: Body = Field((), description="body that makes the values, at the key's positions")


class Windowing(WeightedNode):
    """A body whose attentions see one window each: the map is padded at the ends to whole windows and rolled by
    `shift`, and rolled and cut back behind the body (Liu et al., 2021). Everything else in it acts at each position
    alone."""

    word = "windows"
    body: Body = Field(description="body of the whole map; what is no attention acts at each position alone")
    grid: Numeric = Field(False, description="makes windows of positions at equal distances instead of neighbours")


_ATTEND = ("heads", "bias", "causal", "scale", "similarity")
_WINDOWS = ("size", "shift")


AttendNode = with_fields(Attending, Attention, _ATTEND)
WindowsNode = with_fields(Windowing, EnterWindows, _WINDOWS, "grid")
