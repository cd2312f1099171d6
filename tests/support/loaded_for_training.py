"""What a training loads while it goes on, for processes that are forked: loaded once, before."""

from __future__ import annotations

import safetensors.numpy  # noqa: F401
import torch._dynamo
import torch.distributed.fsdp  # noqa: F401

import compiler.torch_target.rules  # noqa: F401
import tests.support.killed_training
import tests.support.together  # noqa: F401
