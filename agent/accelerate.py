"""What makes the same `update()` faster. Nothing here changes what is computed, only how it is rounded and stored."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from agent.actor_critic import ActorCritic
from agent.networks import MLP
from agent.sac import SAC
from agent.sights import Sights
from encoders import PixelEncoder
from encoders.convolutions import Convolutions
from encoders.heads import FlatTrunk
from replay.batch import Batch

CHUNK = 64  # pictures


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return torch.version.hip is not None or torch.cuda.get_device_properties(device).major >= 8
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))  # x86, x86, ARM


def use_bfloat16(agent: ActorCritic) -> None:
    """In the convolutions, the flat trunk behind them and the middle layers of actor and critics; weights, losses and
    optimizers stay float32."""
    for module in _modules(agent):
        if isinstance(module, MLP | Convolutions | FlatTrunk):
            module.in_bfloat16 = True


def fit_cache(agent: ActorCritic) -> None:
    """Encode so few pictures at a time that the maps of a layer are still in the cache when the next one reads them."""
    for module in _modules(agent):
        if isinstance(module, PixelEncoder):
            module.chunk = CHUNK


def leave_a_core(agent: SAC, threads: int) -> None:
    """Have all updates of actor and critics but the first, which is the encoder's too, use one of `threads` fewer."""
    agent.update_heads_again = partial(_with_threads, threads - 1, threads, agent)  # type: ignore[method-assign]


def _with_threads(fewer: int, threads: int, agent: SAC, batches: Sequence[Batch], sights: Sights) -> None:
    torch.set_num_threads(fewer)
    try:
        SAC.update_heads_again(agent, batches, sights)
    finally:
        torch.set_num_threads(threads)


def bare_steps(agent: SAC) -> None:
    """Have the optimizers step by torch's kernel alone.

    Networks as small as these take longer to be sorted by device and dtype, and to be noted for profilers, than to be
    moved. What is computed is the same to the last bit; hooks after a step are not called.
    """
    for optimizer in agent.parts(agent.OPTIMIZERS).values():
        optimizer.step = partial(_step, optimizer)
        optimizer.zero_grad = partial(_forget_gradients, optimizer)


@torch.no_grad()
def _step(adam: torch.optim.Adam) -> None:
    """A step of every parameter that has a gradient (Kingma & Ba 2015)."""
    for hook in adam._optimizer_step_pre_hooks.values():
        hook(adam, (), {})
    for group in adam.param_groups:
        moved = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not moved:
            continue
        states = [adam.state[parameter] or _begin(adam, parameter) for parameter in moved]
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


def _begin(adam: torch.optim.Adam, parameter: Tensor) -> dict[str, Tensor]:
    """The state before a parameter's first step."""
    moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
    adam.state[parameter] = {"step": torch.zeros((), dtype=torch.float32), **moments}
    return adam.state[parameter]


def _forget_gradients(adam: torch.optim.Adam) -> None:
    for group in adam.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def _modules(agent: ActorCritic) -> Iterator[nn.Module]:
    networks = (
        agent.encoder,
        agent.actor_encoder,
        agent.target_encoder,
        agent.actor,
        agent.critic,
        agent.target_critic,
    )
    return (module for network in networks if network is not None for module in network.modules())


def set_up(threads: int) -> None:
    """Set up this process for a learner: so many threads for what a CPU computes, and float32 that is float32."""
    torch.set_num_threads(threads)
    keep_memory()
    torch.backends.cudnn.allow_tf32 = False  # by default a GPU's convolutions round weights to 10 bits


def keep_memory() -> None:
    """Tell glibc to keep freed memory instead of handing it back.

    Every intermediate tensor above 128 KiB would otherwise be mapped afresh, and its page faults cost more than the
    arithmetic on it. Does nothing where the C library is another one.
    """
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(M_MMAP_THRESHOLD, 1 << 30)
    mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
