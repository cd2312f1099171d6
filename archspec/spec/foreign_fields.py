"""Fields of other frameworks, and how each may be called in this language, in a table as that of `foreign`."""

FIELDS = """
out
    filters outchannels outfeatures units numoutput numfilters outdim outputdim planes channels features numfeatures
    dim width channelsout outputchannels
kernel
    kernelsize ksize kernelshape poolsize window windowsize windowshape filtersize k size
stride
    strides subsample step s
padding
    pad pads p
dilation
    dilationrate dilations rate d
groups
    numgroups group cardinality featuregroupcount g
bias
    usebias
init
    kernelinitializer weightinit initializer weightinitializer
ceil
    ceilmode
eps
    epsilon
affine
    elementwiseaffine center
slope
    negativeslope alpha
start
    initvalue alphainitializer
rate
    p prob probability droprate dropprob
survival
    keepprob survivalprob survivalprobability
survival | it is 1 - p
    p droprate dropprob droppath droppathrate
scale | how many times, not an extent
    scalefactor factor size
mode
    interpolation
value
    gamma factor initvalue initvalues
over | `channels` or the others that it names
    normalizedshape axis dim dims
axis
    dim dims axes dimension
heads
    numheads nheads nhead numattentionheads
query
    q
key
    k
value
    v
causal
    iscausal mask attnmask
size
    window windowsize ws outputsize
start
    begin from offset
stop
    end to
taps
    names parts outputs
sizes
    splitsize sections
shape
    size dims
like | a tap or an input, which lends its extents
    size scale scalefactor outputsize shape target
corners | `aligned` or `half`
    aligncorners
count | `inside` or `all`
    countincludepad
before | and `after`: how many positions are added there
    size padding pad pads amount
both
    bidirectional
out
    hiddensize hidden numhiddens embeddingdim
offset_groups
    deformgroups deformablegroups offsetgroup
rows
    numembeddings inputdim vocabsize
low
    min minvalue minval
high
    max maxvalue maxval
n
    times num count repeats number depth numlayers numblocks blocks levels
body
    layers block module modules nodes main
project | used where shapes differ
    downsample projection
shortcut
    skip identity
branches
    operands tensors values
each
    for in over values items
as
    index var variable
test
    if condition cond
then
    do
else
    otherwise
down
    pool downsample
up
    upsample
bottom
    bottleneck center middle
use
    op operation type
inputs
    input
network
    layers model modules nodes architecture backbone head net graph
params
    parameters args arguments hyperparameters variables config
import
    imports include includes
extends
    base inherits parent
archspec
    version
blocks
    modules definitions functions
sizes
    dims dimensions
| the channels are those of the value that comes in
    inchannels infeatures inputdim indim inplanes inputshape channelsin numparameters
| a `dropout` is a node of its own
    dropout attndrop projdrop attentiondropout
| it is what the layers in `query`, `key` and `value` say
    qkvbias headdim embeddim dmodel keydim
| an activation is a node of its own: `activation`, or one of a kind
    activation act nonlinearity
| a normalization is a node of its own
    norm normlayer batchnorm
| there is no such choice
    inplace dataformat device dtype trackrunningstats
| `max_unpool` names a tap right behind the pooling
    returnindices
| only `conv` has it: before `flatten` a linear layer is `conv: {kernel: 1}`, and `upsample` enlarges before a `conv`
    standardize
| padding is with zeros; `pad` before the layer has other modes
    paddingmode
| zeros of the padding count as values
    countincludepad
| positions are half-pixel centres
    aligncorners
| it follows from the word
    axis dim
| an output is a node of the network: `output: NAME`
    outputs output
"""
"""A word that stands at several lines means what the node has of these."""
