"""Words of other frameworks (torch, Keras, ONNX, papers), and how the same is said in this language.

In a table, a line says what to write, as a node or a list of nodes, and behind `|` what else there is to know; nothing
to write means that the language has no such thing. Below stand the foreign words for it, in small letters without `_`;
a digit and a `d`, as in `Conv2d`, need not be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from archspec.spec.foreign_blocks import BLOCKS
from archspec.spec.foreign_fields import FIELDS

NODES = """
conv: 16 | it pads to `same` unless `padding` is given
    conv1d conv2d conv3d convolution conv3x3
conv: {out: 16, kernel: 1}
    conv1x1 pointwise pointwiseconv pwconv
conv: {out: in_channels, groups: in_channels}
    dwconv depthwise depthwiseconv
[conv: {out: in_channels, groups: in_channels, bias: false}, conv: {out: 16, kernel: 1}]
    separableconv sepconv depthwiseseparableconv
conv: {out: 16, groups: 4}
    groupconv groupedconv
conv: {out: 16, dilation: 2}
    dilatedconv atrousconv
conv: {out: 16, weight_norm: true} | a field of the layers with a kernel
    weightnorm
conv: {out: 16, standardize: true} | with `weight_norm: true` too, its length is learned
    stdconv wsconv weightstandardization weightstandardizedconv
conv: {out: 16, standardize: true, weight_norm: true} | behind `scale: GAMMA`
    scaledstdconv wsconv2d
conv_transpose: 16 | kernel and stride are 2 unless given
    convtranspose transposeconv transposedconv deconv deconvolution upconv
mul: [[], [global_avg_pool, channel_conv: 3, sigmoid]]
    eca ecamodule ecalayer efficientchannelattention
linear: 10
    dense fc fullyconnected innerproduct gemm lazylinear
linear: 10 | products of two values are those of `attend`, or `mul` and `reduce: {by: sum}`
    matmul
squeeze_excite | a block of the zoo: `import: [blocks/squeeze_excite]`
    se seblock selayer semodule squeezeexcitation squeezeandexcitation squeezeandexcite
attend: {heads: 4, query: [conv: {out: 64, kernel: 1}], key: [conv: {out: 64, kernel: 1}]} | `value` is a body too
    attention selfattention multiheadattention mha mhsa scaleddotproductattention multiheadattentionforward
attend: {key: [from: a], value: [from: a]} | the tap or input `a` gives the keys and values
    crossattention transformerdecoder transformerdecoderlayer
deform_conv: {out: 16, offset: [conv: 18]} | two channels for each tap; `mask` is a body too
    deformconv2d deformableconv deformableconv2d modulateddeformconv modulateddeformconv2d dcn dcnv2
windows: {size: 7, body: [attend]} | with a `shift`, as Swin has it, or `grid: true`, as MaxViT
    windowattention shiftedwindowattention windowpartition swinblock
|
    additiveattention groupqueryattention groupedqueryattention linearattention
    rotaryembedding rope positionalencoding embeddingbag
    rnn simplernn lstmcell grucell rnncell convlstm bilinear

batch_norm | its `momentum` is the weight of the new batch
    bn batchnormalization syncbatchnorm lazybatchnorm
layer_norm | over the whole sample; `over: channels` normalizes each position by itself
    ln layernorm layernormalization
layer_norm: {over: channels}
    layernorm2d layernormchannelsfirst
group_norm: 32
    gn groupnormalization
instance_norm
    instancenormalization lazyinstancenorm
rms_norm | over the channels at each position
    rmsnormalization
l2_norm | over the channels at each position
    normalize unitnormalization lpnormalization
local_response_norm: 5 | over the channels around each
    lrn localresponsenormalization crossmaplrn
|
    spectralnorm spectralnormalization meanvariancenormalization

silu
    swish
hard_swish
    hswish
hard_sigmoid
    hsigmoid
leaky_relu | its slope is 0.01 unless given
    lrelu leakyrelu
relu6
    clippedrelu
elu | the same where alpha is 1
    celu
mul: [[], [scale: 1.702, sigmoid]]
    quickgelu
gelu: {approximate: tanh}
    gelutanh gelunew fastgelu
concat: [[relu], [scale: -1, relu]]
    crelu
clip: {low: 0, high: 1}
    clamp clipbyvalue
[scale: -1, softmax]
    softmin
[scale: -1, softplus, scale: -1]
    logsigmoid
sub: [[], [tanh]]
    tanhshrink
add: [[shift: -0.5, relu], [scale: -1, shift: -0.5, relu, scale: -1]] | with the bound 0.5
    softshrink
mul: [[conv: 16], [conv: 16, silu]] | of two layers; `glu` gates one half of the channels by the sigmoid of the other
    swiglu
mul: [[conv: 16], [conv: 16, gelu]] | of two layers; `glu` gates one half of the channels by the sigmoid of the other
    geglu geglumlp glumlp
activation: {kind: relu} | or the word of the kind itself: relu, gelu, silu, sigmoid, tanh and others
    act nonlinearity nonlin
| training takes what comes before a softmax
    logsoftmax adaptivelogsoftmaxwithloss
|
    hardshrink rrelu srelu thresholdedrelu threshold shrink hardmax sparsemax gumbelsoftmax maxout

max_pool
    maxpooling
avg_pool | zeros of the padding count as values, unless `count: inside`
    avgpool averagepool averagepooling meanpool
max_pool | or `avg_pool`
    pool pooling
global_avg_pool | to one position; the spatial axes stay, with extent 1
    globalaveragepool globalaveragepooling globalpool globalpooling gap
    reducemean mean
global_max_pool | to one position; the spatial axes stay, with extent 1
    globalmaxpooling gmp reducemax
adaptive_avg_pool: 1 | to so many positions along each axis
    adaptiveaveragepooling adaptivepool
adaptive_max_pool: 1 | to so many positions along each axis
    adaptivemaxpooling
[tokens, lstm: {out: 64, both: true}] | along the one spatial axis of tokens
    bidirectional
upsample: 2
    upsampling upsamplingnearest upsamplenearest
upsample: {scale: 2, mode: linear, corners: aligned}
    upsamplingbilinear upsamplebilinear
upsample: {scale: 3 / 2, mode: linear} | or `resize: {like: NAME}` to the extents of a tap or an input
    interpolate resizing
|
    lppool globallppool fractionalmaxpool roialign roipool maxroipool spatialpyramidpooling
    gridsample affinegrid
    fold unfold col2im

depth_to_space: 2
    pixelshuffle
space_to_depth: 2
    pixelunshuffle
[max_pool: 2, tap: pooled, max_unpool: pooled] | it names the tap right behind the pooling
    maxunpooling unpool unpooling
space_to_depth: 2 | with the channels in another order
    focus
shuffle_channels: {groups: 4}
    channelshuffle nativechannelshuffle
reduce: {by: norm} | or `over: positions`
    reducel2 vectornorm
reduce: {over: positions, by: sum}
    reducesum
split: [a, b] | the parts are read by `from`, in equal parts unless `sizes` are given
    chunk unstack unbind
[tap: grid, tokens, map: grid] | a row of tokens gets the extents of a tap or an input
    unflatten tomap totwod
[tokens, transpose] | of a row of tokens, (C, L) to (L, C)
    swapaxes permutedims
tokens | a row of positions, (C, L)
    patchify totokens
learned: [64, 1] | the same for each sample
    parameter clstoken classtoken
embedding: {rows: 1000, out: 64} | of an input of whole numbers, `inputs: {ids: {shape: [1, L], type: int}}`
    tokenembedding wordembedding embeddings embed lookup onehot timeembedding
shift: {trainable: true, per: position}
    posembed positionembedding positionalembedding
[] | an empty body; or leave it out
    identity noop
| channels are always the first axis; `tokens` makes a row, `map` a map of it, `flatten` a vector
    reshape view permute squeeze unsqueeze expanddims rearrange expand tile repeatvector
slice: {start: 0, stop: 8} | of channels; `axis: 1` is the first axis of space
    narrow select stridedslice index
| `slice` takes channels or positions that stand one behind the other
    gather take
pad: {before: 1, after: 1} | layers with a window have `padding`, merges `fit: pad`
    zeropad zeropadding constantpad
pad: {before: 1, after: 1, mode: reflect} | or `mode: edge`
    reflectionpad replicationpad
roll: 1 | along all axes of space; `[1, 0]` along the first of two
    circshift shiftpositions
slice: {axis: 1, start: 1, stop: -1} | along one axis; merges have `fit: crop`
    crop cropping centercrop centercroppad

concat: [[], [relu]]
    cat concatenate
add: [[], [relu]]
    sum plus eltwise
mul: [[], [sigmoid]]
    multiply times product prod gate
[add: [[], [relu]], scale: 0.5]
    average
sub: [[], [relu]]
    subtract minus difference
div: [[], [softplus]]
    divide quotient truediv
max: [[], [conv: in_channels]]
    maximum
min: [[], [conv: in_channels]]
    minimum
div: [[], [abs, shift: 1]]
    softsign
softmax: {branches: 2} | of channels that stand one branch behind the other
    radixsoftmax rsoftmax splitattention
scale: -1
    neg negative
abs
    absolute
mul: [[], []]
    square
sqrt: {eps: 0.000001} | of what is at least `eps`, so that its gradient is finite
    squareroot root
log: {eps: 0.000001} | of what is at least `eps`, so that its gradient is finite
    logarithm
[shift: 1, log]
    log1p
shift: {trainable: true, per: channel}
    biasadd addbias bias
scale: {value: 0.000001, trainable: true, per: channel}
    layerscale
scale: {value: 0, trainable: true}
    skipinit rezero
[scale: {trainable: true, per: channel}, shift: {trainable: true, per: channel}]
    affine
|
    rsqrt pow power reciprocal erf sin cos tan asin acos atan sinh cosh asinh acosh atanh sign
    floor ceil round mod cumsum cumprod einsum dot lambda equal greater greaterorequal less lessorequal
    not and or xor argmax argmin topk sort nonzero unique scatter trilu reducemin reduceprod dft stft cast
    reducel1 reducelogsum reducelogsumexp reducesumsquare
    constant range shape size masking permuteaxes

stochastic_depth: {survival: 0.8, rescale: true} | survival is 1 - p
    droppath
| `dropout` drops single elements, not channels
    dropout1d dropout2d dropout3d spatialdropout spatialdropout1d spatialdropout2d spatialdropout3d
|
    alphadropout featurealphadropout dropblock gaussiandropout gaussiannoise activityregularization

[conv: 16, relu] | a body is a list
    sequential
concat: [[conv: 16], [conv: {out: 16, kernel: 1}]] | or `add`
    parallel branch branches
residual: {body: [conv: in_channels]}
    resblock residualblock skipconnection skip shortcut
basic_block: {width: 16} | a block of the zoo: `import: [blocks/resnet]`
    basicblock
dense: {n: 4, body: [conv: 8]}
    denseblock
encoder_decoder: {n: 2, encoder: [conv: 16], down: [max_pool], bottom: [conv: 16], up: [upsample]}
    encoder decoder unetblock
repeat: {n: 2, body: [relu]}
    loop for foreach while scan modulelist stage
when: {test: true, then: [relu]}
    if cond switch case where
shake: [[conv: in_channels], [conv: in_channels]]
    shakeshake
output: prediction | the last value is an output anyway
    return result outputs
| inputs stand under `inputs`, and `from: NAME` reads one
    input inputs inputlayer placeholder
"""


class Saying(NamedTuple):
    """The words that say something here: what to write, or nothing, and what else there is to know."""

    written: str
    note: str = ""


@cache
def layer_sayings() -> dict[str, Saying]:
    """Give what each foreign word for a layer or a structure is called here."""
    return dict(_read(NODES))


@cache
def node_sayings() -> dict[str, Saying]:
    """Give that, and how what libraries have as one block is written here."""
    return {**layer_sayings(), **dict(_read(BLOCKS))}


@cache
def field_sayings() -> dict[str, list[Saying]]:
    """Give what each foreign word for a field may be called here."""
    found: dict[str, list[Saying]] = {}
    for word, saying in _read(FIELDS):
        found.setdefault(word, []).append(saying)
    return found


def _read(table: str) -> Iterator[tuple[str, Saying]]:
    saying = Saying("")
    for line in table.splitlines():
        if line.startswith(" "):
            yield from ((word, saying) for word in line.split())
        else:
            written, _, note = line.partition("|")
            saying = Saying(written.strip(), note.strip())


VALUES = {
    "valid": "`padding: 0` pads nothing",
    "same_upper": "ONNX's SAME_UPPER is `same_end`",
    **dict.fromkeys(("bilinear", "trilinear"), "along any number of axes it is `linear`"),
    "bicubic": "it is `cubic`",
    "replicate": "it is `edge`",
    "constant": "it is `zeros`",
    "avg": "it is `mean`",
    "spatial": "it is `positions`",
    "cos": "it is `cosine`",
    "same": "TensorFlow's SAME is `same_end`",
    "half": "`padding: same` is half of the kernel at both ends",
}
"""The words that other frameworks have for values, and how they are said here."""


def explain_value(word: str) -> str:
    """Tell how a value of another framework is said, as the end of a message; nothing where none is known."""
    told = VALUES.get(word.strip().lower())
    return f"; {told}" if told else ""
