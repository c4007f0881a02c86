"""Rank correlations and regrets worked out by hand; the command over a real store."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import pytest
from mlflow.entities import Metric
from omegaconf import DictConfig

import selection
from criteria import Candidate, rank_correlations, regret_of_any, regrets
from ringexp.config.validate import typed
from ringexp.selection.rules import best_validation_loss, last
from ringexp.tracking.run import TAG, Store

LOSSES = {"1": (0.4, 0.2, 0.3, 0.1), "2": (0.4, 0.3, 0.2, 0.1)}
AFTER = {"1": (0.5, 0.7, 0.8, 0.6), "2": (0.2, 0.3, 0.5, 0.4)}


def measured() -> list[Candidate]:
    pairs = {seed: enumerate(zip(LOSSES[seed], AFTER[seed], strict=True), 1) for seed in LOSSES}
    return [Candidate(seed, 10 * i, {"val/loss": loss}, before=0.1 * i, after=after, token_efficiency=0.2)
            for seed in LOSSES for i, (loss, after) in pairs[seed]]  # fmt: skip


def test_rank_correlations_by_hand() -> None:
    """ρ = 1 − 6 Σ d² / (n (n² − 1)): ranks of the losses 4 2 3 1 and 4 3 2 1, of pass@1 1 3 4 2 and 1 2 4 3."""
    first = 1 - 6 * (9 + 1 + 1 + 1) / 60
    second = 1 - 6 * (9 + 1 + 4 + 4) / 60
    found = rank_correlations(measured(), lambda c: c.quantities["val/loss"], lambda c: c.after)
    assert found.mean == pytest.approx((first + second) / 2)
    assert found.half == pytest.approx(12.706205 * abs(first - second) / 2, rel=1e-6)
    with pytest.raises(ValueError, match="seed 1: 2 checkpoints"):
        rank_correlations(measured()[:2], lambda c: c.step, lambda c: c.after)


def test_regrets_by_hand() -> None:
    """The lowest loss is the last checkpoint's in both seeds: 0.8 − 0.6 and 0.5 − 0.4."""
    for rule in (best_validation_loss, last):
        assert regrets(measured(), rule).mean == pytest.approx(0.15)
    assert regret_of_any(measured()).mean == pytest.approx(((0.8 - 0.65) + (0.5 - 0.35)) / 2)


@pytest.fixture
def recorded(composed: Callable[..., DictConfig], tmp_path: Path) -> Path:
    """Pipelines from four checkpoints of two seeds, and one that has not been tested."""
    store = Store(typed(composed(f"paths.store={tmp_path}", "tracking.experiment=selection")).tracking)

    def run(kind: str, tags: dict[str, str], metrics: dict[str, float], parent: str | None = None) -> str:
        own = {TAG + "kind": kind, **{TAG + name: value for name, value in tags.items()}}
        record = store.create(f"{kind} {tags}", own, parent)
        store.client.log_batch(record.run_id, [Metric(key, value, 1000, 1) for key, value in metrics.items()])
        record.finish("FINISHED")
        return record.run_id

    for number, candidate in enumerate([*measured(), measured()[0]]):
        tested = number < len(measured())
        scores = {"final/sft/mean/pass_at_1": candidate.before, "final/rl/mean/pass_at_1": candidate.after}
        pipeline = run("pipeline", {"seed": candidate.seed, "source_hash": str(number)}, scores if tested else {})
        quantities = {**dict.fromkeys(selection.QUANTITIES, 0.15 * candidate.step), **candidate.quantities}
        chosen = {f"select/{name}": value for name, value in quantities.items()} | {"select/step": candidate.step}
        run("stage", {"stage": "select"}, chosen, pipeline)
        run("stage", {"stage": "rl-math"}, {"progress/tokens": 450.0}, pipeline)
        if number == 4:
            continue  # its SFT is another run's: no token efficiency, but a candidate
        sft = run("stage", {"stage": "sft"}, {}, pipeline)
        steps = [Metric("progress/tokens", 10.0 * step, 1000 + step, step) for step in range(5, 41, 5)]
        store.client.log_batch(sft, steps)
    return tmp_path


def test_the_command(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "f.png"
    selection.main(["--store", str(recorded), "--band", "val/loss=0.15,0.25", "--out", str(out)])
    printed = capsys.readouterr().out
    lines = {line.split("  ")[1]: line for line in printed.splitlines() if line.startswith("  ")}
    shares = {line.split()[0]: line.rstrip().rpartition("  ")[2] for line in printed.splitlines()
              if line.split()[:1] in (["10"], ["20"], ["30"], ["40"])}  # fmt: skip
    # 50 of RL after 100 to 400 of SFT; at step 10 of one seed alone, as the other's SFT is not there
    assert shares == {"10": "0.500", "20": "0.250 ± 0.000", "30": "0.167 ± 0.000", "40": "0.125 ± 0.000"}
    assert "0.150 ± 0.635" in lines["last"]                                     # 12.706205 · 0.05
    assert "0.050 ± 0.635" in lines["entropy_band of val/loss, 0.15 to 0.25"]   # 0.8 − 0.7 and 0
    assert "-0.500 ± 3.812" in lines["val/loss"].replace("−", "-")
    assert matplotlib.image.imread(out).std() > 0.01


@pytest.mark.parametrize("text", ["val/loss", "val/loss=1", "val/loss=2,1", "nosuch=1,2"])
def test_a_band_that_is_none(recorded: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        selection.main(["--store", str(recorded), "--band", text])
    assert text in capsys.readouterr().err
