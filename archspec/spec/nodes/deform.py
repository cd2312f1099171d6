"""The word of a convolution whose taps are moved by values."""

from __future__ import annotations

from pydantic import Field

from archspec.ops import DeformConv
from archspec.spec.body import Body
from archspec.spec.layers import WeightedNode, with_fields


class Deforming(WeightedNode):
    """Convolution whose taps stand where `offset` says, and weigh what `mask` says (Dai et al., 2017; Zhu et al.,
    2019): one or two bodies of its input, and the fields of the operation."""

    word = "deform_conv"
    offset: Body = Field(
        description="body that makes the offsets, 2 offset_groups channels for each tap: down, and to the right"
    )
    mask: Body | None = Field(
        None, description="body that makes the factors of what is taken, offset_groups channels for each tap"
    )


DeformConvNode = with_fields(Deforming, DeformConv, tuple(DeformConv.model_fields))
