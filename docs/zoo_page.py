"""Writes docs/zoo.md, a row for each spec of the zoo, and the pictures of its families' blocks in docs/zoo/."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from archspec.api import load
from archspec.ops import Shape
from archspec.spec.zoo import ZOO, zoo_specs
from archspec.wording import approximate
from archspec.zoo import list_zoo
from compiler.draw.written.labels import Subject
from compiler.draw.written.pictures import draw_subjects

PICTURES = Path(__file__).resolve().parent / "zoo"

FAMILIES: dict[str, str] = {
    "mlp": "Multilayer perceptrons",
    "plain": "Plain networks",
    "vgg": "VGG",
    "resnet": "Residual networks",
    "preresnet": "Pre-activation residual networks",
    "orders": "Orders of activation",
    "shortcuts": "Kinds of shortcut",
    "wide_resnet": "Wide residual networks",
    "resnext": "ResNeXt",
    "shake_shake": "Shake-shake",
    "senet": "Squeeze and excitation",
    "highway": "Highway networks",
    "d2l": "Dive into Deep Learning",
    "densenet": "Densely connected networks",
    "unet": "U-Nets",
    "nnunet": "nnU-Net",
    "detection": "Detection",
    "yolo": "YOLO",
    "hourglass": "Stacked hourglasses",
    "pose": "Pose on a classifier",
    "inception": "Inception",
    "squeezenet": "SqueezeNet",
    "mobilenet": "MobileNet and MnasNet",
    "shufflenet": "ShuffleNet",
    "efficientnet": "EfficientNet",
    "convnext": "ConvNeXt",
    "nfnet": "Networks without normalization",
    "regnet": "RegNet",
    "alexnet": "AlexNet",
    "xception": "Xception",
    "resnet_d": "ResNet-D and ECA",
    "cbam": "CBAM",
    "res2net": "Res2Net",
    "sknet": "Selective kernel networks",
    "resnest": "ResNeSt",
    "repvgg": "RepVGG",
    "ghostnet": "GhostNet",
    "rexnet": "ReXNet",
    "cspnet": "Darknet and CSPDarknet",
    "dla": "Deep layer aggregation",
    "vovnet": "VoVNet",
    "hrnet": "HRNet",
    "convmixer": "ConvMixer",
    "poolformer": "PoolFormer",
    "restoration": "Super-resolution and restoration",
    "generative": "Networks that make and translate images",
    "games": "Games",
    "mixer": "Perceptrons that mix",
    "sequence": "Sequences",
    "language": "Language",
    "retrieval": "Retrieval and comparison",
    "transformer": "Vision transformers",
    "mobilevit": "MobileViT",
    "segmentation": "Segmentation",
    "video": "Clips",
}
"""The families' headings, in the order of the page; a folder that is missing here comes last, by its own name."""

Shown: TypeAlias = tuple[str, str | None, Mapping[str, Any], tuple[str, ...]]
"""A spec, its block or None for its network, arguments to assume, and the blocks to draw as what they are made of."""

INTRODUCTION = 360
"""Letters of what is said of a family, unless its first sentence has more."""

SAME = {"width": 16, "in_channels": 16, "stride": 1}
"""A block that keeps the shape of its input."""

ORDERS = ("original", "norm_after_addition", "relu_before_addition", "relu_pre_activation", "full_pre_activation")
KINDS = ("original", "scaled", "exclusive_gate", "only_gate", "conv", "dropout")

SHOWN: dict[str, Sequence[Shown]] = {
    "mlp": [
        ("mlp", None, {}, ()),
        ("residual_mlp_a", None, {}, ()),
        ("residual_mlp", None, {}, ()),
        ("residual_mlp_c", None, {}, ()),
    ],
    "plain": [("plain18", None, {}, ())],
    "vgg": [("vgg16", None, {}, ())],
    "resnet": [
        ("resnet50", "bottleneck", {"gate": (), "groups": 1}, ()),
        ("resnet18", "basic_block", {"option": 2}, ("resnet_shortcut",)),
        ("resnet20", "basic_block", {"option": 1}, ("resnet_shortcut",)),
    ],
    "preresnet": [
        ("preresnet110", "preact_block", {"split": False, "drop": 0}, ()),
        ("preresnet164", "preact_bottleneck", {"split": False}, ()),
    ],
    "orders": [
        (f"order_{order}", "ordered_block", {"first": False, **SAME}, ("activation_before", "resnet_shortcut"))
        for order in ORDERS
    ],
    "shortcuts": [
        (f"shortcut_{kind}", "gated_block" if "gate" in kind else "shortcut_block", SAME, ("resnet_shortcut",))
        for kind in KINDS
    ],
    "wide_resnet": [
        ("wide_resnet28_10", "preact_block", {"split": False, "drop": 0.3}, ()),
        ("wide_resnet50_2", "bottleneck", {"gate": (), "groups": 1}, ()),
    ],
    "resnext": [
        ("resnext50_form_a", "aggregated", {}, ()),
        ("resnext50_form_b", "concatenated", {}, ()),
        ("resnext50_32x4d", "bottleneck", {"gate": ()}, ()),
    ],
    "shake_shake": [("shake_shake26_2x32d", "shake_block", {}, ())],
    "senet": [("se_net", "squeeze_excite", {}, ()), ("se_net", "block", {}, ())],
    "highway": [("highway", "highway_layer", {}, ())],
    "d2l": [("d2l_resnet18", "d2l_residual", {}, ()), ("d2l_resnet18", None, {}, ())],
    "densenet": [
        ("densenet121", "dense_bottleneck", {"drop": 0}, ("dense_layer", "dense_dropout")),
        ("densenet121", None, {}, ()),
    ],
    "unet": [
        ("unet", None, {}, ()),
        ("unet", "double_conv", {}, ()),
        ("unet_plus_plus", None, {}, ()),
        ("vnet", "stage", {}, ()),
    ],
    "hourglass": [("hourglass2", "hourglass", {}, ()), ("hourglass2", "unit", {}, ())],
    "mobilenet": [
        ("mobilenet_v2", "inverted_residual", {"drop": 0}, ()),
        ("mobilenet_v2", "inverted_body", {"gate": ()}, ()),
    ],
    "shufflenet": [
        ("shufflenet_v1_g3", "shuffle_unit", {}, ("shuffle_body",)),
        ("shufflenet_v2_x1_0", "shuffle_unit", {}, ("shuffle_body",)),
    ],
    "efficientnet": [("efficientnet_b0", "squeeze_gate", {}, ()), ("efficientnet_b0", "inverted_body", {}, ())],
    "regnet": [("regnet_y_400mf", "regnet_block", {"width": 48, "in_channels": 48}, ())],
    "convnext": [
        ("convnext_tiny", "convnext_block", {}, ()),
        ("convnextv2_atto", "convnextv2_block", {}, ("global_response",)),
        ("convnext_tiny", None, {}, ()),
    ],
    "mobilevit": [("mobilevit_s", "mobilevit_block", {}, ()), ("mobilevit_s", "transformer", {}, ("self_attention",))],
    "nfnet": [
        ("dm_nfnet_f0", "nf_down", {}, ()),
        ("dm_nfnet_f0", "nf_unit", {}, ()),
        ("dm_nfnet_f0", "nf_body", {}, ("scaled_activation",)),
    ],
    "restoration": [
        ("edsr_baseline", None, {}, ()),
        ("rcan", "channel_gate", {}, ()),
        ("esrgan", "residual_dense", {}, ()),
        ("nafnet_width32", "naf_block", {}, ("simple_gate",)),
    ],
    "generative": [
        ("pix2pix_generator", None, {}, ()),
        ("cyclegan_generator", None, {}, ()),
        ("ddpm_unet", "timed_block", {"attended": False}, ("diffusion_block",)),
    ],
    "sequence": [("wavenet", None, {}, ("gated_conv",)), ("tcn", None, {}, ()), ("conformer", None, {}, ())],
    "mixer": [("mixer_b16_224", None, {}, ()), ("gmlp_s16_224", None, {}, ("spatial_gate",))],
    "language": [("bert_tiny", None, {}, ()), ("gpt2", None, {}, ())],
    "games": [("alphazero", None, {}, ())],
    "retrieval": [("siamese", None, {}, ()), ("two_tower", None, {}, ())],
}
"""The network that a family's picture shows; of one that is missing here, the network of its first spec."""

HEAD = """\
# The zoo

<!-- Written by docs/zoo_page.py from the files in specs; `make docs` writes it anew. -->

{count} networks in [specs](../specs), each a page of YAML. `archspec list` prints them, `archspec show NAME` and
`archspec analyze NAME` say more, and a spec of yours may start from one with `extends: NAME`.

Figures are exact. Multiply-accumulates (MACs) are those with weights of convolutions and linear layers, for one
sample at the input that is given, without the bias. Paths are the ways from the input to each output, counted in the
graph of operations. Every figure is held against a witness outside this project by
[tests/zoo](../tests/zoo/test_oracles.py).

The pictures are drawn from the specs, and their labels are the specs' own words: `conv 3×3, 4 * width, /stride` has
4 · width output channels and strides by `stride`. ⊕ adds, ⊖ subtracts, ⊗ multiplies, ⊘ divides, ∥ concatenates, and ∿
adds with weights that are drawn anew at each step of training; ∨ and ∧ take the largest and the smallest.
"""


def write_page() -> str:
    """The text of docs/zoo.md."""
    rows = _rows()
    families = _families()
    links = "".join(f"- [{_title(family)}](#{_anchor(_title(family))})\n" for family in families)
    parts = [HEAD.format(count=len(rows)), links, *(_section(family, rows) for family in families)]
    return "\n".join(parts)


def picture_files() -> dict[Path, str]:
    """The family that each picture belongs to, by its file."""
    return {PICTURES / f"{family}.svg": family for family in _families()}


def draw_family(family: str) -> str:
    """The text of a family's picture."""
    chosen = SHOWN.get(family) or [(_base_of(family), None, {}, ())]
    subjects = [Subject(load(spec), block, values, open_) for spec, block, values, open_ in chosen]
    return draw_subjects(subjects, f"{_title(family)}: {', '.join(_name(subject) for subject in subjects)}")


def _name(subject: Subject) -> str:
    return f"the block {subject.block}" if subject.block else f"the network {subject.spec.name}"


@cache
def _rows() -> list[dict[str, Any]]:
    return list_zoo()


def _families() -> list[str]:
    found = {path.parent.name for path in zoo_specs().values()}
    return [*(family for family in FAMILIES if family in found), *sorted(found - set(FAMILIES))]


def _title(family: str) -> str:
    return FAMILIES.get(family, family.replace("_", " ").capitalize())


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _base_of(family: str) -> str:
    """The spec that a family's picture shows first, else the first that is no variant."""
    if family in SHOWN:
        return SHOWN[family][0][0]
    files = sorted(path for path in zoo_specs().values() if path.parent.name == family)
    bases = [path for path in files if "\nextends:" not in path.read_text(encoding="utf-8")]
    return (bases or files)[0].stem


def _section(family: str, rows: Sequence[Mapping[str, Any]]) -> str:
    own = [row for row in rows if row["family"] == family]
    table = "".join(map(_row, own))
    title = _title(family)
    picture = f"![{title}: what its networks are made of](zoo/{family}.svg)"
    return (
        f"## {title}\n\n{_introduction(_base_of(family))}\n\n{picture}\n\n"
        f"| spec | parameters | MACs | input | paths | source | what it is |\n|---|--:|--:|---|--:|---|---|\n{table}"
    )


def _introduction(name: str) -> str:
    """The first sentences of the comment at the top of a spec."""
    lines = zoo_specs()[name].read_text(encoding="utf-8").splitlines()[1:]
    comment = []
    for line in lines:
        if not line.startswith("# "):
            break
        comment.append(line.removeprefix("# "))
    first, *others = re.split(r"(?<=[.)]) (?=[A-Z`])", " ".join(comment))
    for sentence in others:
        if len(first) + len(sentence) > INTRODUCTION:
            break
        first += f" {sentence}"
    return first


def _row(row: Mapping[str, Any]) -> str:
    link = f"[{row['name']}](../specs/{zoo_specs()[row['name']].relative_to(ZOO).as_posix()})"
    inputs = ", ".join(str(Shape(*shape)) for shape in row["inputs"].values())
    paths = ", ".join(map(approximate, row["paths"].values()))
    counts = f"{row['parameters']:,} | {row['macs']:,}"
    return f"| {link} | {counts} | {inputs} | {paths} | {row['source']} | {row['description']} |\n"
