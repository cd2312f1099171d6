"""Writes docs/how-to-say.md: the names of torch, Keras, timm and Ultralytics, and what is written here instead.

The table of torch is a list of its own, with arguments: `TORCH`. What a message of the language suggests for a foreign
word is the row of that word in the other tables. `tests/docs/test_how_to_say.py` compiles every row, and compares those
of torch with what torch computes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from archspec.ops import LAYERS
from archspec.spec.body import STRUCTURE
from archspec.spec.foreign import node_sayings
from archspec.spec.nodes.merges import Branching
from archspec.spec.suggestions import spell
from docs.how_to_say_torch import TORCH, TorchRow

HEAD = """\
# How do I say …

<!-- Written by docs/how_to_say.py; `make docs` writes it anew. -->

Names of [torch](#torch), [Keras](#keras), [timm and torchvision](#timm-and-torchvision) and
[Ultralytics](#ultralytics), and what stands for them in [the language](language.md). A snippet is a node of a body, or
a list of nodes. Whoever writes a foreign word into a spec is told the same by the message.

Every snippet is compiled by a test. In the table of torch `x` is a map of 32×8×8 (or a row of 32×16, or a vector of
32), and `y` another value of that shape, an input or a tap; there the test gives both the same weights and compares
what they compute.

Differences that hold for all layers:

- There are no `in_channels`: they are those of the value that comes in.
- Convolutions pad to `same` unless `padding` says otherwise; torch pads nothing.
- Weights start by He's rule, and biases at 0; `init: torch` starts as torch does.
- A linear layer over the last axis of tokens is a `conv` with `kernel: 1`, since channels are the first axis here;
  `linear` takes a vector.
- An activation or a normalization is a node of its own, and no field of another.
"""

KERAS = """
Activation Add AdditiveAttention AlphaDropout Attention Average AveragePooling2D BatchNormalization Bidirectional
CenterCrop Concatenate Conv1D Conv2D Conv2DTranspose Conv3D ConvLSTM2D Cropping2D Dense DepthwiseConv2D Dot
Dropout ELU Embedding Flatten GRU GaussianNoise GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization Identity
LSTM LayerNormalization LeakyReLU MaxPooling2D Maximum Minimum MultiHeadAttention Multiply PReLU Permute
RMSNormalization ReLU Rescaling Reshape Resizing SeparableConv2D SimpleRNN Softmax SpatialDropout2D Subtract
UnitNormalization UpSampling2D ZeroPadding2D
"""

TIMM = """
BasicBlock BlurPool2d Bottleneck CbamModule ConvNormAct CrossAttention DeformConv2d DropPath EcaModule
EffectiveSEModule GeGluMlp GhostModule GlobalResponseNorm InvertedResidual LayerNorm2d LayerScale Mlp MobileVitBlock
PatchEmbed PatchMerging PositionEmbedding RadixSoftmax RepVggBlock RmsNorm SEModule ScaledStdConv2d
ShiftedWindowAttention SpatialAttention SplitAttention SqueezeExcitation StdConv2d SwiGLU Swish TransformerBlock
WindowAttention
"""

ULTRALYTICS = """
C2f C3 CBAM ChannelAttention Classify Concat ConvTranspose DFL DWConv Detect Focus GhostConv Pose RepConv SPP SPPF
Segment SpatialAttention TransformerBlock Upsample
"""

LISTS = {
    "Keras": (
        KERAS,
        "Its `same` is our `same_end`, which differs from our `same` where a stride is above 1.",
    ),
    "timm and torchvision": (
        TIMM,
        "Their models are in [the zoo](zoo.md), and [weights](weights.md) says how theirs become ours.",
    ),
    "Ultralytics": (
        ULTRALYTICS,
        "`Conv` of Ultralytics is a convolution without bias, a batch normalization and a SiLU.",
    ),
}
"""The names of each library, and what there is to know of it."""


class Row(NamedTuple):
    """What a name is here, or nothing, and what else there is to know."""

    name: str
    written: str
    note: str


def say(name: str) -> Row:
    """What a message says of a foreign name. Raises LookupError where it says nothing."""
    own = {spell(word): word for word in (*LAYERS, *STRUCTURE)}
    spelled = spell(name)
    for word in (spelled, re.sub("[123]d", "", spelled)):
        if word in node_sayings():
            return Row(name, *node_sayings()[word])
        if word in own:
            return Row(name, _write_own(own[word]), "")
    raise LookupError(f"no message knows the word {name}: archspec/spec/foreign.py explains those of other frameworks")


def _write_own(word: str) -> str:
    """A word of the language with what it needs."""
    if word in STRUCTURE:
        return f"{word}: [[], [relu]]" if issubclass(STRUCTURE[word], Branching) else word
    op = LAYERS[word]
    needed = [name for name, field in op.model_fields.items() if field.is_required()]
    if len(needed) > 1 or (needed and needed != [op.main]):
        return f"{word}: {{{', '.join(f'{name}: 16' for name in needed)}}}"
    return f"{word}: 16" if needed else word


def list_rows(names: str) -> list[Row]:
    """A row for each name of a list."""
    return [say(name) for name in names.split()]


def write_page() -> str:
    """The text of docs/how-to-say.md."""
    parts = [HEAD, "## torch\n"]
    for title, rows in TORCH.items():
        parts.append(f"### {title}\n\n{_table('torch', map(_row_of_torch, rows))}")
    for title, (names, remark) in LISTS.items():
        parts.append(f"## {title}\n\n{remark}\n\n{_table(title, list_rows(names))}")
    return "\n".join(parts)


def _row_of_torch(row: TorchRow) -> Row:
    return Row(row.theirs, row.ours, row.note)


def _table(title: str, rows: Iterable[Row]) -> str:
    return "".join([f"| {title} | here | remark |\n|---|---|---|\n", *_lines(rows)])


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    for name, written, note in rows:
        ours = f"`{written}`" if written else "not said"
        yield f"| `{name}` | {ours} | {note.replace('|', chr(92) + '|')} |\n"
