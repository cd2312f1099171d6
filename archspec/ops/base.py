"""What every operation can say of itself, and the values it speaks of: shapes and weights."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, prod, sqrt
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from archspec.ops.window import Fill, Positions, Span, run

if TYPE_CHECKING:
    from archspec.ops.signal.moments import Gradient, Moments

ONE = Fraction(1)
LARGEST = 2**31 - 1
LARGEST_REAL = 3.4e38
"""What single precision holds, about."""


class Shape(tuple[int, ...]):
    """The extents of one value without its batch axis: channels first, then at most three spatial extents."""

    __slots__ = ()

    def __new__(cls, channels: int, *space: int) -> Shape:
        return super().__new__(cls, (channels, *space))

    @property
    def channels(self) -> int:
        return self[0]

    @property
    def space(self) -> tuple[int, ...]:
        return self[1:]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self) - 1

    @property
    def elements(self) -> int:
        return prod(self)

    def __str__(self) -> str:
        return "×".join(map(str, self))


Init: TypeAlias = Literal["he", "he_fan_out", "glorot", "torch", "zeros"]


Draw: TypeAlias = Literal["sample", "batch"]
"""Whether chance decides for each sample by itself, or once for a whole batch."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One stored tensor: its shape, how it starts (a rule's name, or a constant), whether gradients change it, and
    whether it is a buffer: a statistic that is kept beside the parameters.

    `fan_in` is the number of inputs that one output sums over, on average, `fan_out` the number of outputs that one
    input reaches; what a rule draws is multiplied by `gain`.
    """

    shape: tuple[int, ...]
    init: Init | float
    trainable: bool = True
    buffer: bool = False
    fan_in: Fraction | int = 1
    fan_out: int = 1
    gain: float = 1.0
    type: str | None = None
    """The type of its numbers in the file that it was read from, in numpy's words; None where none says it."""

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def deviation(self) -> float:
        """The standard deviation of its first values.

        he and he_fan_out: √(2/fan) (He et al., 2015); glorot: √(2/(fan_in + fan_out)) (Glorot and Bengio, 2010); torch:
        √(1/(3 fan_in)), of a uniform draw in ±1/√fan_in, as torch's layers start; each times `gain`.
        """
        variance = {
            "he": 2 / self.fan_in,
            "he_fan_out": 2 / self.fan_out,
            "glorot": 2 / (self.fan_in + self.fan_out),
            "torch": 1 / (3 * self.fan_in),
        }
        return self.gain * sqrt(variance.get(str(self.init), 0.0))


Weights: TypeAlias = dict[str, Weight]


@dataclass(frozen=True, slots=True)
class Saved:
    """What training keeps of one operation for its backward pass: operands by their position, the result, and tensors
    of its own, as numbers of elements for the whole batch."""

    operands: tuple[int, ...] = ()
    result: bool = False
    values: int = 0
    """Elements at the precision of the network's values."""
    products: tuple[tuple[int, int], ...] = ()
    """Elements of values made on the way, each with how many of the first operands it is made of."""
    full: int = 0
    """Elements of four bytes at any precision: means and deviations, and what weights are made of."""
    indices: int = 0
    """Elements of eight bytes."""
    kernels: int = 0
    """Elements of stored weights that the backward pass reads; mixed precision copies them."""


Keeps: TypeAlias = Literal["nothing", "operands", "result"]

Casting: TypeAlias = Literal["narrow", "full", "widest", "promoted"]
"""How mixed precision computes: with all operands in two bytes (`narrow`) or four (`full`); as wide as the widest of
them; or in four, since stored numbers take part, with operands as they are (`promoted`)."""


class Layout(NamedTuple):
    """How a value lies in memory: in the order of its axes or with the channels last, and without gaps, within a sample
    (`dense`) and between samples too (`whole`), or as a view of more."""

    channels_last: bool = False
    dense: bool = True
    whole: bool = True

    def is_in_order(self, x: Shape) -> bool:
        """Whether the numbers of each sample lie in the order of their axes."""
        return self.dense and not (self.channels_last and x.channels > 1 and prod(x.space) > 1)

    def is_told(self, x: Shape) -> bool:
        """Whether torch sees the format of its operand: a single channel may count as last or not, by who made it."""
        return x.rank < 2 or x.channels > 1 or not self.channels_last

    def by_format(self, x: Shape) -> Layout:
        """That of a result which torch makes in the format of its operand: with channels last for two or three axes."""
        return Layout(self.channels_last and x.rank > 1)


class OpError(ValueError):
    """An operation cannot take what it is given; `field` names the field to point at."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def _exact_int(value: Any) -> Any:
    """Let 2.0 pass as 2, and neither 2.5 nor true nor "2"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("should be a whole number")
    if value != value // 1:
        raise ValueError(f"should be a whole number, found {value:g}")
    return int(value)


def _exact_float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("should be a number")
    if LARGEST_REAL < abs(value) < inf:  # infinity is refused by the field
        raise ValueError(f"should be a number of at most {LARGEST_REAL:g}, found {value}")
    return float(value)


_Size = Annotated[int, Field(ge=1, le=LARGEST)]
_Count = Annotated[int, Field(ge=0, le=LARGEST)]
_Real = Annotated[float, Field(allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Gain = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Ratio = Annotated[float, Field(ge=1, allow_inf_nan=False)]
_Tiny = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Positive: TypeAlias = Annotated[_Size, BeforeValidator(_exact_int, json_schema_input_type=_Size)]
NonNegative: TypeAlias = Annotated[_Count, BeforeValidator(_exact_int, json_schema_input_type=_Count)]
Number: TypeAlias = Annotated[_Real, BeforeValidator(_exact_float, json_schema_input_type=_Real)]
Epsilon: TypeAlias = Annotated[_Tiny, BeforeValidator(_exact_float, json_schema_input_type=_Tiny)]
Gain: TypeAlias = Annotated[_Gain, BeforeValidator(_exact_float, json_schema_input_type=_Gain)]
Ratio: TypeAlias = Annotated[_Ratio, BeforeValidator(_exact_float, json_schema_input_type=_Ratio)]
Probability: TypeAlias = Annotated[_Share, BeforeValidator(_exact_float, json_schema_input_type=_Share)]


def _exact_padding(value: Any) -> Any:
    if value == "same":
        return value
    if not 0 <= _exact_int(value) <= LARGEST:  # said here, since a union would say it once for each alternative
        raise ValueError(f"should be `same` or a whole number from 0, found {value}")
    return int(value)


Padding: TypeAlias = Annotated[
    Literal["same"] | _Count,
    BeforeValidator(_exact_padding, json_schema_input_type=Literal["same"] | _Count),
]


class Op(BaseModel, ABC):
    """One primitive operation: its fields, and every fact about it that needs no framework.

    A concrete class is final. Its word in the language (`kind`) is its name in snake case; its main field (`main`) is
    the one that a spec may give alone (`linear: 10`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, defer_build=True)

    kind: ClassVar[str]
    main: ClassVar[str | None] = None
    arity: ClassVar[int | None] = 1
    """How many values it takes; None for any number."""
    carriers: ClassVar[int | None] = None
    """How many of its first operands carry signal; None for all. The others lend only their extents."""
    keeps: ClassVar[Keeps] = "nothing"
    """Which values training keeps for the backward pass, where `saved` has no more to say."""
    differentiable: ClassVar[bool] = True
    """Whether a gradient passes through it."""

    restates: ClassVar[frozenset[str]] = frozenset()
    """Fields that say again what shape the result has."""
    mixes: ClassVar[bool] = False
    """Whether it is a linear map with random weights of its own."""
    sums: ClassVar[bool] = False
    """Whether it is a sum, given or drawn weights apart: its `moments` take `ties`, how its operands hang together."""
    odd: ClassVar[bool] = False
    """Whether its result changes its sign with its operand, at initialization."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        cls.kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def word(self) -> str:
        """What readers know it by: its kind, or of an operation from elsewhere, what it computes."""
        return self.kind

    @property
    def facts(self) -> dict[str, Any]:
        """What tells it from others of its word: its fields, which operations from elsewhere name as the language
        does."""
        return dict(self)

    @property
    def chosen(self) -> dict[str, Any]:
        """The facts but for fields that have their default value."""
        infos = type(self).model_fields
        return {name: fact for name, fact in self.facts.items() if name not in infos or fact != infos[name].default}

    @abstractmethod
    def infer(self, *args: Any, **kwargs: Any) -> Shape:
        """The shape of the result for operands of these shapes. Raises OpError."""

    def weights(self, *args: Any, **kwargs: Any) -> Weights:
        """The stored tensors by their short names, in the order of the state dict."""
        return {}

    def macs(self, *args: Any, **kwargs: Any) -> int:
        """Multiply-accumulates with stored weights for one sample; the bias is not counted."""
        return 0

    def bias_adds(self, *args: Any, **kwargs: Any) -> int:
        """Additions of a bias for one sample."""
        return 0

    def elementwise(self, *args: Any, **kwargs: Any) -> int:
        """Operations on single numbers beside the two above, for one sample at inference: one for each addition,
        multiplication, comparison, or function of a number such as exp. A window takes one for each of its places, also
        for those in the padding or beyond the end, as multiply-accumulates are counted."""
        return 0

    @property
    def unknown(self) -> str | None:
        """What it is called where nothing but its shape is known of it; None for every operation of the language."""
        return None

    @property
    def beyond(self) -> Fill:
        """What it finds where it reads beyond the ends of a map."""
        return "constant"

    @property
    def sees_all(self) -> bool:
        """Whether each position of the result depends, beside what it `reads`, on statistics of the whole map."""
        return False

    def moments(self, *args: Any, **kwargs: Any) -> Moments | None:
        """The result's moments at initialization, while training, for operands with these; None where no law is
        known."""
        return None

    def gradients(self, gradient: Gradient, *args: Any, **kwargs: Any) -> tuple[Gradient, ...]:
        """What a gradient with respect to the result leaves at each operand that carries signal, for operands with
        these moments."""
        return ()

    def multiple(self, operands: int) -> float | None:
        """What it multiplies the sum of its operands by at initialization, where it does nothing else; else None."""
        return None

    def live_taps(self, *xs: Shape) -> tuple[int, ...]:
        """Along each spatial axis how many taps of its kernel ever meet a value, for operands of these shapes: the
        weights of the others change nothing, and get no gradient. Empty where it has no kernel."""
        return ()

    def pace(self, axis: int) -> Fraction:
        """How many positions of an operand lie between two neighbours of the result, along a spatial axis from 0: 2 at
        stride 2, 1/2 where every position is doubled.

        So the sizes that fit are found: for every operand that `infer` takes, a larger one by the numerator gives a
        result larger by the denominator, and nothing else changes; what it refuses, but as too small, it then refuses
        too. Of an operation that does otherwise, the sizes that fit are known as far as they are tried.
        """
        return ONE

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        """For each operand the positions, along a spatial axis from 0, from which those of `span` in the result are
        computed: these and no others, and as if maps had no ends. Of a single position it is one progression.

        None where that is the whole map, wherever `span` lies: then a position of the result has no place in it.
        """
        return (run(span),) * len(xs)

    def shares(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the result lies in the storage of the first operand: `training` says in which mode."""
        return False

    def partials(self, *xs: Shape) -> tuple[int, ...]:
        """The elements of the values that are made one after the other on the way to the result: of the first and the
        second operand, of that and the third, and so on."""
        return ()

    def casting(self, *xs: Shape) -> Casting:
        """How torch.autocast has it computed on a CPU."""
        return "widest"

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        """How torch lays its result in memory, for operands that lie so."""
        return Layout(layouts[0].channels_last)

    def straightens(self, layout: Layout, x: Shape) -> bool:
        """Whether torch makes another value of the first operand, mostly a copy in order, and goes on with that."""
        return False

    def settles(self, layout: Layout, x: Shape) -> bool:
        """Whether it is certain how its result lies, and in how much storage, for a first operand that lies so."""
        return True

    def is_measured(self, *xs: Shape) -> bool:
        """Whether what training keeps of it was held against torch."""
        return True

    def saved(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """What training keeps, as torch's autograd does; `needs` says which operands want a gradient. Only asked where
        one does, or the operation has weights that do."""
        operands = tuple(range(len(xs))) if self.keeps == "operands" else ()
        return Saved(operands, result=self.keeps == "result")


class Layer(Op):
    """An operation on one value: a word of the language."""

    @abstractmethod
    def infer(self, x: Shape) -> Shape: ...

    def weights(self, x: Shape) -> Weights:
        return {}

    def macs(self, x: Shape) -> int:
        return 0

    def bias_adds(self, x: Shape) -> int:
        return 0

    def elementwise(self, x: Shape) -> int:
        return 0

    def shares(self, x: Shape, *, training: bool) -> bool:
        return False


class Pointwise(Layer):
    """Keeps the shape and has no weights, unless it says otherwise."""

    def infer(self, x: Shape) -> Shape:
        return x


def count_draws(draw: Draw, batch: int) -> int:
    """How many numbers chance draws for a batch."""
    return batch if draw == "sample" else 1


def in_words(shapes: Iterable[Shape]) -> str:
    """`64×8×8, 64×8×8 and 32×8×8`."""
    *head, last = map(str, shapes)
    return f"{', '.join(head)} and {last}" if head else last
