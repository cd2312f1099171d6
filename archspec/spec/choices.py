"""The nodes that choose one of several operations for a whole network: its normalization, and its activation."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from archspec.ops import ACTIVATIONS, NORMALIZATIONS, Normalization, Op
from archspec.spec.layers import USUAL_NORM, WeightedNode, spell_field


class ChoiceNode(WeightedNode):
    """An operation of the kind that `defaults` choose for the whole network, or that is given here."""

    main = "kind"
    ops: ClassVar[Mapping[str, type[Op]]]
    """The operations that it may be, by the word for their kind."""
    usual: ClassVar[str]
    """The kind where none is chosen."""
    common: ClassVar[Mapping[str, FieldInfo]] = {}
    """The fields that may stand beside a kind that is no operation."""

    @classmethod
    def fields_of(cls, kind: str) -> Mapping[str, FieldInfo]:
        """The fields that may stand beside a kind."""
        return cls.ops[kind].model_fields if kind in cls.ops else cls.common


class NormChoice(ChoiceNode):
    """The network's normalization: of the kind that `defaults` choose for all of it, or that is given here."""

    word = "norm"
    ops = NORMALIZATIONS
    usual = USUAL_NORM
    common = Normalization.model_fields


class ActivationChoice(ChoiceNode):
    """The network's nonlinearity: of the kind that `defaults` choose for all of it, or that is given here."""

    word = "activation"
    gives_way = True
    ops = ACTIVATIONS
    usual = "relu"


def _choice_of(base: type[ChoiceNode], name: str, what: str, *others: str) -> type[ChoiceNode]:
    """The node that chooses one of several operations: a kind, and the fields of every kind, to be held against the
    chosen one's when it is known."""
    kinds = Field(base.usual, description=f"which {what} it is; the other fields are those of this kind's layer")
    fields: dict[str, Any] = {"kind": (Literal[(*base.ops, *others)], kinds)}
    for op in base.ops.values():
        fields |= {name: spell_field(info, None) for name, info in op.model_fields.items() if name not in fields}
    model = create_model(name, __base__=base, __doc__=base.__doc__, **fields)
    model.settings = tuple(fields)
    return model


if TYPE_CHECKING:
    NormNode: type[ChoiceNode]
    ActivationNode: type[ChoiceNode]


@cache
def __getattr__(name: str) -> Any:
    """Make a node of all the operations that it may be, when a spec uses it."""
    if name == "NormNode":
        return _choice_of(NormChoice, name, "normalization", "weight", "none")
    if name == "ActivationNode":
        return _choice_of(ActivationChoice, name, "activation", "none")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
