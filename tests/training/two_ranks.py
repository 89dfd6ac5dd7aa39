"""Started twice by torchrun: two ranks against one learner that has the whole of every batch."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist

from agent import SAC
from replay import Batch
from tests.agent.small import ACTION, parameters, random_batch, small_sac, update
from training.ranks import Ranks, Statistics

ROWS, UPDATES = 32, 5


def half(batch: Batch, rank: int) -> Batch:
    rows = slice(rank * ROWS // 2, (rank + 1) * ROWS // 2)
    return batch.map(lambda part: part[rows])


def optimizers(sac: SAC) -> list[torch.optim.Optimizer]:
    return list(sac.optimizers.values())


def main(routing: str) -> None:
    ranks = Ranks.from_environment()
    ranks.join()
    torch.set_num_threads(1)
    assert ranks.minimum(7 - ranks.rank) == 6
    whole = small_sac(routing, alpha="auto", goal_loss=1.0)
    mine = small_sac(routing, alpha="auto", goal_loss=1.0, seed=ranks.rank)  # other weights, until they are shared
    ranks.sync_parameters(mine)
    statistics = Statistics(mine.agent, ranks)
    for number in range(UPDATES):
        batch, seen = random_batch(number, ROWS), random_batch(100 + number, ROWS)
        whole.agent.update_normalizers(seen.obs["vector"], seen.goal, seen.goal)
        rows = half(seen, ranks.rank)
        statistics.update_normalizers(
            rows.obs["vector"][:5], rows.goal[:5], rows.goal[:5]
        )  # in two parts, as when episodes end
        statistics.update_normalizers(rows.obs["vector"][5:], rows.goal[5:], rows.goal[5:])
        statistics.merge()
        noise = torch.randn(2, ROWS, ACTION, generator=torch.Generator().manual_seed(number))  # target's, then actor's
        for sac, rows_of_noise in ((whole, noise), (mine, noise.chunk(2, dim=1)[ranks.rank])):
            coming = iter(rows_of_noise)
            sac.agent.noise = lambda _, coming=coming: next(coming)  # type: ignore[method-assign, misc]
        update(whole, batch)
        update(mine, half(batch, ranks.rank))
    flat = torch.cat([tensor.flatten() for part in parameters(mine).values() for tensor in part])
    both = [torch.empty_like(flat) for _ in range(2)]
    dist.all_gather(both, flat)
    assert both[0].equal(both[1]), "the ranks have come apart"
    expected = torch.cat([tensor.flatten() for part in parameters(whole).values() for tensor in part])
    torch.testing.assert_close(flat, expected, rtol=1e-3, atol=2e-5)  # Adam divides by the size of small gradients
    for normalizer, other_normalizer in zip(
        (mine.agent.vector_normalizer, mine.agent.goal_normalizer),
        (whole.agent.vector_normalizer, whole.agent.goal_normalizer),
        strict=True,
    ):
        torch.testing.assert_close(normalizer.shift, other_normalizer.shift)
        torch.testing.assert_close(normalizer.scale, other_normalizer.scale)
    pairs = ((one.state_dict(), two.state_dict()) for one, two in zip(optimizers(mine), optimizers(whole), strict=True))
    for own, other in pairs:  # Adam's steps do not depend on the gradients' scale, but their running means do
        for number, state in own["state"].items():
            torch.testing.assert_close(state["exp_avg"], other["state"][number]["exp_avg"], rtol=1e-2, atol=1e-4)
    print(f"rank {ranks.rank}: alike", flush=True)
    ranks.leave()


if __name__ == "__main__":
    main(sys.argv[1])
