"""Speed-ups of `update()`: they change how numbers are rounded and stored, never what is computed."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from agent.agent import Agent
from agent.networks import MLP
from auxiliary.autoencoder import Autoencoder
from encoders import PixelEncoder
from encoders.convolutions import Convolutions
from encoders.pooling import FlatTrunk

CHUNK = 64  # images


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return torch.version.hip is not None or torch.cuda.get_device_properties(device).major >= 8
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))  # x86, x86, ARM


def use_bfloat16(agent: Agent) -> None:
    """Compute in bfloat16 in the convolutions, the flat trunk, a decoder and the middle layers of actor and critics;
    weights, losses and optimizers stay float32."""
    for module in agent.modules():
        if isinstance(module, MLP | Convolutions | FlatTrunk | Autoencoder):
            module.in_bfloat16 = True


def fit_cache(agent: Agent) -> None:
    """Encode CHUNK images at a time: a layer's maps are then still in the cache when the next layer reads them."""
    for module in agent.modules():
        if isinstance(module, PixelEncoder):
            module.chunk = CHUNK


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set torch's number of threads to `count` inside the context; restore the previous number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class BareAdam(torch.optim.Adam):
    """Adam on a CPU that calls torch's fused kernel directly.

    For networks this small, torch's work around the kernel (grouping tensors, profiler hooks) takes longer than Adam
    itself. Results equal torch's Adam bit for bit; post-step hooks are not called.
    """

    def zero_grad(self, set_to_none: bool = True) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient (Kingma & Ba 2015)."""
        for hook in self._optimizer_step_pre_hooks.values():
            hook(self, (), {})
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not moved:
                continue
            states = [self.state[parameter] or self._begin(parameter) for parameter in moved]
            steps = [state["step"] for state in states]
            torch._foreach_add_(steps, 1)
            beta1, beta2 = group["betas"]
            torch._fused_adam_(
                moved,
                [parameter.grad for parameter in moved],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                steps,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=0.0,
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    step.hooked = True  # type: ignore[attr-defined]  # otherwise torch wraps `step`, and the wrapper is the slow part

    def _begin(self, parameter: Tensor) -> dict[str, Tensor]:
        """Create the optimizer state of a parameter before its first step."""
        moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        self.state[parameter] = {"step": torch.zeros((), dtype=torch.float32), **moments}
        return self.state[parameter]


def set_up(count: int) -> None:
    """Set up this process for a learner: `count` CPU threads, freed memory kept, convolutions in full float32."""
    torch.set_num_threads(count)
    keep_memory()
    torch.backends.cudnn.allow_tf32 = False  # by default, convolutions on a GPU round to TF32's 10-bit mantissa


def keep_memory() -> None:
    """Tell glibc to keep freed memory instead of handing it back.

    Otherwise every intermediate tensor above 128 KiB would be mapped anew, and its page faults would cost more than its
    arithmetic. Does nothing with another C library.
    """
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(M_MMAP_THRESHOLD, 1 << 30)
    mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
