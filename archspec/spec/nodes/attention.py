"""The words of attention, and of the windows in which it looks."""

from __future__ import annotations

from typing import Any

from pydantic import Field, create_model

from archspec.ops import Attention
from archspec.ops.partition import EnterWindows
from archspec.spec.body import Body
from archspec.spec.layers import SpecNode, WeightedNode, spell_field
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


def _with_fields(node: type[SpecNode], op: Any, names: tuple[str, ...], *own: str) -> type[Any]:
    """The node with these fields of an operation, as a spec may write them."""
    infos = {name: op.model_fields[name] for name in names}
    fields: dict[str, Any] = {
        name: spell_field(info, None if info.is_required() else info.default) for name, info in infos.items()
    }
    model = create_model(f"{node.__name__}Node", __base__=node, __doc__=node.__doc__, **fields)
    model.settings = (*names, *own)
    return model


AttendNode = _with_fields(Attending, Attention, _ATTEND)
WindowsNode = _with_fields(Windowing, EnterWindows, _WINDOWS, "grid")
