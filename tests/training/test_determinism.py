"""The same seed makes the same run, bit for bit, whoever steps the environments."""

from __future__ import annotations

from pathlib import Path

from tests.training.runs import differences, metrics, saved_state, tiny


def test_a_seed_is_a_curve(tmp_path: Path) -> None:
    flags = ("--total-steps", "440", "--env-id", "FetchPush-v4")
    for name, more in {
        "first": ("--workers", "0"),
        "workers": ("--workers", "2"),
        "other": ("--workers", "0", "--seed", "1"),
    }.items():
        assert tiny(tmp_path / name, *flags, *more) == 0
    first, state = metrics(tmp_path / "first"), saved_state(tmp_path / "first")
    assert [row["step"] for row in first] == ["80", "160", "200", "240", "320", "400", "440"]
    assert first[-1]["critic_loss"] and first[-1]["eval_return"] and first[-1]["episodes"] == "8"
    assert metrics(tmp_path / "workers") == first
    assert differences(saved_state(tmp_path / "workers"), state) == []
    columns = ("critic_loss", "q", "actor_loss", "entropy", "critic_grad_norm")
    assert all(metrics(tmp_path / "other")[-1][name] != first[-1][name] for name in columns)
