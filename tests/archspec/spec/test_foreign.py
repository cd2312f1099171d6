"""Words of other frameworks: what is said of them compiles, and computes what the framework does."""

from __future__ import annotations

import re
from collections.abc import Callable

import onnx
import pytest
import torch
import torch.nn.functional as F
from pydantic import BaseModel
from torch import Tensor, nn

from archspec.ops import LAYERS
from archspec.spec.body import STRUCTURE
from archspec.spec.document import Document
from archspec.spec.foreign import NODES, field_sayings, node_sayings
from archspec.spec.foreign_blocks import BLOCKS
from archspec.spec.foreign_fields import FIELDS
from archspec.spec.layers import layer_node
from archspec.spec.suggestions import spell, suggest_node, suggest_slip
from compiler.torch_target.module import to_torch
from tests.archspec.spec.texts import graph_of

KNOWN = (*LAYERS, *STRUCTURE)


LIBRARIES = "blocks/squeeze_excite, blocks/resnet, blocks/inverted_residual"
HEAD = f"archspec: 1\nimport: [{LIBRARIES}]\ninputs: {{a: [32, 8, 8], b: [32, 8, 8]}}\nnetwork:\n"


def compute(written: str, *values: Tensor) -> Tensor:
    """What a suggestion computes, written into a spec as a message has it."""
    values = (torch.arange(8).reshape(1, 1, 8),) if written.startswith("embedding") else values
    module = to_torch(graph_of(in_spec(written)), seed=0).eval()
    with torch.no_grad():
        found = module(*values)
    return found if isinstance(found, Tensor) else found["output"]


def in_spec(written: str) -> str:
    """A spec of a node or a list of nodes; linear layers get a vector."""
    before = "  - flatten\n" if written.startswith("linear") else ""
    nodes = written if written.startswith("[") else f"[{written}]"
    if written.startswith("embedding"):
        return f"archspec: 1\ninputs: {{ids: {{shape: [1, 8], type: int}}}}\nnetwork: {nodes}\n"
    return f"{HEAD}{before}  - repeat: {{n: 1, body: {nodes}}}\n"


@pytest.fixture
def values() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 32, 8, 8, generator=generator), torch.randn(2, 32, 8, 8, generator=generator)


@pytest.mark.parametrize("written", sorted({saying.written for saying in node_sayings().values() if saying.written}))
def test_what_is_suggested_compiles(written: str, values: tuple[Tensor, Tensor]) -> None:
    compute(written, *values)


BLUR = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16
"""The filter of Zhang, 2019, as timm's BlurPool2d has it."""

WITNESSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "swish": lambda a, b: F.silu(a),
    "hswish": lambda a, b: F.hardswish(a),
    "hsigmoid": lambda a, b: F.hardsigmoid(a),
    "lrelu": lambda a, b: F.leaky_relu(a),
    "clippedrelu": lambda a, b: a.clamp(0, 6),
    "celu": lambda a, b: F.celu(a),
    "quickgelu": lambda a, b: a * torch.sigmoid(1.702 * a),
    "gelutanh": lambda a, b: F.gelu(a, approximate="tanh"),
    "crelu": lambda a, b: torch.cat([F.relu(a), F.relu(-a)], 1),
    "clamp": lambda a, b: a.clamp(0, 1),
    "softmin": lambda a, b: F.softmin(a, 1),
    "logsigmoid": lambda a, b: F.logsigmoid(a),
    "tanhshrink": lambda a, b: F.tanhshrink(a),
    "softshrink": lambda a, b: F.softshrink(a),
    "softsign": lambda a, b: F.softsign(a),
    "divide": lambda a, b: a / F.softplus(a),
    "neg": lambda a, b: -a,
    "absolute": lambda a, b: a.abs(),
    "square": lambda a, b: a.square(),
    "identity": lambda a, b: a,
    "average": lambda a, b: (a + F.relu(a)) / 2,
    "subtract": lambda a, b: a - F.relu(a),
    "multiply": lambda a, b: a * torch.sigmoid(a),
    "sum": lambda a, b: a + F.relu(a),
    "concatenate": lambda a, b: torch.cat([a, F.relu(a)], 1),
    "maxpooling": lambda a, b: F.max_pool2d(a, 2),
    "averagepooling": lambda a, b: F.avg_pool2d(a, 2),
    "adaptiveaveragepooling": lambda a, b: F.adaptive_avg_pool2d(a, 1),
    "gap": lambda a, b: a.mean((2, 3), keepdim=True),
    "adaptivemaxpooling": lambda a, b: F.adaptive_max_pool2d(a, 1),
    "upsampling": lambda a, b: nn.UpsamplingNearest2d(scale_factor=2)(a),
    "upsamplingbilinear": lambda a, b: F.interpolate(a, scale_factor=2, mode="bilinear", align_corners=True),
    "bn": lambda a, b: nn.BatchNorm2d(32).eval()(a),
    "ln": lambda a, b: F.layer_norm(a, a.shape[1:]),
    "rmsnormalization": lambda a, b: F.rms_norm(a.movedim(1, -1), (32,), eps=1e-6).movedim(-1, 1),
    "normalize": lambda a, b: F.normalize(a),
    "gn": lambda a, b: F.group_norm(a, 32),
    "instancenormalization": lambda a, b: F.instance_norm(a),
    "droppath": lambda a, b: a,
    "affine": lambda a, b: a,
    "layernorm2d": lambda a, b: F.layer_norm(a.movedim(1, -1), (32,)).movedim(-1, 1),
    "blurpool": lambda a, b: F.conv2d(F.pad(a, [1] * 4, "reflect"), BLUR.expand(32, 1, 3, 3), stride=2, groups=32),
    "layerscale": lambda a, b: 1e-6 * a,
}


@pytest.mark.parametrize("word", WITNESSES)
def test_what_is_suggested_computes_the_same(word: str, values: tuple[Tensor, Tensor]) -> None:
    found, expected = compute(node_sayings()[word].written, *values), WITNESSES[word](*values)
    assert found.shape == expected.shape
    difference = (found - expected).abs().max()
    assert difference < 1e-5
    assert (found - (expected + 1e-3)).abs().max() > difference  # the comparison can fail


LAYERS_OF_TORCH: dict[str, nn.Module] = {
    "conv2d": nn.Conv2d(32, 16, 3, padding=1),
    "conv1x1": nn.Conv2d(32, 16, 1),
    "depthwise": nn.Conv2d(32, 32, 3, padding=1, groups=32),
    "groupconv": nn.Conv2d(32, 16, 3, padding=1, groups=4),
    "dilatedconv": nn.Conv2d(32, 16, 3, padding=2, dilation=2),
    "deconv": nn.ConvTranspose2d(32, 16, 2, stride=2),
    "dense": nn.Sequential(nn.Flatten(), nn.Linear(2048, 10)),
    "separableconv": nn.Sequential(nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False), nn.Conv2d(32, 16, 1)),
}


@pytest.mark.parametrize("word", LAYERS_OF_TORCH)
def test_layers_have_torchs_shapes_and_weights(word: str, values: tuple[Tensor, Tensor]) -> None:
    written, peer = node_sayings()[word].written, LAYERS_OF_TORCH[word]
    graph = graph_of(in_spec(written))
    assert compute(written, *values).shape == peer(values[0]).shape
    assert sorted(weight.shape for weight in graph.weights.values()) == sorted(
        tuple(weight.shape) for weight in peer.parameters()
    )


KERAS = """
Activation Add AdditiveAttention AlphaDropout Attention Average AveragePooling2D BatchNormalization Bidirectional
CenterCrop Concatenate Conv1D Conv2D Conv2DTranspose Conv3D ConvLSTM2D Cropping2D Dense DepthwiseConv2D Dot Dropout
EinsumDense Embedding Flatten GRU GaussianDropout GaussianNoise GlobalAveragePooling2D GlobalMaxPooling2D
GroupNormalization GroupQueryAttention Identity InputLayer LSTM Lambda LayerNormalization LeakyReLU Masking MaxPooling2D
Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute RNN ReLU RepeatVector Rescaling Reshape Resizing
SeparableConv2D SimpleRNN Softmax SpatialDropout2D SpectralNormalization Subtract UnitNormalization UpSampling2D
ZeroPadding2D
"""


def names_elsewhere() -> list[str]:
    """torch's modules and functions, ONNX's operators, Keras's layers."""
    modules = {
        name for name in dir(nn) if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    functions = {name for name in dir(F) if not name.startswith("_") and callable(getattr(F, name))}
    operators = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain}
    return sorted(modules | functions | operators | set(KERAS.split()))


def test_no_word_of_a_framework_is_taken_for_another() -> None:
    """By its letters alone; one that is spelled as ours is ours."""
    names = names_elsewhere()
    assert len(names) > 400
    for word in names:
        suggested = re.findall(r"did you mean '(\w+)'", suggest_node(word, KNOWN))
        assert {spell(each) for each in suggested} <= {re.sub("[123]d", "", spell(word))}, word
    assert suggest_slip("Scaler", KNOWN)  # so near are some that are no slips


def test_the_fields_of_the_table_are_fields() -> None:
    models: list[type[BaseModel]] = [Document, *map(layer_node, LAYERS), *STRUCTURE.values()]
    known = {info.alias or name for model in models for name, info in model.model_fields.items()}
    assert {saying.written for sayings in field_sayings().values() for saying in sayings if saying.written} <= known


def test_the_words_of_the_tables_are_spelled_as_they_are_looked_up() -> None:
    for table in (NODES, BLOCKS, FIELDS):
        words = [word for line in table.splitlines() if line.startswith(" ") for word in line.split()]
        assert words == [spell(word) for word in words]
    words = [word for line in (NODES + BLOCKS).splitlines() if line.startswith(" ") for word in line.split()]
    assert len(words) == len(set(words))
    assert not [word for word in words if word in KNOWN and word != "dense"]  # they would never be looked up
