"""Diagnostics beyond the losses: how well Q explains its targets, what Q depends on, and what the encoder sees.

Measured for each row of the log, on transitions sampled for this alone. The run's own random numbers are left alone:
without diagnostics, the run is bit for bit the same.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from agent import SAC, Agent
from agent.features import Features, encode
from auxiliary import Auxiliary
from replay import Batch, Ring
from training.config.flags import Config
from training.logger import Row
from training.seeds import independent_seeds
from training.updates import Updates

DORMANT = 0.025  # Sokar et al. 2023: a unit whose mean activation is at most this fraction of its layer's
ACTIONS = 8  # random actions per state
RIDGE = 1e-2  # weight of the readout's penalty, per sample
KINDS = {"original": 0.0, "relabelled": 1.0}  # minibatch -> fraction of relabelled goals


@torch.no_grad()
def diagnose(sac: SAC, updates: Updates, seed: int) -> Row:
    """Measures of an agent, on one minibatch of original goals and one of relabelled goals.

    - td_loss_original, td_loss_relabelled: the critics' loss on each minibatch; without hindsight there is no
      relabelled one.
    - explained_variance: 1 - E[(y - Q)^2] / Var[y], over both minibatches.
    - action_gap: standard deviation of Q over random actions, in the mean over transitions, as a fraction of Q's
      standard deviation over transitions; for original goals.
    - goal_gap: mean absolute change of Q if the goals are shuffled, as a fraction of the same standard deviation.
    - dormant_units: fraction of the critics' hidden units that are dormant (Sokar et al. 2023).
    - readout_cm: RMSE in centimetres of a linear readout of the achieved goal from the images' features, fitted on one
      minibatch and tested on the other (other transitions, some of the same episodes); from images, with goals in
      metres.
    - encoder_grad_norm_NAME: L2 norm of the encoder's gradient by the critics' loss and by each auxiliary loss, with
      its weight, on a minibatch sampled as in training; for losses that train an encoder of images.

    Images are shifted as in training.

    Args:
        sac: the learner.
        updates: samples the minibatches.
        seed: of the random numbers.
    """
    shift, hindsight = updates.learner.shift, updates.ring.her_ratio > 0
    with _own_numbers([sac.agent.generator, shift.generator], seed):
        seeds = dict(zip(KINDS, independent_seeds(seed, len(KINDS)), strict=True))
        batches = {kind: shift(sample(updates, ratio, seeds[kind])) for kind, ratio in KINDS.items()}
        features = {kind: encode(sac.agent, batch) for kind, batch in batches.items()}
        row: Row = {}
        errors, targets = [], []
        for kind, batch in batches.items():
            target = sac.target(batch, features[kind])
            error = torch.stack(q_of(sac.agent, features[kind], batch.goal, batch.action)) - target  # (2, B)
            if kind == "original" or hindsight:
                row[f"td_loss_{kind}"] = error.square().mean().item()
            errors.append(error)
            targets.append(target)
        row["explained_variance"] = explained_variance(torch.cat(errors, dim=1), torch.cat(targets))
        row |= gaps(sac.agent, batches["original"], features["original"])
        row["dormant_units"] = dormant(sac.agent, batches["original"], features["original"])
        if updates.config.sees_images:
            if updates.config.goals == "environment":
                row["readout_cm"] = 100 * readout(*(seen(sac.agent, features[kind], batches[kind]) for kind in KINDS))
            row |= encoder_gradients(sac, shift(sample(updates, updates.ring.her_ratio, seed)))
    return row


@torch.enable_grad()
def encoder_gradients(sac: SAC, batch: Batch) -> Row:
    """Compute encoder_grad_norm_NAME (see `diagnose`) without touching any parameter's own gradient."""
    agent, features = sac.agent, encode(sac.agent, batch)
    parameters = [one for one in agent.encoder.parameters() if one.requires_grad]
    assert features.encoded is not None
    losses = {name: cast(Auxiliary, one).loss(features.encoded, batch)[0] for name, one in agent.auxiliaries.items()}
    if sac.routing.critic_trains:
        error = torch.stack(q_of(agent, features, batch.goal, batch.action)) - sac.target(batch, features)  # (2, B)
        losses["critic"] = error.square().mean()
    row: Row = {}
    for name, loss in losses.items():
        slopes = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        row[f"encoder_grad_norm_{name}"] = torch.stack(torch._foreach_norm(slopes)).norm().item()
    return row


@contextmanager
def _own_numbers(generators: Sequence[torch.Generator], seed: int) -> Iterator[None]:
    """Seed the generators with `seed` inside the context, and restore their states after it."""
    before = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def sample(updates: Updates, her_ratio: float, seed: int) -> Batch:
    """Sample a minibatch as for the first step of an update, with a fraction `her_ratio` of relabelled goals;
    of none without hindsight."""
    ring: Ring = copy.copy(updates.ring)  # the same storage
    ring.her_ratio = her_ratio if ring.her_ratio else 0.0
    ring.generator = torch.Generator(ring.device).manual_seed(seed)
    apart = copy.copy(updates)
    apart.ring = ring
    config: Config = updates.config
    size = config.goals_per_image * config.batch_size
    return apart.sample()[0].to(updates.device).split(size)[0]


def q_of(agent: Agent, features: Features, goal: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Both critics' Q, (B,) each."""
    return agent.critic(agent.critic_state(features.critic, goal), action)


def explained_variance(error: Tensor, target: Tensor) -> float:
    """1 - E[error^2] / Var[target], of errors (..., B) and targets (B,); 0 if all targets are the same."""
    variance = target.var(correction=0)
    return (1 - error.square().mean() / variance).item() if variance > 0 else 0.0


def gaps(agent: Agent, batch: Batch, features: Features) -> Row:
    """Compute action_gap and goal_gap (see `diagnose`); 0 where Q is the same for all transitions."""

    def q_with(goal: Tensor, action: Tensor) -> Tensor:
        return torch.minimum(*q_of(agent, features, goal, action))

    q = q_with(batch.goal, batch.action)
    shape = ACTIONS, *batch.action.shape
    actions = torch.rand(shape, device=q.device, generator=agent.generator) * 2 - 1
    over_actions = torch.stack([q_with(batch.goal, one) for one in actions]).std(0).mean()
    shuffled = (q_with(batch.goal.roll(1, 0), batch.action) - q).abs().mean()
    spread = q.std()
    return {
        name: (gap / spread).item() if spread > 0 else 0.0
        for name, gap in (("action_gap", over_actions), ("goal_gap", shuffled))
    }


def dormant(agent: Agent, batch: Batch, features: Features) -> float:
    """Fraction of the critics' hidden units whose mean activation is at most DORMANT times their layer's mean."""
    activity: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output: activity.append(output.float().mean(0)))
        for layer in agent.critic.modules()
        if isinstance(layer, nn.ReLU)
    ]
    q_of(agent, features, batch.goal, batch.action)
    for hook in hooks:
        hook.remove()
    return torch.cat([unit <= DORMANT * unit.mean() for unit in activity]).float().mean().item()


def seen(agent: Agent, features: Features, batch: Batch) -> tuple[Tensor, Tensor]:
    """Features of the images (P, F) and the achieved goals (P, G), float64."""
    encoded = features.encoded
    assert encoded is not None
    images = encoded.shape[1] - agent.config.vector_size  # they come first
    return encoded[:, :images].double(), batch.achieved_goal.double()


def readout(fitted: tuple[Tensor, Tensor], tested: tuple[Tensor, Tensor]) -> float:
    """RMSE (Euclidean) of a ridge regression, fitted on inputs (P, F) and outputs (P, G) and tested on others."""
    inputs, outputs = fitted
    mean, scale = inputs.mean(0), inputs.std(0) + 1e-6
    middle, inputs = outputs.mean(0), (inputs - mean) / scale
    penalty = RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=inputs.dtype, device=inputs.device)
    weights = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ (outputs - middle))
    error = (tested[0] - mean) / scale @ weights + middle - tested[1]
    return error.square().sum(1).mean().sqrt().item()
