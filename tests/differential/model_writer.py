"""Random ONNX models: operations of the reader's table with odd windows, axes and names, at open and fixed batches.

The writer follows extents by formulas of its own, so that most of what it writes is valid; ONNX Runtime decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Extents = tuple[int, ...]
MOST = 6000
"""Numbers of a value."""
UNARY = [
    *("Relu", "Sigmoid", "Tanh", "Erf", "Abs", "Exp", "Softplus", "HardSwish", "Elu", "LeakyRelu", "HardSigmoid"),
    *("Selu", "Sin", "Neg", "Sqrt", "Floor"),
]


class ModelWriter:
    """Writes one model. `values` are those so far with their extents, `arrays` the stored tensors."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.numbers = np.random.default_rng(random.randrange(1 << 32))
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self.values: list[tuple[str, Extents]] = []
        self.rank = random.choice([2, 3, 3, 4, 4, 4, 4])
        self.batch = random.choice([1, 1, 2, 3])
        self.is_open = self.batch == 1 and random.random() < 0.5

    def write(self) -> onnx.ModelProto:
        shape = (self.batch, *(self.random.randint(2, 8) for _ in range(self.rank - 1)))
        self.values.append(("x", shape))
        for _ in range(self.random.randint(2, 9)):
            self.step()
        inputs = [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n" if self.is_open else shape[0], *shape[1:]])
        ]
        read = {name for node in self.nodes for name in node.input}
        ends = [name for node in self.nodes for name in node.output if name not in read]
        outputs = [onnx.ValueInfoProto(name=name) for name in ends]
        stored = [numpy_helper.from_array(array, name) for name, array in self.arrays.items()]
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)

    def step(self) -> None:
        writers: list[Callable[[str, Extents], None]] = [
            *(
                self.window,
                self.window,
                self.norm,
                self.unary,
                self.product,
                self.stored,
                self.pair,
                self.cut,
                self.pad,
            ),
            *(self.transpose, self.reshape, self.resize, self.reduce, self.choose, self.axes, self.softmax, self.depth),
            *(self.transposed, self.sequence),
        ]
        name, shape = self.random.choice(self.values[-3:])
        self.random.choice(writers)(name, shape)

    # What writers share

    def add(self, kind: str, reads: Sequence[str], *shapes: Extents, **attributes: Any) -> str:
        outputs = [f"v{len(self.nodes)}_{position}" for position in range(len(shapes))]
        scopes = ["", "a/", "a/b/", "v1_0/", "b/conv/"]
        names = [f"{self.random.choice(scopes)}{kind.lower()}", "a", "a/b", "b/conv", ""]
        taken = {node.name for node in self.nodes}
        names = [name for name in names if name not in taken] or [""]
        self.nodes.append(helper.make_node(kind, reads, outputs, name=self.random.choice(names), **attributes))
        self.values += [(name, shape) for name, shape in zip(outputs, shapes, strict=True) if 0 < prod(shape) <= MOST]
        return outputs[0]

    def store(self, *shape: int) -> str:
        """A stored tensor, perhaps one that is there already."""
        known = [name for name, array in self.arrays.items() if array.shape == shape and array.dtype == np.float32]
        if known and self.random.random() < 0.5:
            return self.random.choice(known)
        return self.keep(self.numbers.uniform(0.1, 1, shape).astype(np.float32))

    def keep(self, array: Any) -> str:
        name = f"w{len(self.arrays)}"
        self.arrays[name] = np.asarray(array)
        return name

    def few(self, most: int, least: int = 0) -> int:
        return self.random.randint(least, most)

    def axis(self, shape: Extents) -> int:
        return self.random.randrange(len(shape))

    # Operations

    def window(self, name: str, shape: Extents) -> None:
        rank = len(shape) - 2
        if rank < 1:
            return
        kernel = [self.few(3, 1) for _ in range(rank)]
        if self.random.random() < 0.4:
            kernel = [self.few(3, 1)] * rank
        strides, dilations = [self.few(2, 1) for _ in kernel], [self.few(2, 1) for _ in kernel]
        pads = [self.few(kernel[axis % rank] - 1) for axis in range(2 * rank)]
        if self.random.random() < 0.4:
            strides, dilations, pads = [strides[0]] * rank, [1] * rank, [kernel[0] // 2] * (2 * rank)
            kernel = [kernel[0]] * rank
        space = [
            (size + pads[i] + pads[rank + i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
            for i, size in enumerate(shape[2:])
        ]
        if min(space) < 1:
            return
        fields: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": pads}
        if self.random.random() < 0.15:
            del fields["pads"]
            fields["auto_pad"] = self.random.choice(["SAME_UPPER", "SAME_LOWER"])
            space = [-(-size // stride) for size, stride in zip(shape[2:], strides, strict=True)]
        kind = self.random.choice(["Conv", "Conv", "Conv", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool"])
        if kind == "Conv":
            groups = self.random.choice([group for group in (1, 1, 2, shape[1]) if shape[1] % group == 0])
            out = groups * self.few(3, 1)
            weights = [self.store(out, shape[1] // groups, *kernel)]
            weights += [self.store(out)] if self.random.random() < 0.5 else []
            self.add(kind, [name, *weights], (shape[0], out, *space), group=groups, dilations=dilations, **fields)
        elif kind == "GlobalAveragePool":
            self.add(self.random.choice([kind, "GlobalMaxPool"]), [name], (*shape[:2], *[1] * rank))
        elif all(dilation == 1 for dilation in dilations):
            more = {"count_include_pad": self.few(1)} if kind == "AveragePool" else {}
            if "pads" in fields and self.random.random() < 0.3:
                more["ceil_mode"] = 1
                self.add(kind, [name], (0,), **fields, **more)  # nothing goes on from it
                return
            self.add(kind, [name], (*shape[:2], *space), **fields, **more)

    def transposed(self, name: str, shape: Extents) -> None:
        rank = len(shape) - 2
        if rank < 1:
            return
        kernel, strides = [self.few(3, 1) for _ in range(rank)], [self.few(2, 1) for _ in range(rank)]
        if self.random.random() < 0.5:
            kernel, strides = [kernel[0]] * rank, [strides[0]] * rank
        out, groups = self.few(3, 1), self.random.choice([1, shape[1]])
        space = [(size - 1) * stride + extent for size, stride, extent in zip(shape[2:], strides, kernel, strict=True)]
        reads = [name, self.store(shape[1], out, *kernel)]
        self.add("ConvTranspose", reads, (shape[0], out * groups, *space), strides=strides, group=groups)

    def norm(self, name: str, shape: Extents) -> None:
        kind = self.random.choice(["BatchNormalization", "InstanceNormalization", "LayerNormalization"])
        if kind == "LayerNormalization" and shape[-1] > 1:
            self.add(kind, [name, self.store(shape[-1]), self.store(shape[-1])], shape, axis=-1)
        elif kind == "InstanceNormalization" and len(shape) > 2 and shape[1] > 1:
            self.add(kind, [name, self.store(shape[1]), self.store(shape[1])], shape)
        elif kind == "BatchNormalization" and len(shape) > 1 and shape[1] > 1:
            self.add(
                kind,
                [name, *(self.keep(self.numbers.uniform(0.1, 1, shape[1]).astype(np.float32)) for _ in range(4))],
                shape,
            )

    def unary(self, name: str, shape: Extents) -> None:
        kind = self.random.choice([*UNARY, "Clip", "PRelu", "Cast"])
        if kind == "Clip":
            low, high = self.random.choice([(0, 6), (-1, 1), (0, 3)])
            self.add(kind, [name, self.keep(np.float32(low)), self.keep(np.float32(high))], shape)
        elif kind == "PRelu":
            if len(shape) > 1 and shape[1] > 1:
                self.add(kind, [name, self.store(shape[1], *[1] * (len(shape) - 2))], shape)
        elif kind == "Cast":
            whole = self.add(kind, [name], shape, to=TensorProto.INT64)
            self.values.pop()
            self.add(kind, [whole], shape, to=TensorProto.FLOAT)
        else:
            self.add(kind, [name], shape)

    def product(self, name: str, shape: Extents) -> None:
        if len(shape) == 2 and self.random.random() < 0.6:
            out, turned = self.few(6, 2), self.few(1)
            kernel = self.store(*((out, shape[1]) if turned else (shape[1], out)))
            bias = self.random.choice([(), (out,), (1, out), (1,), (shape[0], out), (shape[0], 1), None])
            reads = [name, kernel, *([] if bias is None else [self.store(*bias)])]
            self.add("Gemm", reads, (shape[0], out), transB=turned)
        elif len(shape) > 1 and self.random.random() < 0.6:
            self.add("MatMul", [name, self.store(shape[-1], out := self.few(6, 2))], (*shape[:-1], out))
        elif len(shape) > 1:
            perm = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
            turned_name = self.add("Transpose", [name], (*shape[:-2], shape[-1], shape[-2]), perm=perm)
            self.add("MatMul", [name, turned_name], (*shape[:-1], shape[-2]))

    def stored(self, name: str, shape: Extents) -> None:
        """With stored numbers: one, one for each position of an axis, or all."""
        axis = self.axis(shape)
        along = tuple(extent if i == axis else 1 for i, extent in enumerate(shape))
        taken = self.random.choice([(), along, shape[1:], along[axis:]])
        reads = [name, self.store(*taken)]
        self.random.shuffle(reads)
        if self.random.random() < 0.2:
            reads.insert(0, self.add("Less", reads, shape))
            self.values.pop()
            self.add("Where", reads, shape)
            return
        self.add(self.random.choice(["Add", "Mul", "Sub", "Div", "Max"]), reads, shape)

    def pair(self, name: str, shape: Extents) -> None:
        same = [other for other, found in self.values if found == shape]
        other = self.random.choice(same)
        if self.random.random() < 0.5:
            self.add(self.random.choice(["Add", "Mul", "Sub"]), [name, other], shape)
            return
        axis = self.axis(shape)
        joined = tuple(2 * extent if i == axis else extent for i, extent in enumerate(shape))
        self.add("Concat", [name, other], joined, axis=axis - self.random.choice([0, len(shape)]))

    def cut(self, name: str, shape: Extents) -> None:
        axis = self.axis(shape)
        size = shape[axis]
        if size < 2:
            return
        if self.random.random() < 0.5:
            first = self.few(size - 1, 1)
            parts = [
                tuple(part if i == axis else extent for i, extent in enumerate(shape)) for part in (first, size - first)
            ]
            self.add("Split", [name, self.keep(np.array([first, size - first]))], *parts, axis=axis)
            return
        start, step = self.few(size - 1), self.few(2, 1)
        end = self.random.randint(start + 1, size)
        taken = tuple(len(range(start, end, step)) if i == axis else extent for i, extent in enumerate(shape))
        reads = [name, *(self.keep(np.array([number])) for number in (start, end, axis, step))]
        self.add("Slice", reads, taken)

    def pad(self, name: str, shape: Extents) -> None:
        rank = len(shape)
        pads = [self.few(1) if self.random.random() < 0.4 else 0 for _ in range(2 * rank)]
        padded = tuple(pads[i] + extent + pads[rank + i] for i, extent in enumerate(shape))
        self.add("Pad", [name, self.keep(np.array(pads))], padded, mode=self.random.choice(["constant", "edge"]))

    def transpose(self, name: str, shape: Extents) -> None:
        perm = self.random.sample(range(len(shape)), len(shape))
        self.add("Transpose", [name], tuple(shape[axis] for axis in perm), perm=perm)

    def reshape(self, name: str, shape: Extents) -> None:
        """Axes joined or split at random."""
        extents = list(shape)
        for _ in range(self.few(3, 1)):
            axis = self.random.randrange(len(extents))
            if self.random.random() < 0.5 and axis + 1 < len(extents):
                extents[axis : axis + 2] = [extents[axis] * extents[axis + 1]]
            elif len(extents) < 5:
                part = self.random.choice([n for n in range(1, extents[axis] + 1) if extents[axis] % n == 0])
                extents[axis : axis + 1] = [part, extents[axis] // part]
        if self.random.random() < 0.2:
            extents = list(self.values[0][1]) if prod(self.values[0][1]) == prod(shape) else extents
        self.add("Reshape", [name, self.keep(np.array(extents))], tuple(extents))

    def axes(self, name: str, shape: Extents) -> None:
        ones = [axis for axis, extent in enumerate(shape) if extent == 1]
        kind = self.random.choice(["Squeeze", "Unsqueeze", "Flatten", "Tile", "Expand"])
        if kind == "Squeeze" and ones and len(shape) > 1:
            axis = self.random.choice(ones)
            self.add(kind, [name, self.keep(np.array([axis]))], (*shape[:axis], *shape[axis + 1 :]))
        elif kind == "Unsqueeze" and len(shape) < 5:
            axis = self.few(len(shape))
            self.add(kind, [name, self.keep(np.array([axis]))], (*shape[:axis], 1, *shape[axis:]))
        elif kind == "Flatten":
            axis = self.few(len(shape))
            self.add(kind, [name], (prod(shape[:axis]), prod(shape[axis:])), axis=axis)
        elif kind == "Tile":
            times = [self.random.choice([1, 1, 2]) for _ in shape]
            grown = tuple(extent * count for extent, count in zip(shape, times, strict=True))
            self.add(kind, [name, self.keep(np.array(times))], grown)
        elif kind == "Expand" and ones:
            grown = tuple(3 if extent == 1 else extent for extent in shape)
            self.add(kind, [name, self.keep(np.array(grown))], grown)

    def resize(self, name: str, shape: Extents) -> None:
        if len(shape) not in (3, 4):
            return
        mode = self.random.choice(["nearest", "linear", *(["cubic"] if len(shape) == 4 else [])])
        where = self.random.choice(["half_pixel", "asymmetric", "align_corners"])
        axes = list(range(2, len(shape)))
        sizes = [self.few(9, 1) for _ in axes]
        policy = self.random.choice(["stretch", "stretch", "not_larger", "not_smaller"])
        fields = {"axes": axes, "mode": mode, "coordinate_transformation_mode": where}
        ratios = [np.float32(size) / np.float32(shape[axis]) for axis, size in zip(axes, sizes, strict=True)]
        if policy != "stretch":
            ratio = (min if policy == "not_larger" else max)(ratios)
            sizes_now = [int(np.floor(ratio * shape[axis] + 0.5)) for axis in axes]
        else:
            sizes_now = sizes
        if min(sizes_now) < 1:
            return
        reads = [name, "", "", self.keep(np.array(sizes))]
        self.add("Resize", reads, (*shape[:2], *sizes_now), keep_aspect_ratio_policy=policy, **fields)

    def reduce(self, name: str, shape: Extents) -> None:
        axes = sorted(self.random.sample(range(len(shape)), self.few(len(shape), 1)))
        keep = self.few(1)
        kept = tuple(1 if i in axes else extent for i, extent in enumerate(shape))
        left = kept if keep else tuple(extent for i, extent in enumerate(shape) if i not in axes)
        kind = self.random.choice(["ReduceMean", "ReduceMean", "ReduceMax", "ReduceSum", "ReduceL2"])
        if left:
            self.add(kind, [name, self.keep(np.array(axes))], left, keepdims=keep)

    def choose(self, name: str, shape: Extents) -> None:
        axis = self.axis(shape)
        kind = self.random.choice(["Gather", "Gather", "TopK", "ArgMax"])
        if kind == "Gather":
            indices = [self.few(shape[axis] - 1) for _ in range(self.few(3, 1))]
            taken = (*shape[:axis], len(indices), *shape[axis + 1 :])
            self.add(kind, [name, self.keep(np.array(indices))], taken, axis=axis)
        elif kind == "TopK":
            count = self.few(shape[axis], 1)
            taken = (*shape[:axis], count, *shape[axis + 1 :])
            self.add(kind, [name, self.keep(np.array([count]))], taken, (0,), axis=axis)
        else:
            self.add(kind, [name], (*shape[:axis], 1, *shape[axis + 1 :]), axis=axis)
            self.values.pop()

    def softmax(self, name: str, shape: Extents) -> None:
        self.add(self.random.choice(["Softmax", "LogSoftmax"]), [name], shape, axis=self.axis(shape))

    def depth(self, name: str, shape: Extents) -> None:
        if len(shape) != 4:
            return
        n, c, h, w = shape
        if c % 4 == 0 and self.random.random() < 0.5:
            self.add(
                "DepthToSpace", [name], (n, c // 4, 2 * h, 2 * w), blocksize=2, mode=self.random.choice(["DCR", "CRD"])
            )
        elif h % 2 == 0 and w % 2 == 0:
            self.add("SpaceToDepth", [name], (n, 4 * c, h // 2, w // 2), blocksize=2)

    def sequence(self, name: str, shape: Extents) -> None:
        if len(shape) != 3:
            return
        kind, hidden, ways = self.random.choice(["LSTM", "GRU", "RNN"]), self.few(4, 1), self.few(2, 1)
        gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
        weights = [self.store(ways, gates * hidden, shape[2]), self.store(ways, gates * hidden, hidden)]
        weights += [self.store(ways, 2 * gates * hidden)] if self.random.random() < 0.5 else []
        direction = "bidirectional" if ways == 2 else self.random.choice(["forward", "reverse"])
        shapes = (shape[0], ways, shape[1], hidden), (ways, shape[1], hidden)
        self.add(kind, [name, *weights], *shapes, hidden_size=hidden, direction=direction)
