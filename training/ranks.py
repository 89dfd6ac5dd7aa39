"""Several processes that learn as one: `torchrun --nproc-per-node K train.py ...`.

Each rank steps its own environments, keeps its share of the replay, and samples its share of each minibatch. The
networks are common to all: gradients are averaged before each optimizer's step, in one flat all-reduce, so that K ranks
with batches of B/K make, in expectation, the step of one rank with B. The normalisers' statistics are merged after each
step of the environments. Rank 0 evaluates and logs.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from agent import SAC, Agent
from training import checkpoint
from training.calls import interpreter
from training.config.flags import Config
from training.errors import RunFailed, UserError

DIVIDED = ("num_envs", "batch_size", "buffer_size")  # flags whose values are divided among the ranks
PATIENCE = timedelta(hours=2)  # while rank 0 evaluates, the others wait


@dataclass(frozen=True)
class Ranks:
    """This process's rank among `count`, and its collective operations, which do nothing if it is alone."""

    rank: int = 0
    count: int = 1
    local_count: int = 1
    local_rank: int = 0  # among those on this machine

    @staticmethod
    def from_environment() -> Ranks:
        """Ranks from torchrun's environment variables; alone without them."""
        default = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1, "LOCAL_RANK": 0}
        return Ranks(*(int(os.environ.get(name, value)) for name, value in default.items()))

    def join(self) -> None:
        """Connect with the other ranks; a second call does nothing."""
        if self.count == 1 or dist.is_initialized():
            return
        if self.local_rank < torch.cuda.device_count():  # before anything else takes memory of the first one
            torch.cuda.set_device(self.local_rank)
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)

    @property
    def launcher(self) -> str:
        """First words of a command that starts as many ranks on this machine, with the running interpreter."""
        start = f" -m torch.distributed.run --nproc-per-node {self.local_count}" if self.count > 1 else ""
        return interpreter() + start

    def leave(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()

    # ------------------------------------------------------------------ dividing

    def device(self, device: torch.device) -> torch.device:
        """This rank's device. Raises UserError if there are fewer GPUs than ranks, or one GPU was named for all."""
        if device.type != "cuda":
            return device
        if self.count > 1:
            if device.index is not None:
                raise UserError(f"--device {device} is one for {self.count} ranks: leave it to auto.")
            if self.local_count > (there := torch.cuda.device_count()):
                raise UserError(f"{self.local_count} ranks need as many GPUs, and there are {there}.")
            device = torch.device("cuda", self.local_rank)
        if device.index is not None:
            torch.cuda.set_device(device)  # streams and graphs are made on the current one
        return device

    def local_config(self, config: Config) -> Config:
        """One rank's share of `config`. Raises UserError if `config` cannot be divided."""
        if config.goals == "latent" and self.count > 1:
            raise UserError("--goals latent has one autoencoder, and ranks would train one each: learn with one rank.")
        for name in DIVIDED:
            if getattr(config, name) % self.count:
                raise UserError(
                    f"--{name.replace('_', '-')} {getattr(config, name)} cannot be divided among {self.count} ranks: "
                    f"choose a multiple of {self.count}."
                )
        return replace(config, **{name: getattr(config, name) // self.count for name in DIVIDED})

    # ------------------------------------------------------------------ learning

    def sync_parameters(self, learner: SAC) -> None:
        """Copy rank 0's weights to `learner`; from here on, average gradients over all ranks before each step."""
        if self.count == 1:
            return
        for tensor in (*learner.agent.state_dict().values(), learner.log_alpha.data):
            self._collective(dist.broadcast, tensor, 0)
        for optimizer in learner.optimizers.values():
            optimizer.register_step_pre_hook(self._average_gradients)

    def _average_gradients(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        parameters = (one for group in optimizer.param_groups for one in group["params"])
        gradients = [one.grad for one in parameters if one.grad is not None]
        if not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        self.sum(flat)
        flat /= self.count
        parts = flat.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [part.view_as(own) for part, own in zip(parts, gradients, strict=True)])

    def sum(self, tensor: Tensor) -> None:
        """Sum `tensor` over all ranks, in place."""
        if self.count > 1:
            self._collective(dist.all_reduce, tensor)

    def any_signal(self, stopping: signal.Signals | None) -> signal.Signals | None:
        """Signal sent to any of the ranks, or None, so that all stop after the same step."""
        if self.count == 1:
            return stopping
        number = torch.tensor(stopping or 0)
        self._collective(dist.all_reduce, number, dist.ReduceOp.MAX)
        return signal.Signals(int(number)) if number else None

    def minimum(self, number: int) -> int:
        """Least of all ranks' numbers."""
        least = torch.tensor(number)
        if self.count > 1:
            self._collective(dist.all_reduce, least, dist.ReduceOp.MIN)
        return int(least)

    def broadcast(self, value: str) -> str:
        """Value of rank 0, on all ranks."""
        if self.count == 1:
            return value
        values = [value]
        self._collective(dist.broadcast_object_list, values, 0)
        return values[0]

    def barrier(self) -> None:
        """Wait for the other ranks."""
        if self.count > 1:
            self._collective(dist.barrier)

    def _collective(self, collective: Any, *arguments: Any) -> None:
        try:
            collective(*arguments)
        except RuntimeError as error:  # gloo's and NCCL's, when another process is gone
            reason = str(error).strip().splitlines()[-1][:200]
            raise RunFailed(
                f"rank {self.rank} of {self.count} has lost the others ({reason}): anything saved before is intact; "
                "continue with --resume."
            ) from error

    # ------------------------------------------------------------------ saving

    def save(self, state: dict[str, Any], folder: Path, step: int) -> None:
        """Save each rank's state. Only rank 0's file makes the checkpoint count, so it is written after all others."""
        if self.rank:
            checkpoint.save(state, folder / _part(self.rank, step))
        self.barrier()
        if not self.rank:
            checkpoint.save(state | {"ranks": self.count}, folder / checkpoint.RESUME)
            current = {folder / _part(rank, step) for rank in range(1, self.count)}
            for file in (folder / checkpoint.RESUME).parent.glob("rank-*"):
                if file not in current:
                    file.unlink()
        self.barrier()

    def load(self, folder: Path, count: int, step: int) -> list[dict[str, Any]]:
        """Load this rank's state of `step`, or all ranks' if their number in the checkpoint, `count`, is another one.

        Raises UserError if a file cannot be read.
        """
        wanted = [self.rank] if count == self.count else range(count)
        files = [folder / (_part(rank, step) if rank else checkpoint.RESUME) for rank in wanted]
        return [checkpoint.load(file, "cpu") for file in files]


ALONE = Ranks()


def _part(rank: int, step: int) -> Path:
    return Path(checkpoint.RESUME).parent / f"rank-{rank}-step-{step}.pt"


class Statistics:
    """Normalisers that stay equal on all ranks: observations are summed over the ranks before they are merged."""

    def __init__(self, agent: Agent, ranks: Ranks) -> None:
        self.agent, self.ranks = agent, ranks
        self.shown: list[tuple[Tensor, ...]] = []

    def update_normalizers(
        self, vector: Tensor, goal: Tensor, achieved_goal: Tensor, state: Tensor | None = None
    ) -> None:
        """Update as `Agent.update_normalizers` does; with other ranks, at the next `merge`."""
        if self.ranks.count == 1:
            self.agent.update_normalizers(vector, goal, achieved_goal, state)
        else:
            self.shown.append(tuple(self.agent.normalized_vectors(vector, goal, achieved_goal, state)))

    def merge(self) -> None:
        """Merge the latest observations of all ranks. All ranks call this once per step."""
        if self.ranks.count == 1:
            return
        rows = torch.cat([torch.cat(parts, dim=1) for parts in self.shown]).to(torch.float64)
        self.shown.clear()
        sums = torch.cat([rows.new_tensor([len(rows)]), rows.sum(0), rows.square().sum(0)])
        self.ranks.sum(sums)
        count, rest = sums[0], sums[1:] / sums[0]
        mean, square = rest.chunk(2)
        variance = (square - mean.square()).clamp(min=0)
        normalizers = self.agent.normalizers
        sizes = [len(one.shift) for one in normalizers]
        for normalizer, *moments in zip(normalizers, mean.split(sizes), variance.split(sizes), strict=True):
            normalizer.merge(count, *moments)
