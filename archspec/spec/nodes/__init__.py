"""The words of structure, as pydantic models: a file for each subject, and the list of all."""

from archspec.spec.body import STRUCTURE
from archspec.spec.choices import ActivationNode, NormNode
from archspec.spec.layers import SpecNode
from archspec.spec.nodes.attention import Attending, AttendNode, Windowing, WindowsNode
from archspec.spec.nodes.ext import Ext
from archspec.spec.nodes.flow import Dense, Loop, Repeat, Turns, When
from archspec.spec.nodes.levels import EncoderDecoder
from archspec.spec.nodes.like import LikeNode, MapNode, ResizeNode
from archspec.spec.nodes.merges import (
    AddNode,
    Branching,
    ConcatNode,
    DivNode,
    MaxNode,
    MinNode,
    MulNode,
    ShakeNode,
    SubNode,
)
from archspec.spec.nodes.residual import Residual, Scaling
from archspec.spec.nodes.split import SplitNode
from archspec.spec.nodes.taps import From, Output, Tap

__all__ = [
    "STRUCTURE",
    "Attending",
    "Branching",
    "Dense",
    "EncoderDecoder",
    "Ext",
    "From",
    "LikeNode",
    "Loop",
    "Output",
    "Repeat",
    "Residual",
    "Scaling",
    "SplitNode",
    "Tap",
    "Turns",
    "When",
    "Windowing",
]

_NODES: tuple[type[SpecNode], ...] = (
    *(
        Residual,
        Dense,
        AddNode,
        SubNode,
        MulNode,
        DivNode,
        MaxNode,
        MinNode,
        ConcatNode,
        ShakeNode,
        EncoderDecoder,
        Repeat,
        When,
    ),
    *(Tap, From, Output, NormNode, ActivationNode, Ext),
    *(AttendNode, WindowsNode),
    *(ResizeNode, MapNode, SplitNode),
)
STRUCTURE.update({node.word: node for node in _NODES})
