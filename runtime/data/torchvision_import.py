"""torchvision beside any build of torch: its wheel is made for one, and its Python code needs none of its operators."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

from archspec.extras import extra

with extra("train"):
    import torch

_BOXES = "Tensor dets, Tensor scores, float iou_threshold"
_PLACES = "Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width"
_BACKWARD = "SymInt batch_size, SymInt channels, SymInt height, SymInt width"
_POOLED = "Tensor grad, Tensor rois, Tensor {}, float spatial_scale, SymInt pooled_height, SymInt pooled_width"
_ALIGNED = "Tensor grad, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width"
_QUANTIZED = (
    "Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale, int rois_zero_point, "
    "float spatial_scale, SymInt pooled_height, SymInt pooled_width"
)
_DEFORMED = (
    "Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, "
    "SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask"
)

SCHEMAS = (
    f"nms({_BOXES}) -> Tensor",
    f"qnms({_BOXES}) -> Tensor",
    "box_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor",
    f"roi_align({_PLACES}, int sampling_ratio, bool aligned) -> Tensor",
    f"qroi_align({_QUANTIZED}, int sampling_ratio, bool aligned) -> Tensor",
    f"roi_pool({_PLACES}) -> (Tensor, Tensor)",
    f"ps_roi_align({_PLACES}, int sampling_ratio) -> (Tensor, Tensor)",
    f"ps_roi_pool({_PLACES}) -> (Tensor, Tensor)",
    f"deform_conv2d(Tensor input, {_DEFORMED}) -> Tensor",
    f"_roi_align_backward({_ALIGNED}, {_BACKWARD}, int sampling_ratio, bool aligned) -> Tensor",
    f"_roi_pool_backward({_POOLED.format('argmax')}, {_BACKWARD}) -> Tensor",
    f"_ps_roi_align_backward({_POOLED.format('channel_mapping')}, int sampling_ratio, {_BACKWARD}) -> Tensor",
    f"_ps_roi_pool_backward({_POOLED.format('channel_mapping')}, {_BACKWARD}) -> Tensor",
    f"_deform_conv2d_backward(Tensor grad, Tensor input, {_DEFORMED}) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
"""What torchvision's compiled part declares of its operators, for the imports that look for them. Nothing computes
them: torch says so where one is called."""

_DECLARED: list[torch.library.Library] = []
"""Declarations end with the object that made them, so it is kept."""


@cache
def import_torchvision(name: str = "torchvision") -> ModuleType:
    """Import a module of torchvision, also beside a build of torch with which its compiled part does not load, as the
    wheel for CUDA beside torch for CPUs. Only then its operators are declared.

    Raises MissingExtra where it is not installed.
    """
    with extra("train"):
        try:
            return importlib.import_module(name)
        except RuntimeError as error:
            if _DECLARED or "operator torchvision::" not in str(error):
                raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        _DECLARED.append(library)
        for schema in SCHEMAS:
            library.define(schema)
        return importlib.import_module(name)
