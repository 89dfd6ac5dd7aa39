"""Exploration: uniformly random actions now and then, and episodes that begin by heading for the object."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

FEWEST, MOST = 3, 14  # guided steps at the start of a guided episode; 8 reach the object from anywhere,
MOST_GRASPING = 20  # and 12 have it between the fingers
ASIDE = 0.05  # metres, standard deviation on each axis of the point beside the object that is headed for,
NEW_AIM = 0.15  # and the probability of another such point at each step: straight hits only knock the object away
STRIDE = 0.05  # metres that an action of 1 asks for
FADE = 3  # power of the share that failed
WOBBLE = 0.3  # standard deviation of the noise on a guided action
NEAR, ABOVE, RAISE = 0.03, 0.06, 0.02  # metres: where fingers close; how high to come from; how fast to lift, a step


class Explorer:
    """Replaces some of the policy's actions.

    Random actions touch the object in one episode of six; where nothing moves, hindsight has nothing to teach. A
    guided episode opens with a few steps toward a point at or beside the object (Luo et al. 2022 learn this part, we
    write it down), then the policy goes on from there. The share of guided episodes fades with success, for the
    hits of a hand that only means to arrive are soon in the policy's way: it is `guided_episodes` times the cube of the
    share of recent episodes that failed. Where the fingers move, a guided episode comes down on the object with open
    fingers, closes them and lifts a little: Andrychowicz et al. (2017) begin half of the episodes with the object in
    the hand, for by chance it never gets there. The networks are shown nothing of this.

    Args:
        num_envs, action_size: N, A.
        random_actions: probability of a uniformly random action, for each environment and step.
        guided_episodes: share of guided episodes while all fail.
        grasps: whether the fingers move, by the fourth action.
        device, seed: of the random numbers.
    """

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
        self.aside = torch.zeros(num_envs, 3, device=device)

    def begin(self, lanes: Tensor, success_rate: float) -> None:
        """Draw for episodes that open in `lanes` (D,) whether and how long they are guided."""
        uniform = self._uniform(2, len(lanes))
        steps = FEWEST + (uniform[0] * (self.most + 1 - FEWEST)).long()
        guided = uniform[1] < self.guided_episodes * (1 - success_rate) ** FADE
        self.guided_steps[lanes] = torch.where(guided, steps, 0)

    def explore(self, action: Tensor | None, to_object: Tensor | None) -> Tensor:
        """What to do instead of `action` (N, A); None is an agent that cannot act yet.

        Args:
            to_object: way from the gripper to the object (N, 3) in metres; None if there is no object.
        """
        uniform = self._uniform(self.shape[0], self.shape[1] + 1)
        random_action = uniform[:, 1:] * 2 - 1
        if action is None:
            action = random_action.clone()
        else:
            action = torch.where(uniform[:, :1] < self.random_actions, random_action, action)
        if to_object is None or not self.guided_episodes:
            return action
        guided = random_action  # fingers that do not move are told anything
        aside, wobble = torch.randn(2, *self.aside.shape, generator=self.generator, device=self.device)
        if self.grasps:
            way, guided[:, 3] = self._grasp(to_object)
        else:
            way = self._beside(to_object, aside)
        guided[:, :3] = ((way / STRIDE).clamp(-1, 1) + WOBBLE * wobble).clamp(-1, 1)
        action = torch.where(self.guided_steps[:, None] > 0, guided, action)
        self.guided_steps -= 1
        return action

    def _beside(self, to_object: Tensor, aside: Tensor) -> Tensor:
        """Way (N, 3) to the point that is headed for; `aside` (N, 3), standard normal, is for a new one."""
        self.aside = torch.where(self._uniform(len(self.aside), 1) < NEW_AIM, ASIDE * aside, self.aside)
        return to_object + self.aside

    def _grasp(self, to_object: Tensor) -> tuple[Tensor, Tensor]:
        """Way (N, 3) and fingers (N,), -1 closes: from above onto the object, and up with it."""
        over = to_object[:, :2].norm(dim=1) < NEAR
        there = to_object.norm(dim=1) < NEAR
        way = to_object.clone()
        way[:, 2] += torch.where(there, RAISE, torch.where(over, 0.0, ABOVE))
        return way, torch.where(there, -1.0, 1.0)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, device=self.device)

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self.generator.get_state(), "guided_steps": self.guided_steps, "aside": self.aside}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"].cpu())
        self.guided_steps.copy_(state["guided_steps"])
        self.aside = state["aside"].to(self.device)
