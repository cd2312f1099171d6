"""What is written here for torch's modules and functions: the table of `how_to_say`, with a witness in each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class TorchRow(NamedTuple):
    """An expression of torch, which computes a value of `x`, or is a module that does; what stands for it here, or
    nothing; what else there is to know; and the shape of `x`: a map, a row of tokens or a vector.

    Where torch has another order of axes, `witness` is the expression that puts them in ours.
    """

    theirs: str
    ours: str
    note: str = ""
    x: Literal["map", "row", "vector"] = "map"
    witness: str = ""


def _row(theirs: str, ours: str, note: str = "", witness: str = "") -> TorchRow:
    return TorchRow(theirs, ours, note, "row", witness)


ROWS_OF_TORCH = "{}(x.transpose(1, 2)).transpose(1, 2)"
ATTENDED = (
    "(lambda t: nn.MultiheadAttention(32, 4, batch_first=True)(t, {0}, {0})[0])(x.transpose(1, 2)).transpose(1, 2)"
)
HEADS = "attend: {heads: 4, query: [conv: {out: 32, kernel: 1}], key: [KEY], value: [KEY]}"
SELF = HEADS.replace("KEY", "conv: {out: 32, kernel: 1}")
CROSS = HEADS.replace("KEY", "from: y, conv: {out: 32, kernel: 1}")
FED = "conv: {out: 64, kernel: 1}, relu, conv: {out: 32, kernel: 1}"

TORCH: Mapping[str, tuple[TorchRow, ...]] = {
    "Layers with weights": (
        TorchRow("nn.Conv2d(32, 16, 3)", "conv: {out: 16, padding: 0}", "one, two or three axes follow from the value"),
        TorchRow("nn.Conv2d(32, 16, 3, padding=1)", "conv: 16", "`padding: same` unless given, also with a stride"),
        TorchRow("nn.Conv2d(32, 16, 3, padding=1, bias=False)", "conv: {out: 16, bias: false}"),
        TorchRow("nn.Conv2d(32, 16, (3, 5), (1, 2), (1, 2))", "conv: {out: 16, kernel: [3, 5], stride: [1, 2]}"),
        TorchRow("nn.Conv2d(32, 32, 3, padding=1, groups=32)", "conv: {out: 32, groups: 32}", "depthwise"),
        TorchRow("nn.Conv2d(32, 16, 3, padding=2, dilation=2)", "conv: {out: 16, dilation: 2}"),
        TorchRow(
            'nn.Conv2d(32, 16, 3, padding=1, padding_mode="reflect")',
            "[pad: {before: 1, after: 1, mode: reflect}, conv: {out: 16, padding: 0}]",
            "`replicate` is `mode: edge`",
        ),
        _row("nn.Conv1d(32, 16, 3, padding=1)", "conv: 16"),
        TorchRow("nn.ConvTranspose2d(32, 16, 2, stride=2)", "conv_transpose: 16"),
        TorchRow(
            "nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1)", "conv_transpose: {out: 16, kernel: 4, padding: 1}"
        ),
        TorchRow("nn.Linear(32, 10)", "linear: 10", "of a vector; put `flatten` before it", "vector"),
        _row(
            "nn.Linear(32, 10)",
            "conv: {out: 10, kernel: 1}",
            "of each token",
            ROWS_OF_TORCH.format("nn.Linear(32, 10)"),
        ),
        _row(
            "nn.LSTM(32, 24, batch_first=True)",
            "lstm: 24",
            "the output of each step",
            "nn.LSTM(32, 24, batch_first=True)(x.transpose(1, 2))[0].transpose(1, 2)",
        ),
        _row(
            "nn.GRU(32, 24, batch_first=True, bidirectional=True)",
            "gru: {out: 24, both: true}",
            "",
            "nn.GRU(32, 24, batch_first=True, bidirectional=True)(x.transpose(1, 2))[0].transpose(1, 2)",
        ),
        TorchRow(
            "x + nn.Parameter(torch.zeros(32, 8, 8))", "shift: {trainable: true, per: position}", "`learned` is alone"
        ),
    ),
    "Attention": (
        _row(
            "nn.MultiheadAttention(32, 4, batch_first=True)",
            f"[{SELF}, conv: {{out: 32, kernel: 1}}]",
            "of x with itself; one joint projection there is three here",
            ATTENDED.format("t"),
        ),
        _row(
            "nn.MultiheadAttention(32, 4, batch_first=True)",
            f"[{CROSS}, conv: {{out: 32, kernel: 1}}]",
            "of x with y",
            ATTENDED.format("y.transpose(1, 2)"),
        ),
        _row(
            "F.scaled_dot_product_attention(x, x, x)",
            "attend",
            "bodies give other queries, keys and values",
            "F.scaled_dot_product_attention(*[x.transpose(1, 2)] * 3).transpose(1, 2)",
        ),
        _row(
            "F.scaled_dot_product_attention(x, x, x, is_causal=True)",
            "attend: {causal: true}",
            "",
            "F.scaled_dot_product_attention(*[x.transpose(1, 2)] * 3, is_causal=True).transpose(1, 2)",
        ),
        _row(
            "nn.TransformerEncoderLayer(32, 4, 64, 0, batch_first=True)",
            f"[residual: {{body: [{SELF}, conv: {{out: 32, kernel: 1}}]}}, layer_norm: {{over: channels}}, "
            f"residual: {{body: [{FED}]}}, layer_norm: {{over: channels}}]",
            "",
            ROWS_OF_TORCH.format("nn.TransformerEncoderLayer(32, 4, 64, 0, batch_first=True)"),
        ),
        _row(
            "nn.TransformerEncoderLayer(32, 4, 64, 0, F.gelu, norm_first=True)",
            f"[residual: {{body: [layer_norm: {{over: channels}}, {SELF}, conv: {{out: 32, kernel: 1}}]}}, "
            f"residual: {{body: [layer_norm: {{over: channels}}, {FED.replace('relu', 'gelu')}]}}]",
            "",
            ROWS_OF_TORCH.format("nn.TransformerEncoderLayer(32, 4, 64, 0, F.gelu, batch_first=True, norm_first=True)"),
        ),
    ),
    "Normalizations": (
        TorchRow(
            "nn.BatchNorm2d(32)", "batch_norm", "no `num_batches_tracked`; momentum is the weight of the new batch"
        ),
        TorchRow(
            "nn.LayerNorm([32, 8, 8], elementwise_affine=False)", "layer_norm: {affine: false}", "affine by channel"
        ),
        _row("nn.LayerNorm(32)", "layer_norm: {over: channels}", "", ROWS_OF_TORCH.format("nn.LayerNorm(32)")),
        TorchRow("nn.GroupNorm(4, 32)", "group_norm: 4"),
        TorchRow("nn.InstanceNorm2d(32)", "instance_norm: {affine: false}"),
        _row("nn.RMSNorm(32, eps=1e-6)", "rms_norm", "", ROWS_OF_TORCH.format("nn.RMSNorm(32, eps=1e-6)")),
        TorchRow("F.normalize(x)", "l2_norm", "over the channels"),
        TorchRow("nn.LocalResponseNorm(5)", "local_response_norm: 5"),
        TorchRow(
            "nn.utils.parametrizations.weight_norm(nn.Conv2d(32, 16, 3))",
            "conv: {out: 16, padding: 0, weight_norm: true}",
        ),
    ),
    "Activations": (
        TorchRow("nn.ReLU()", "relu"),
        TorchRow("nn.ReLU6()", "relu6"),
        TorchRow("nn.LeakyReLU(0.1)", "leaky_relu: 0.1", "0.01 unless given"),
        TorchRow("nn.PReLU(32)", "prelu", "one slope for each channel"),
        TorchRow("nn.PReLU()", "prelu: {per: network}"),
        TorchRow("nn.ELU()", "elu"),
        TorchRow("nn.SELU()", "selu"),
        TorchRow("nn.GELU()", "gelu"),
        TorchRow('nn.GELU(approximate="tanh")', "gelu: {approximate: tanh}"),
        TorchRow("nn.SiLU()", "silu"),
        TorchRow("nn.Mish()", "mish"),
        TorchRow("nn.Hardswish()", "hard_swish"),
        TorchRow("nn.Hardsigmoid()", "hard_sigmoid"),
        TorchRow("nn.Sigmoid()", "sigmoid"),
        TorchRow("nn.Tanh()", "tanh"),
        TorchRow("nn.Softplus()", "softplus"),
        TorchRow("nn.Softmax(dim=1)", "softmax", "over the channels"),
        TorchRow("nn.GLU(dim=1)", "glu"),
        TorchRow("x.clamp(min=1e-6).sqrt()", "sqrt", "smaller numbers count as `eps`, 1e-6 unless given"),
        TorchRow("x.clamp(min=1e-3).log()", "log: {eps: 0.001}"),
    ),
    "Pooling and resizing": (
        TorchRow("nn.MaxPool2d(2)", "max_pool"),
        TorchRow("nn.MaxPool2d(3, 2, 1)", "max_pool: {kernel: 3, stride: 2, padding: 1}"),
        TorchRow("nn.AvgPool2d(3, 1, 1)", "avg_pool: {kernel: 3, stride: 1, padding: 1}", "zeros of the padding count"),
        TorchRow(
            "nn.AvgPool2d(3, 1, 1, count_include_pad=False)",
            "avg_pool: {kernel: 3, stride: 1, padding: 1, count: inside}",
        ),
        TorchRow(
            "nn.AdaptiveAvgPool2d(1)", "global_avg_pool", "the axes stay, with extent 1; `flatten` makes a vector"
        ),
        TorchRow("nn.AdaptiveAvgPool2d(6)", "adaptive_avg_pool: 6"),
        TorchRow("F.interpolate(x, scale_factor=2)", "upsample: 2"),
        TorchRow('F.interpolate(x, scale_factor=2, mode="bilinear")', "upsample: {scale: 2, mode: linear}"),
        TorchRow(
            'F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)',
            "upsample: {scale: 2, mode: linear, corners: aligned}",
        ),
        TorchRow('F.interpolate(x, scale_factor=1.5, mode="bicubic")', "upsample: {scale: 3 / 2, mode: cubic}"),
        TorchRow(
            "F.interpolate(F.max_pool2d(x, 2), y.shape[2:])",
            "[max_pool, resize: y]",
            "to the extents of a tap or input",
        ),
        TorchRow("nn.PixelShuffle(2)", "depth_to_space: 2"),
        TorchRow("nn.PixelUnshuffle(2)", "space_to_depth: 2"),
        TorchRow("nn.Unfold(3)", "", "its convolution is `conv`"),
        TorchRow(
            "nn.MaxUnpool2d(2)(*nn.MaxPool2d(2, return_indices=True)(x))",
            "[max_pool: 2, tap: pooled, max_unpool: pooled]",
            "the tap stands right behind the pooling",
        ),
    ),
    "Joining, cutting and laying out": (
        TorchRow("x + y", "add: [[], [from: y]]"),
        TorchRow("x * torch.sigmoid(y)", "mul: [[], [from: y, sigmoid]]"),
        TorchRow("x - y", "sub: [[], [from: y]]"),
        TorchRow("torch.maximum(x, y)", "max: [[], [from: y]]"),
        TorchRow("torch.cat([x, y], dim=1)", "concat: [[], [from: y]]"),
        TorchRow(
            "torch.cat([x, y], dim=2)",
            "concat: {axis: 1, branches: [[], [from: y]]}",
            "axis 0 are the channels, without the batch",
        ),
        TorchRow(
            "torch.cat([x, x.mean((2, 3), keepdim=True).expand_as(x)], 1)",
            "concat: {fit: repeat, branches: [[], [global_avg_pool]]}",
            "extents of 1 are repeated",
        ),
        TorchRow("x.chunk(2, dim=1)[1]", "[split: [a, b], from: b]", "each part is a tap"),
        TorchRow("x.split([8, 24], dim=1)[0]", "[split: {taps: [a, b], sizes: [8, 24]}, from: a]"),
        TorchRow("x[:, :16]", "slice: {stop: 16}"),
        TorchRow("x[:, :, 1:-1]", "slice: {axis: 1, start: 1, stop: -1}"),
        TorchRow("torch.roll(x, (1, 1), (2, 3))", "roll: 1"),
        TorchRow("F.pad(x, (0, 1, 0, 1))", "pad: {after: 1}", "torch counts axes from the last"),
        TorchRow("nn.ReflectionPad2d(1)", "pad: {before: 1, after: 1, mode: reflect}"),
        TorchRow("nn.Flatten()", "flatten"),
        TorchRow("x.flatten(2)", "tokens", "channels stay first: no `transpose` behind it"),
        TorchRow(
            "x.flatten(2).unflatten(2, (8, 8))", "[tap: grid, tokens, map: grid]", "the extents of a tap or an input"
        ),
        TorchRow(
            "x.permute(0, 2, 3, 1)",
            "",
            "channels are the first axis everywhere; layers over channels need no other order",
        ),
        TorchRow("torch.stack([x, y])", "", "a stacked axis is channels: `concat`, and `conv` with `groups`"),
        TorchRow("nn.ChannelShuffle(4)", "shuffle_channels: {groups: 4}"),
        TorchRow("x.mean(1, keepdim=True)", "reduce: {by: mean}"),
        TorchRow("x.amax(1, keepdim=True)", "reduce: {by: max}"),
        TorchRow("x.mean((2, 3))", "[global_avg_pool, flatten]"),
    ),
    "Chance": (
        TorchRow("nn.Dropout(0.1)", "dropout: 0.1"),
        TorchRow("nn.Dropout2d(0.1)", "", "`dropout` drops single elements"),
        TorchRow("nn.Identity()", "[]", "an empty body"),
    ),
}
