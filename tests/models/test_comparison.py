"""Comparison of forecasts: planted differences are found, equal models are not told apart, other rows are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.special import expit, logit

from aftercast.cli.main import run as aftercast
from aftercast.features.examples import Examples
from aftercast.features.labels import Labels
from aftercast.models.judge.comparison import Comparison, Difference, compare, verdict
from aftercast.models.judge.forecasts import ForecastFile, Forecasts, read_forecasts
from aftercast.models.metrics.bootstrap import draw_weights
from aftercast.models.metrics.evaluation import Truth, evaluate, evaluate_intervals, evaluate_pooled
from aftercast.operations.clocks import DAY_US, NEVER
from aftercast.operations.errors import InputError

Floats = npt.NDArray[np.float64]
DEVICES, DAYS = 120, 6


def fleet(seed: int) -> tuple[Truth, Floats]:
    """120 devices on six days with horizons of one day, and the true risk of their pump and fan."""
    random = np.random.default_rng(seed)
    n = DEVICES * DAYS
    risk = expit(-2.5 + 1.5 * random.normal(size=(n, 2)))
    time = np.where(random.random((n, 2)) < risk, DAY_US // 2, NEVER)
    ids = np.repeat([f"d{number:03d}" for number in range(DEVICES)], DAYS)
    cutoff = np.tile(np.arange(DAYS, dtype=np.int64) * DAY_US, DEVICES)
    labels = Labels(time, np.full((n, 2), 9 * DAY_US), ("pump", "fan"), np.ones(n, dtype=bool))
    return Truth(Examples(ids, cutoff, "device_id"), labels, DAY_US, DAY_US), risk


def with_all(risk: Floats) -> Floats:
    return np.column_stack([risk, 1 - np.prod(1 - risk, axis=1)])


def blurred(risk: Floats, noise: float, seed: int) -> Floats:
    """Risks that know less: their log-odds with noise."""
    return np.asarray(expit(logit(risk) + noise * np.random.default_rng(seed).normal(size=risk.shape)))


def forecasts(seed: int = 1, **models: float) -> Forecasts:
    """Forecasts by models with so much noise each; each has a threshold of .2."""
    truth, risk = fleet(seed)
    values = {name: with_all(blurred(risk, noise, 10 + i)) for i, (name, noise) in enumerate(models.items())}
    return Forecasts("failure", truth, {name: (each, np.full(each.shape, 0.2)) for name, each in values.items()})


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., ForecastFile]:
    """Return a function that writes forecasts and reads one model of them."""

    def write(model: str, seed: int = 1, **models: float) -> ForecastFile:
        path = tmp_path / f"{seed}.parquet"
        forecasts(seed, **models).write(path)
        return read_forecasts(path, model)

    return write


def of(found: Comparison, component: str, metric: str) -> Difference:
    return next(each for each in found.differences[component] if each.metric == metric)


def test_a_file_holds_what_was_forecast_and_what_became_of_it(tmp_path: Path) -> None:
    made = forecasts(good=0.0, poor=1.0)
    made.write(tmp_path / "f.parquet")
    frame = pd.read_parquet(tmp_path / "f.parquet")
    assert len(frame) == DEVICES * DAYS * 3 * 2
    assert not frame.duplicated(["id", "cutoff", "component", "model"]).any()
    pump = frame[(frame["component"] == "pump") & (frame["model"] == "poor")]
    assert pump["probability"].tolist() == made.values["poor"][0][:, 0].tolist()
    assert pump["event"].tolist() == made.truth.rows("pump").event.tolist()
    assert (pump.loc[pump["event"], "failed_at"] == pump.loc[pump["event"], "cutoff"] + pd.Timedelta(hours=12)).all()
    assert pump.loc[~pump["event"], "failed_at"].isna().all()
    assert str(frame["cutoff"].dt.tz) == "UTC"


def test_metrics_are_those_of_the_report_to_the_last_digit(written: Callable[..., ForecastFile]) -> None:
    made = forecasts(good=0.0, poor=1.0)
    models = {"good": 0.0, "poor": 1.0}
    found = compare(written("good", **models), written("poor", **models), draws=5)
    for side, name in (("a", "good"), ("b", "poor")):
        told = evaluate(made.truth, *made.values[name])
        for component, metrics in told.items():
            for each in found.differences[component]:
                budget, _, metric = each.metric.rpartition(": ")
                wanted = metrics["budgets"][budget][metric] if budget else metrics[metric]
                assert getattr(each, side) == pytest.approx(wanted, abs=1e-12), each.metric
        pooled = evaluate_pooled(made.truth, made.values[name][0])
        for each in found.differences["pooled"]:
            assert getattr(each, side) == pytest.approx(pooled[each.metric], abs=1e-12)


def test_a_planted_improvement_is_found(written: Callable[..., ForecastFile]) -> None:
    found = compare(written("poor", good=0.0, poor=1.5), written("good", good=0.0, poor=1.5), draws=200)
    for metric in ("pr_auc", "roc_auc", "brier"):
        each = of(found, "pooled", metric)
        assert each.better == "B", metric
        assert each.interval is not None
        assert each.difference is not None
        assert each.interval[0] < each.difference < each.interval[1]
    assert "B is better in PR-AUC by " in found.verdicts()["pooled"]


def test_the_better_one_is_a_where_b_is_the_poor_one(written: Callable[..., ForecastFile]) -> None:
    found = compare(written("good", good=0.0, poor=1.5), written("poor", good=0.0, poor=1.5), draws=100)
    assert {of(found, "pooled", metric).better for metric in ("pr_auc", "roc_auc", "brier")} == {"A"}
    assert found.verdicts()["pooled"].startswith("A is better in ROC-AUC by 0.")


def test_a_model_and_itself_are_not_told_apart(written: Callable[..., ForecastFile]) -> None:
    found = compare(written("good", good=0.0), written("good", good=0.0), draws=50)
    for listed in found.differences.values():
        for each in listed:
            assert (each.difference, each.interval, each.better) == (0.0, [0.0, 0.0], "neither"), each.metric
    assert found.verdicts()["all"] == "No metric tells them apart: every interval holds 0."


@pytest.mark.slow
def test_two_equally_good_models_are_seldom_told_apart(written: Callable[..., ForecastFile]) -> None:
    """A 95 % interval leaves out 0 about once in twenty: of 40, seven or more would be once in three hundred."""
    apart = 0
    for seed in range(40):
        models = {"one": 0.7, "other": 0.7}
        found = compare(written("one", seed=seed, **models), written("other", seed=seed, **models), draws=100)
        apart += of(found, "pooled", "pr_auc").better != "neither"
    assert apart <= 6


def test_pairing_is_narrower_than_two_intervals_beside_each_other(written: Callable[..., ForecastFile]) -> None:
    made = forecasts(good=0.0, poor=0.3)
    models = {"good": 0.0, "poor": 0.3}
    paired = of(compare(written("poor", **models), written("good", **models), draws=200), "pump", "pr_auc").interval
    values, thresholds = made.values["good"]
    ends = evaluate_intervals(
        made.truth, values, thresholds, evaluate(made.truth, values, thresholds), draw_weights(DEVICES, 200)
    )
    assert paired is not None
    low, high = ends["pump"]["pr_auc"]
    assert paired[1] - paired[0] < 0.7 * (high - low)


def test_other_rows_are_refused_with_their_counts(written: Callable[..., ForecastFile]) -> None:
    a = written("good", good=0.0)
    fewer = replace(a, frame=a.frame[a.frame["id"] != "d000"].reset_index(drop=True), label="B")
    with pytest.raises(InputError, match=r"18 only in 1\.parquet:good, 0 only in B, 2,142 in both.*First d000 at 1970"):
        compare(a, fewer)


def test_other_outcomes_are_refused_with_their_count(written: Callable[..., ForecastFile]) -> None:
    a = written("good", good=0.0)
    frame = a.frame.copy()
    frame.loc[:2, "event"] = ~frame.loc[:2, "event"]
    with pytest.raises(
        InputError, match=r"What became of 3 of 2,160 rows differs\. First d000 at 1970-01-01 00:00, all"
    ):
        compare(a, replace(a, frame=frame))


def test_other_horizons_are_refused(written: Callable[..., ForecastFile]) -> None:
    a = written("good", good=0.0)
    with pytest.raises(InputError, match="differ in horizon: 86400000000 and 1"):
        compare(a, replace(a, meta={**a.meta, "horizon_us": 1}))


def test_files_that_hold_no_such_forecasts_are_refused(tmp_path: Path) -> None:
    forecasts(good=0.0).write(tmp_path / "f.parquet")
    pd.DataFrame({"id": ["a"]}).to_parquet(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no")
    for name, model, message in (
        ("f.parquet", "best", "holds no model 'best'"),
        ("other.parquet", "good", "holds no forecasts"),
        ("text.parquet", "good", "is no Parquet file"),
        ("none.parquet", "good", "There is no file"),
    ):
        with pytest.raises(InputError, match=message):
            read_forecasts(tmp_path / name, model)


def test_where_nothing_is_defined_nothing_is_judged() -> None:
    assert verdict([Difference("pr_auc", None, None, None, None, None)]) == "Nothing can be judged here."


def test_the_command_prints_the_verdict_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "f.parquet"
    forecasts(good=0.0, poor=1.5).write(path)
    words = ["compare", "failure", f"{path}:poor", f"{path}:good", "--draws", "50"]
    for extra in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            aftercast([*words, *extra])
        assert ended.value.code == 0
    text, _, content = capsys.readouterr().out.partition("{")
    assert "pooled: B is better in ROC-AUC by" in text
    found = json.loads("{" + content)
    assert found["verdicts"]["pooled"].startswith("B is better in ROC-AUC by")
    assert set(found["differences"]) == {"pump", "fan", "all", "pooled"}
