"""Blocks that libraries have a name for, and how each is written here, in a table as that of `foreign`."""

BLOCKS = """
[conv: {out: 16, bias: false}, norm, activation] | `defaults` choose the norm and the activation
    convnormact convbnact convbnrelu convbn convmodule basicconv cbs conv2dnormactivation
[conv: {out: 64, kernel: 1}, gelu, conv: {out: 32, kernel: 1}] | of tokens or maps; of a vector they are `linear`
    mlp feedforward ffn mlpblock convmlp
bottleneck: {width: 16} | a block of the zoo: `import: [blocks/resnet]`
    bottleneck bottleneckblock resnetbottleneck
inverted_residual: {out: 32, expand: 4, activation: [relu6]} | a block of the zoo: `import: \
[blocks/inverted_residual]`
    invertedresidual invertedbottleneck mbconv mbconvblock
residual: {body: [layer_norm: {over: channels}, attend: {heads: 4}]} | with layers in its `query`, `key` and \
`value`; then a residual of 1×1 convolutions
    transformerencoderlayer transformerencoder transformerblock encoderlayer encoderblock vitblock transformer
[conv: {out: 64, kernel: 4, stride: 4, padding: 0}, tokens]
    patchembed patchembedding overlappatchembed
[space_to_depth: 2, layer_norm: {over: channels}, conv: {out: 64, kernel: 1, bias: false}] | Swin has the channels \
in another order
    patchmerging
mul: [[], [concat: [[reduce: {by: mean}], [reduce: {by: max}]], conv: {out: 1, kernel: 7, bias: false}, sigmoid]]
    spatialattention spatialgate
mul: [[], [global_avg_pool, conv: {out: in_channels, kernel: 1}, sigmoid]] | `squeeze_excite` narrows the channels \
between
    channelattention effectivese effectivesemodule
[mul: [[], [global_avg_pool, conv: {out: in_channels, kernel: 1}, sigmoid]], mul: [[], [concat: [[reduce: {by: \
mean}], [reduce: {by: max}]], conv: {out: 1, kernel: 7, bias: false}, sigmoid]]] | the paper's first gate also sees \
the largest values, by layers with one `share`
    cbam cbammodule
residual: {body: [mul: [[], [reduce: {over: positions, by: norm}, div: {branches: [[], [reduce: {by: mean}, shift: \
1e-6]], fit: repeat}]], scale: {value: 0, trainable: true, per: channel}, shift: {trainable: true, per: channel}]}
    grn globalresponsenorm
[space_to_depth: 2, concat: {n: 4, as: place, body: [slice: {start: place, step: 4}, attend: {heads: 4}]}, \
shuffle_channels: 4, depth_to_space: 2] | `mobilevit_s` of the zoo has it with its layers, which have one `share`
    mobilevitblock mobilevit
[pad: {before: 1, after: 1, mode: reflect}, avg_pool: {kernel: 2, stride: 1}, avg_pool] | two means of two are its \
filter, 1 2 1
    blurpool antialias
[conv: {out: 32, kernel: 1}, split: [a, b], from: b, residual: {body: [conv: 16, conv: 16]}, tap: c, concat: [[from: \
a], [from: b], [from: c]], conv: {out: 32, kernel: 1}] | with a norm and `silu` behind each convolution, and a tap \
for each further residual
    c2f c2 c3k2 csplayer cspstage
concat: [[conv: {out: 16, kernel: 1}, residual: {body: [conv: 16, conv: 16]}], [conv: {out: 16, kernel: 1}]] | with \
a norm and `silu` behind each convolution, and one that joins them
    c3 bottleneckcsp crossstagepartial
[conv: {out: 16, kernel: 1}, concat: {n: 4, body: [repeat: {n: i, as: j, body: [max_pool: {kernel: 5, stride: 1, \
padding: 2}]}]}, conv: {out: 32, kernel: 1}]
    sppf spp
[conv: {out: 16, kernel: 1}, concat: [[], [conv: {out: 16, kernel: 5, groups: 16}]]] | with a norm and an activation \
behind each convolution
    ghostconv ghostmodule
[add: [[conv: 32, norm], [conv: {out: 32, kernel: 1}, norm], [norm]], relu] | `conv: 32` is what it becomes after \
training
    repconv repvggblock repblock
[conv: {out: 84, kernel: 1}, output: scores] | the raw head of one level; boxes are computed from it outside the \
network
    detect detecthead yolohead yololayer segment pose obb anchorhead
[global_avg_pool, flatten, linear: 10]
    classify classifierhead classificationhead
[scale: 0.5, shift: -1] | an input's numbers times 0.5, minus 1
    rescaling rescale
| a distribution over bins, of which the mean is taken outside the network
    dfl distributionfocalloss
"""
