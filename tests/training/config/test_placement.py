"""The capacity that is advised fits, with a fifth to spare."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch

from training.config import memory
from training.config.flags import Config
from training.config.memory import Disk, learner_need, place_replay
from training.config.presets import PRESETS
from training.errors import UserError
from training.ranks import Ranks

EACH, CPU = 1000, torch.device("cpu")


def placed(capacity: int, ranks: Ranks, **changes: Any) -> str:
    config = replace(PRESETS["push"], buffer_size=capacity, **changes)
    part = replace(config, buffer_size=capacity // ranks.count)
    return place_replay(config, part, ranks, CPU, EACH, None)[1]


@pytest.mark.parametrize("ranks", [Ranks(), Ranks(count=2, local_count=2)])
def test_the_advice_fits_and_only_what_is_free_is_taken(ranks: Ranks, monkeypatch: pytest.MonkeyPatch) -> None:
    part: Config = PRESETS["push"]
    beside = ranks.count * learner_need(part, ranks.count)
    monkeypatch.setattr(memory, "available_bytes", lambda device: beside + 4321 * EACH)
    said = placed(1000, ranks)
    fits = int(re.findall(r"(\d+) would fit", said)[0])
    assert fits == 3456  # 80% of 4321, which two ranks can share
    most = 4321 // ranks.count * ranks.count
    for capacity in (fits, most):
        assert f"; {fits} would fit" in placed(capacity, ranks)
    with pytest.raises(UserError, match=f"--buffer-size {fits} would fit with a fifth to spare"):
        placed(most + ranks.count, ranks)


def test_so_on_the_disk(tmp_path: Any) -> None:
    disk = Disk(tmp_path, each=10, free=12_345)
    config = replace(PRESETS["push-pixels"], buffer_size=1234)
    place_replay(config, config, Ranks(), CPU, EACH, disk)
    with pytest.raises(UserError, match="--buffer-size 987 would fit with a fifth to spare"):
        place_replay(replace(config, buffer_size=1235), config, Ranks(), CPU, EACH, disk)
