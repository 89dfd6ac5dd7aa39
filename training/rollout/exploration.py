"""Exploration: occasional uniformly random actions, episodes that begin with a scripted push or grasp, and, if wanted,
scheduled noise instead of the policy's own."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import torch
from torch import Tensor

FEWEST, MOST, MOST_GRASPING = 3, 14, 20  # guided steps at the start of a guided episode
FADE = 3  # power of the share of recent episodes that failed
WOBBLE = 0.3  # standard deviation of the noise on a guided action
# Metres:
STRIDE = 0.05  # displacement that an action of 1 asks for
REACH = 0.03  # distance from the object within which the hand comes down, and the fingers close
TOLERANCE = 0.02  # distance from a point, a line or a height that counts as there
BEHIND = 0.06  # distance behind the object at which a push begins
ABOVE = 0.06  # height above the object at which the hand approaches
RAISE = 0.02  # rise that a step asks for while the fingers close


class NoiseSchedule(NamedTuple):
    """Standard deviation of Gaussian noise on the policy's mean action, as in DrQ-v2 (Yarats et al. 2021): from `first`
    to `last` in a straight line over `steps` environment steps, and `last` from then on."""

    first: float
    last: float
    steps: float

    @staticmethod
    def parse(text: str) -> NoiseSchedule:
        """Read linear(FIRST,LAST,STEPS). Raises ValueError, with a sentence, for any other text."""
        found = re.fullmatch(r"linear\(([^,]+),([^,]+),([^,]+)\)", text)
        try:
            schedule = NoiseSchedule(*map(float, found.groups())) if found else None
        except ValueError:
            schedule = None
        if schedule is None or not (
            0 <= schedule.first <= 10 and 0 <= schedule.last <= 10 and 1 <= schedule.steps <= 1e12
        ):
            raise ValueError(
                f"{text!r} is no schedule: write 'linear(FIRST,LAST,STEPS)', as in 'linear(1.0,0.1,100000)', with "
                "standard deviations from 0 to 10 and at least one step."
            )
        return schedule

    def at(self, step: int) -> float:
        """Standard deviation at `step` of the run."""
        return self.first + (self.last - self.first) * min(1.0, step / self.steps)


class Explorer:
    """Replaces some of the policy's actions.

    Random actions touch the object in one episode of six; where nothing moves, hindsight has nothing to teach. A guided
    episode opens with a few scripted steps, whatever the goal: the hand goes behind the object and pushes it in a
    random direction or, if the fingers move, comes down on the object and goes up again while they close, which lifts
    it more often than not. Then the policy goes on. (Andrychowicz et al. 2017 begin half of the episodes with the
    object in the hand; Luo et al. 2022 learn the way to the object, here it is scripted.) The fraction of guided
    episodes falls with success, for they soon get in the policy's way: it is `guided_episodes` times the cube of the
    fraction of recent episodes that failed. The networks are not shown which episodes are guided.

    Args:
        num_envs, action_size: N, A.
        random_actions: probability of a uniformly random action, per environment and step.
        guided_episodes: fraction of guided episodes while all fail.
        grasps: whether the fingers move, by the fourth action.
        device, seed: of the random numbers.

    Attributes:
        noise: standard deviation of the noise added to the given actions, which are then the policy's means; None for
            none. The sum is clipped to [-1, 1].
    """

    noise: float | None = None

    def __init__(
        self,
        num_envs: int,
        action_size: int,
        random_actions: float,
        guided_episodes: float,
        grasps: bool,
        device: Any,
        seed: int,
    ) -> None:
        self.random_actions, self.guided_episodes, self.grasps = random_actions, guided_episodes, grasps
        self.most = MOST_GRASPING if grasps else MOST
        self.shape = (num_envs, action_size)
        self.device = device
        self.generator = torch.Generator(device).manual_seed(seed)
        self.guided_steps = torch.zeros(num_envs, dtype=torch.int64, device=device)  # still to come, (N,)
        self.heading = torch.zeros(num_envs, 2, device=device)  # of the push, a unit vector

    def begin(self, env_indices: Tensor, success_rate: float) -> None:
        """Sample whether, and for how many steps, the episodes opening in `env_indices` (D,) are guided."""
        uniform = self._uniform(3, len(env_indices))
        steps = FEWEST + (uniform[0] * (self.most + 1 - FEWEST)).long()
        guided = uniform[1] < self.guided_episodes * (1 - success_rate) ** FADE
        self.guided_steps[env_indices] = torch.where(guided, steps, 0)
        angle = uniform[2] * 2 * math.pi
        self.heading[env_indices] = torch.stack([angle.cos(), angle.sin()], dim=1)

    def explore(self, action: Tensor | None, to_object: Tensor | None) -> Tensor:
        """Actions (N, A) to take instead of the policy's `action` (N, A), which is None if the policy cannot act yet.

        Args:
            to_object: vector from the gripper to the object (N, 3) in metres; None where nothing is guided.
        """
        uniform = self._uniform(self.shape[0], self.shape[1] + 1)
        random_action = uniform[:, 1:] * 2 - 1
        if action is None:
            action = random_action.clone()
        else:
            if self.noise is not None:
                spread = torch.randn(self.shape, generator=self.generator, device=self.device)
                action = (action + self.noise * spread).clamp(-1, 1)
            action = torch.where(uniform[:, :1] < self.random_actions, random_action, action)
        if to_object is None:
            return action
        guided = random_action  # without moving fingers, the fourth action does nothing
        if self.grasps:
            way, guided[:, 3] = self._grasp(to_object)
        else:
            way = self._push(to_object)
        wobble = torch.randn(way.shape, generator=self.generator, device=self.device)
        guided[:, :3] = ((way / STRIDE).clamp(-1, 1) + WOBBLE * wobble).clamp(-1, 1)
        action = torch.where(self.guided_steps[:, None] > 0, guided, action)
        self.guided_steps -= 1
        return action

    def _push(self, to_object: Tensor) -> Tensor:
        """Displacement (N, 3) of the hand: to behind the object, high until near it, then through the object."""
        along = -(to_object[:, :2] * self.heading).sum(1, keepdim=True)  # of the hand as seen from the object, (N, 1)
        off_line = -to_object[:, :2] - along * self.heading
        in_line = (along[:, 0] < -TOLERANCE) & (off_line.norm(dim=1) < TOLERANCE)
        low = to_object[:, 2].abs() < TOLERANCE

        begin = to_object.clone()
        begin[:, :2] -= BEHIND * self.heading
        begin[:, 2] += torch.where(in_line | (begin[:, :2].norm(dim=1) < TOLERANCE), 0.0, ABOVE)
        push = torch.cat([STRIDE * self.heading - off_line, to_object[:, 2:]], dim=1)
        return torch.where((in_line & low)[:, None], push, begin)

    def _grasp(self, to_object: Tensor) -> tuple[Tensor, Tensor]:
        """Displacement (N, 3) of the hand and finger action (N,), -1 closes: down onto the object, and up with it."""
        over = to_object[:, :2].norm(dim=1) < REACH
        there = to_object.norm(dim=1) < REACH
        way = to_object.clone()
        way[:, 2] += torch.where(there, RAISE, torch.where(over, 0.0, ABOVE))
        return way, torch.where(there, -1.0, 1.0)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, device=self.device)

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self.generator.get_state(), "guided_steps": self.guided_steps, "heading": self.heading}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"].cpu())
        self.guided_steps.copy_(state["guided_steps"])
        self.heading.copy_(state["heading"])
