"""Our Adam against torch's own."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from agent.adam import Adam


def made(kind: type[torch.optim.Adam], network: nn.Sequential) -> torch.optim.Adam:
    first, last = network[0].parameters(), network[2].parameters()
    groups: list[dict[str, Any]] = [{"params": list(first)}, {"params": list(last), "lr": 3e-4}]
    return kind(groups, lr=1e-2, fused=True)


def test_it_is_torchs_to_the_last_bit_also_where_some_have_no_gradient_and_after_loading() -> None:
    ours = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))
    torchs = copy.deepcopy(ours)
    optimizers = [made(Adam, ours), made(torch.optim.Adam, torchs)]
    for number in range(12):
        inputs = torch.randn(8, 5)
        for network, optimizer in zip((ours, torchs), optimizers, strict=True):
            optimizer.zero_grad()
            network(inputs).square().sum().backward()
            if number % 3 == 1:  # as where one loss reaches only a part of what an optimizer owns
                network[0].bias.grad = None
            if number % 4 == 2:
                network[2].weight.grad = network[2].bias.grad = None
            optimizer.step()
        assert all(map(torch.equal, ours.parameters(), torchs.parameters()))
        if number == 5:  # each goes on from the other's state
            states = [copy.deepcopy(optimizer.state_dict()) for optimizer in optimizers]
            optimizers = [made(Adam, ours), made(torch.optim.Adam, torchs)]
            for optimizer, state in zip(optimizers, reversed(states), strict=True):
                optimizer.load_state_dict(state)


def test_hooks_come_before_the_step_and_see_the_gradients() -> None:
    network = nn.Linear(3, 1)
    optimizer, before = Adam(network.parameters(), lr=0.1), network.weight.detach().clone()
    seen: list[bool] = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(torch.equal(network.weight, before)))
    network(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    assert seen == [True] and not torch.equal(network.weight, before)
    optimizer.zero_grad()
    assert network.weight.grad is None
