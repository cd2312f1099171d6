"""The passes that an export runs, in order, for each runtime it may be for."""

from __future__ import annotations

from compiler.onnx_target.options import ExportOptions
from compiler.passes.base import Pass
from compiler.passes.drop_identities import DropIdentities
from compiler.passes.drop_unused import DropUnused
from compiler.passes.fill_channels import FillChannels
from compiler.passes.fold_affine_back import FoldAffineBack
from compiler.passes.fold_affine_forward import FoldAffineForward
from compiler.passes.fold_standardization import FoldStandardization
from compiler.passes.fold_weight_norm import FoldWeightNorm
from compiler.passes.fuse_attention import FuseAttention
from compiler.passes.join_groups import JoinGroups
from compiler.passes.leave_windows_later import LeaveWindowsLater
from compiler.passes.merge_affine import MergeAffine
from compiler.passes.merge_duplicates import MergeDuplicates
from compiler.passes.merge_pads import MergePads
from compiler.passes.pad_by_kernel import PadByKernel
from compiler.passes.split_kernels import SplitKernels
from compiler.passes.take_expectation import TakeExpectation

EXACT: tuple[Pass, ...] = (
    TakeExpectation(),  # leaves factors of one
    DropIdentities(),  # which stand between what the others look for
    MergeDuplicates(),
    MergePads(),
    DropUnused(),  # what only lent its extents; a reader that leads nowhere keeps a layer from being folded
    FoldStandardization(),
    FoldWeightNorm(),  # only a kernel can be folded into
    FoldAffineBack(),  # before the merge: what a layer takes needs no form of its own
    MergeAffine(),  # before the fold forward, which then meets one operation and not several
    FoldAffineForward(),
    LeaveWindowsLater(),  # once nothing stands between windows and a sum that other passes take away
)
"""Rewrites that compute the same with less, whatever runs them. In this order one run finds nearly all there is: what a
later pass makes possible for an earlier one, as a rectifier behind another once the scale between them has moved, is
not looked for again."""

FOR_CPU: tuple[Pass, ...] = (
    *EXACT,
    PadByKernel(),
    JoinGroups(),
    FillChannels(),  # leaves layers of 12 channels with 16
    SplitKernels(),
    FuseAttention(),
)
"""The passes for ONNX Runtime's CPU provider in single precision, with forms that a measurement supports there."""


def choose_passes(options: ExportOptions) -> tuple[Pass, ...]:
    """Choose the passes for a runtime. Integers have other kernels, without blocks of channels: no form was measured
    there."""
    return FOR_CPU if (options.target, options.precision) == ("cpu", "fp32") else EXACT
