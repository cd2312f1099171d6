"""The class of all operations, and what each can say of itself."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from archspec.ops.bounds import UNKNOWN, Bounds
from archspec.ops.guard import guard_methods
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.values import ONE, Casting, Layout, NumberType, Saved, Saves, Shape, Weights
from archspec.ops.window import Fill, Positions, Span, run
from archspec.ops.words import spell_word

Family: TypeAlias = Literal["kernel", "norm", "activation", "resize", "chance", "merge", "input", "other"]
"""The families by which pictures colour operations, and the documentation groups them."""

Gating: TypeAlias = Literal["gate", "passes", "none"]
"""The parts that an operation can have in a gate: it gives the shares that a gate multiplies by, or may stand between
these and their product."""


class Op(BaseModel, ABC):
    """One primitive operation: its fields, and every fact about it that needs no framework.

    Its word in the language (`kind`) is its name in snake case; its main field (`main`) is
    the one that a spec may give alone (`linear: 10`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, defer_build=True)

    kind: ClassVar[str]
    family: ClassVar[Family] = "other"
    main: ClassVar[str | None] = None
    arity: ClassVar[int | None] = 1
    """The number of values that it takes; None for any number."""
    data_inputs: ClassVar[int | None] = None
    """The number of its first operands that carry signal; None for all. The others lend only their extents, or say to
    which places values go."""
    takes: ClassVar[NumberType] = "float"
    """The numbers of the operands that carry signal."""
    saves: ClassVar[Saves] = "nothing"
    """The values that training keeps for the backward pass, where `saved_for_backward` says no more."""
    differentiable: ClassVar[bool] = True
    """True if a gradient passes through it."""

    restates: ClassVar[frozenset[str]] = frozenset()
    """The fields that say again what shape the result has."""
    newer: ClassVar[frozenset[str]] = frozenset()
    """The fields that the operation has had only since it was first in files: at its default, one changes no digest."""
    has_kernel: ClassVar[bool] = False
    """True if it is a linear map with random weights of its own."""
    gating: ClassVar[Gating] = "none"
    roles: ClassVar[tuple[str, ...]] = ()
    """The names of its operands, where each has a part of its own."""
    joins: ClassVar[bool] = False
    """True if its operands stay terms or parts of the result: a sum with given or drawn weights, or a concatenation."""
    fixes_extents: ClassVar[bool] = False
    """True if its result has the same extents whatever the extents of its operand."""
    fits_extents: ClassVar[bool] = False
    """True if it brings its first operand to extents that the others lend, and gives it as it is where it has them."""
    identity_on: ClassVar[Bounds | None] = None
    """The interval in which it gives every number back as it is, whatever its weights."""
    sums: ClassVar[bool] = False
    """True if it is a sum, given or drawn weights apart: its `moments` take `ties`, how its operands hang together."""
    odd: ClassVar[bool] = False
    """True if its result changes its sign with its operand, at initialization."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        cls.kind = spell_word(cls.__name__)
        guard_methods(cls, Op)

    @property
    def word(self) -> str:
        """The word that readers know it by: its kind, or of an operation from elsewhere, what it computes."""
        return self.kind

    @property
    def facts(self) -> dict[str, Any]:
        """The facts that tell it from others of its word: its fields, which operations from elsewhere name as the
        language does."""
        return dict(self)

    @property
    def chosen(self) -> dict[str, Any]:
        """The facts but for fields that have their default value."""
        infos = type(self).model_fields
        return {name: fact for name, fact in self.facts.items() if name not in infos or fact != infos[name].default}

    @property
    def identity(self) -> dict[str, Any]:
        """The fields that a digest of the network is of, as JSON has them."""
        infos = type(self).model_fields
        usual = {name for name in self.newer if getattr(self, name) == infos[name].default}
        return self.model_dump(mode="json", exclude=usual or None)

    @abstractmethod
    def infer(self, *args: Any, **kwargs: Any) -> Shape:
        """The shape of the result for operands of these shapes. Raises OpError."""

    def resolve_axes(self, *xs: Any) -> "Op":
        """The same operation with nothing left open that the number of axes decides: an axis counted from the last."""
        return self

    def weights(self, *args: Any, **kwargs: Any) -> Weights:
        """The stored tensors by their short names, in the order of the state dict."""
        return {}

    def macs(self, *args: Any, **kwargs: Any) -> int:
        """The multiply-accumulates with stored weights for one sample; the bias is not counted."""
        return 0

    def products(self, *args: Any, **kwargs: Any) -> int:
        """The multiply-accumulates of two values with each other for one sample, as attention has them."""
        return 0

    def bias_adds(self, *args: Any, **kwargs: Any) -> int:
        """The additions of a bias for one sample."""
        return 0

    def elementwise(self, *args: Any, **kwargs: Any) -> int:
        """The operations on single numbers beside the two above, for one sample at inference: one for each addition,
        multiplication, comparison, or function of a number such as exp. A window takes one for each of its places, also
        for those in the padding or beyond the end, as multiply-accumulates are counted."""
        return 0

    @property
    def unknown(self) -> str | None:
        """The name of an operation of which nothing but its shape is known; None for every operation of the
        language."""
        return None

    @property
    def keeps_zeros(self) -> bool:
        """True if channels of zeros are channels of zeros in the result, each at its place, beside whatever others."""
        return False

    @property
    def passes_terms(self) -> bool:
        """True if a constant that is added to a channel of an operand is a constant in the result's channels too."""
        return False

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        """True if op(a x + b) = a op(x) + b for all numbers a and b, one of each for a channel; `flips` says that some
        a may be negative, `adds` that some b may be other than zero."""
        return False

    def bound(self, *args: Any, **kwargs: Any) -> Bounds:
        """The numbers between which the result lies for operands within these bounds, whatever the learned weights, at
        training and at inference."""
        return UNKNOWN

    def changes_nothing(self, *xs: Shape) -> str:
        """The reason why it gives its only operand as it is at these shapes, at training and at inference; nothing
        where it does not, or depends on its weights."""
        return ""

    def at_inference(self) -> "Op":
        """The operation that computes the same at inference, without chance and without the statistics of a batch."""
        return self

    @property
    def beyond(self) -> Fill:
        """The values that it finds where it reads beyond the ends of a map."""
        return "constant"

    @property
    def sees_all(self) -> bool:
        """True if each position of the result depends, beside those of `input_span`, on statistics of the whole map."""
        return False

    @property
    def compares_places(self) -> bool:
        """True if its result depends on how far apart positions of its operands lie, though it reads whole maps."""
        return False

    def moments(self, *args: Any, **kwargs: Any) -> Moments | None:
        """The result's moments at initialization, while training, for operands with these; None where no law is
        known."""
        return None

    def gradients(self, gradient: Gradient, *args: Any, **kwargs: Any) -> tuple[Gradient, ...]:
        """The gradients that one with respect to the result leaves at each operand that carries signal, for operands
        with these moments."""
        return ()

    def multiple(self, operands: int) -> float | None:
        """The factor of the sum of its operands at initialization, where it does nothing else; else None."""
        return None

    def live_taps(self, *xs: Shape) -> tuple[int, ...]:
        """The number of taps of its kernel, along each spatial axis, that ever meet a value, for operands of these
        shapes: the weights of the others change nothing, and get no gradient. Empty where it has no kernel."""
        return ()

    def gated_by(self, shares: Sequence[bool]) -> frozenset[int]:
        """The positions of the operands that are gates for the others; `shares` says of each whether a gate made
        it, as a sigmoid is one."""
        return frozenset()

    def stride_fraction(self, axis: int) -> Fraction:
        """The number of positions of an operand that lie between two neighbours of the result, along a spatial axis
        from 0: 2 at stride 2, 1/2 where every position is doubled.

        So the sizes that fit are found: for every operand that `infer` takes, a larger one by the numerator gives a
        result larger by the denominator, and nothing else changes; what it refuses, but as too small, it then refuses
        too. Of an operation that does otherwise, the sizes that fit are known as far as they are tried.
        """
        return ONE

    def pace(self, axis: int, *xs: Shape) -> Fraction:
        """The number of positions of an operand that lie between two neighbours of the result, for operands of these
        shapes; beside the `stride_fraction` for what depends on whole extents."""
        return self.stride_fraction(axis)

    def fixed_axes(self, x: Shape) -> range:
        """The axes of the first operand whose extents belong to the network, as those do that shape its weights: a
        trained network has them at every size."""
        return range(0)

    def reading_period(self, axis: int) -> int:
        """The number of positions of the result, along a spatial axis, after which what they read of the operands
        repeats, moved on by the `stride_fraction`: more than that says where the result lies in windows."""
        return 1

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        """The positions of each operand, along a spatial axis from 0, from which those of `span` in the result are
        computed: these and no others, and as if maps had no ends. They are one progression for a single position.

        None where that is the whole map, wherever `span` lies: then a position of the result has no place in it.
        """
        return (run(span),) * len(xs)

    def acts_alone(self, *xs: Shape) -> bool:
        """True if each position of the result is computed from the same position of the operands, and nothing else."""
        if self.sees_all or not xs or len({x.space for x in xs}) > 1:
            return False
        axes, places = range(xs[0].rank), (0, 1, 7)
        same = all(self.stride_fraction(axis) == 1 for axis in axes)
        spans = [self.input_span(axis, (at, at), *xs) for axis in axes for at in places] if same else [(None,)]
        expected = [at for _ in axes for at in places]
        return all(
            seen is not None and [*seen] == [range(at, at + 1)]
            for span, at in zip(spans, expected, strict=False)
            for seen in span
        )

    def is_view(self, *args: Any, **kwargs: Any) -> bool:
        """True if the result lies in the storage of the first operand: `training` says in which mode."""
        return False

    def partials(self, *xs: Shape) -> tuple[int, ...]:
        """The elements of the values that are made one after the other on the way to the result: of the first and the
        second operand, of that and the third, and so on."""
        return ()

    def casting(self, *xs: Shape) -> Casting:
        """The way in which torch.autocast has it computed on a CPU."""
        return "widest"

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        """The layout in which torch puts its result in memory, for operands of these."""
        return Layout(layouts[0].channels_last)

    def straightens(self, layout: Layout, x: Shape) -> bool:
        """True if torch makes another value of the first operand, mostly a copy in order, and goes on with that."""
        return False

    def is_layout_known(self, layout: Layout, x: Shape) -> bool:
        """True if it is certain how its result lies, and in how much storage, for a first operand that lies so."""
        return True

    def is_measured(self, *xs: Shape) -> bool:
        """True if what training keeps of it was held against torch."""
        return True

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The values that training keeps, as torch's autograd does; `needs` says which operands want a gradient. Only
        asked where one does, or the operation has weights that do."""
        operands = tuple(range(len(xs))) if self.saves == "operands" else ()
        return Saved(operands, result=self.saves == "result")


class Layer(Op):
    """An operation on one value: a word of the language, and what a caller's own operations derive from.

    >>> class Halve(archspec.ops.Layer):
    ...     def infer(self, x):
    ...         return archspec.ops.Shape(x.channels // 2, *x.space)
    >>> from pathlib import Path
    >>> _ = Path("net.yaml").write_text("{archspec: 1, inputs: {x: [8, 4, 4]}, network: [{ext: halve}]}")
    >>> print(archspec.elaborate(archspec.load("net.yaml"), extensions={"halve": Halve})["ext_0"].shape)
    4×4×4
    """

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

    def is_view(self, x: Shape, *, training: bool) -> bool:
        return False


class Pointwise(Layer):
    """An operation that keeps the shape and has no weights, unless it says otherwise."""

    def infer(self, x: Shape) -> Shape:
        return x
