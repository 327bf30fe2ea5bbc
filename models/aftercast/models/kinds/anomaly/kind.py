"""The kind ``anomaly``: which devices are unusual or silent, learnt from telemetry alone at a held rate of alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from pydantic import Field

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace
from aftercast.features.examples import Examples
from aftercast.models.aliases import Progress
from aftercast.models.forecast import AlarmForecast, PlainStatement
from aftercast.models.judge.plots import histogram_plot
from aftercast.models.kind import OWN, BacktestRequest, Gate, Reading, Scoring, Training, TrainingRequest
from aftercast.models.kinds.anomaly.backtest import AnomalyBacktest, announced_failures
from aftercast.models.kinds.anomaly.fleet import cutoffs_before, telemetry_rows
from aftercast.models.kinds.anomaly.ignored import impossible_readings
from aftercast.models.kinds.anomaly.settings import AnomalySettings, Comparison
from aftercast.models.kinds.anomaly.view import AnomalyView, fit_anomaly_view
from aftercast.models.kinds.plain import PlainKind, statement_of
from aftercast.models.registry.versions import Loaded
from aftercast.models.scoring.snapshot import standing_facts
from aftercast.operations.clocks import (
    cutoff_grid,
    format_duration,
    from_us,
    parse_duration_us,
    parse_time,
    timestamp_us,
)
from aftercast.operations.configuration import StrictModel
from aftercast.operations.errors import NotEnoughDataError, SettingsError

if TYPE_CHECKING:
    from rich.console import RenderableType

SAME_SENSOR: Final = 10
"""Devices of one sensor that follow each other in a list before others come in between."""
ORDER: Final = {"dark": -1.0, "not judged": -2.0, "usual": -3.0}
"""Urgency of what is not unusual; what is unusual has its strength, which is above 0."""


class AnomalyOptions(StrictModel):
    """What may be set for a training."""

    rate: float = Field(0.1, gt=0)
    """Alarms allowed per device and month of 30 days."""
    quiet: str = "7d"
    """A device alarms again only after so long without alarm."""
    compare: Comparison = "both"
    """What a device is compared with: its own past, its cohort, or both."""


class AnomalyKind(PlainKind):
    """Devices whose sensors left their usual range, and devices gone silent."""

    name = "anomaly"
    shape = "alarms"
    forecast = AlarmForecast
    options = AnomalyOptions
    title = "Anomalies"
    order = "unusual devices by score, then dark ones, those not judged, and the others"
    about = "how unusual a device is, at a rate of alarms that is held; it needs telemetry and no failures."

    def settings(self, values: Mapping[str, Any], spec: FleetSpec) -> AnomalyOptions:
        """Rate of alarms, quiet time and what is compared with."""
        found: AnomalyOptions = super().settings(values, spec)
        parse_duration_us(found.quiet)
        return found

    def train(self, asked: TrainingRequest) -> Training:
        """Fit a view on the year before the end; by construction it holds the rate of alarms on that period."""
        until = _on_grid(asked.spec, asked.until)
        view, features, examples, scored = _fitted(replace(asked, until=until), asked.settings)
        rate, sure = view.reference, view.settings.confidence
        few = np.flatnonzero(examples.ids == examples.ids[0])
        sample = features.iloc[few].assign(device_id=examples.ids[few], cutoff=from_us(examples.cutoff_us[few]))
        strength = scored["anomaly_score"].dropna().tolist()
        facts = {
            "rate": view.rate,
            "alarm_from": view.threshold,
            "reference_rate": rate.per_device_month,
            "reference_rate_at_most": rate.upper(sure),
            "confidence": sure,
            "reference_episodes": rate.episodes,
            "reference_device_months": rate.device_months,
        }
        held = f"at most {rate.upper(sure):.3f} alarms per device-month in the reference period, {sure:.0%} sure"
        return Training(
            model=view,
            metrics={OWN: {name: float(value) for name, value in facts.items()}},
            gate=Gate(rate.upper(sure) <= view.rate, f"{held}; {view.rate:g} were asked for."),
            params={f"settings.{name}": value for name, value in asked.settings.model_dump().items()},
            figures={"strength": histogram_plot(strength, "anomaly score", "rows of the reference period")},
            asked=sample,
            answered=view.table(sample),
            facts={**facts, "learnt_until": until.isoformat()},
            result={**facts, "devices": len(np.unique(examples.ids)), "examples": len(examples)},
        )

    def shown_training(self, result: Mapping[str, Any]) -> Sequence[RenderableType]:
        """The rate that was asked for and the one that is held."""
        return [
            f"Alarms per device-month: at most {result['rate']:g} asked, {result['reference_rate']:.3f} in "
            f"{result['reference_device_months']:,.0f} device-months before {result['until'][:16]} "
            f"({result['confidence']:.0%} sure: at most {result['reference_rate_at_most']:.3f}).",
            f"Learnt from {result['examples']:,} rows of {result['devices']:,} devices; a score from "
            f"{result['alarm_from']:.1f} is an alarm. A score is no probability.",
        ]

    def load(self, folder: Path) -> AnomalyView:
        """Read a saved view."""
        return AnomalyView.load(folder)

    def backtest(self, workspace: Workspace, asked: BacktestRequest, progress: Progress | None) -> AnomalyBacktest:
        """Fit on the time before the test and judge the test: the rate of alarms, and failures after alarms."""
        refused = ("every", "retrain", "act_within", "hold_out", "shift", "draws", "seed")
        asked.refuse("one view is fitted, and counts alarms at the cutoffs of fleet.toml.", *refused)
        if not asked.train_until or asked.test_until is None:
            raise SettingsError(
                "A backtest of anomaly needs --train-until and --test-until.", "Give instants, as in 2025-06-30."
            )
        store, spec, version = workspace.store, workspace.fleet, workspace.store.version()
        options = self.settings({}, spec) if asked.settings is None else asked.settings
        until = _on_grid(spec, parse_time(asked.train_until[-1]))
        first = parse_time(asked.test_from) if asked.test_from else until
        read = Reading(store, spec, version, until, progress)
        view, *_ = _fitted(read, options)
        tests = cutoff_grid(max(first, until), parse_time(asked.test_until), view.every_us)
        if len(tests) == 0:
            raise NotEnoughDataError("There is nothing to test on.", "Let --test-until follow --train-until.")
        scored = _scored(view, read, int(tests[0]), int(tests[-1]))
        horizon = parse_duration_us(asked.horizon or "7d")
        failures = store.read("failures", version=version, columns=["device_id", "event_time"])
        count, announced, by_chance = announced_failures(scored, failures, horizon, view.every_us)
        moments = from_us(tests)
        return AnomalyBacktest(
            about={
                "kind": self.name,
                "train_until": until.isoformat(),
                "test_from": moments[0].isoformat(),
                "test_until": moments[len(moments) - 1].isoformat(),
                "every": format_duration(view.every_us),
                "horizon": format_duration(horizon),
                "data_version": version,
            },
            asked=view.rate,
            reference=view.reference,
            later=view.rate_of(scored),
            confidence=view.settings.confidence,
            failures=count,
            announced=announced,
            by_chance=by_chance,
            scored=scored,
        )

    def score(self, loaded: Loaded, read: Reading) -> Scoring:
        """State of every device in the field at the cutoff, beside its own past and its cohort."""
        at = timestamp_us(read.until)
        scored = _scored(loaded.model, read, at, at)
        if scored.empty:
            raise NotEnoughDataError(
                f"No device is in the field at {read.until:%Y-%m-%d %H:%M} UTC.", "Take another cutoff."
            )
        standing = standing_facts(read.table("devices"), scored["device_id"].to_numpy(dtype=object))
        rows = zip(scored.to_dict("records"), standing["device_model"], standing["customer_id"], strict=True)
        forecasts = [
            _forecast(loaded, row, str(device_model), str(customer), read) for row, device_model, customer in rows
        ]
        count = scored["state"].value_counts()
        told = ", ".join(
            f"{int(count[state])} {state}" for state in ("unusual", "dark", "not judged") if state in count
        )
        forecasts = spread_by_sensor(forecasts, [row["deviations"] for row in scored.to_dict("records")])
        return Scoring(forecasts, notice=f"{told or 'Nothing unusual'} of {len(scored):,} devices.")

    def learnt_until(self, loaded: Loaded) -> pd.Timestamp:
        """Last cutoff of the reference period."""
        return parse_time(loaded.metadata.facts["learnt_until"])

    def answer(self, forecast: AlarmForecast, horizon: str | None = None) -> PlainStatement:
        """State with what deviates; why there is none where the device cannot be judged."""
        del horizon
        judged = forecast.state in {"usual", "unusual"}
        return statement_of(
            forecast,
            _sentence(forecast),
            None if judged else " ".join(forecast.notices) or forecast.state,
            (*forecast.reasons, *forecast.notices),
            {
                "state": forecast.state,
                "anomaly_score": forecast.strength,
                "alarm_from": forecast.alarm_from,
                "since": None if forecast.since is None else forecast.since.isoformat(),
            },
        )


def spread_by_sensor(forecasts: Sequence[AlarmForecast], deviations: Sequence[Sequence[Any]]) -> list[AlarmForecast]:
    """Forecasts of which no single sensor fills the list: after each ten devices of a sensor, urgency is less.

    Parameters
    ----------
    deviations
        Of each forecast, the sensors that deviate, most unusual first.
    """
    out, seen = list(forecasts), Counter[str]()
    for place in sorted(range(len(out)), key=lambda place: -(out[place].strength or 0.0)):
        if deviations[place]:
            sensor, strength = deviations[place][0].sensor, out[place].strength or 0.0
            out[place] = replace(out[place], urgency=strength / (1 + seen[sensor] // SAME_SENSOR))
            seen[sensor] += 1
    return out


def _on_grid(spec: FleetSpec, until: pd.Timestamp) -> pd.Timestamp:
    """Latest cutoff of the grid that counts from 1970-01-01 00:00 UTC."""
    every = parse_duration_us(spec.training.cutoff_every)
    return from_us(np.array([timestamp_us(until) // every * every], dtype=np.int64))[0]


def _fitted(read: Reading, options: AnomalyOptions) -> tuple[AnomalyView, pd.DataFrame, Examples, pd.DataFrame]:
    """View of the reference period that ends there, its rows, and what it says of them."""
    cutoffs, store, version = cutoffs_before(read), read.store, read.version
    features, examples = telemetry_rows(store, read.spec, cutoffs, version=version, progress=read.progress)
    quarantined = impossible_readings(store.quarantine(version))
    view = fit_anomaly_view(
        features,
        examples,
        read.spec,
        alarms_per_device_month=options.rate,
        quarantined=quarantined,
        settings=AnomalySettings(compare=options.compare, quiet=options.quiet),
    )
    return view, features, examples, view.score(features, examples, quarantined=quarantined)


def _scored(view: AnomalyView, read: Reading, first_us: int, last_us: int) -> pd.DataFrame:
    """Rows at the cutoffs from the first to the last, judged beside their past; ids ascending."""
    store, version = read.store, read.version
    cutoffs = np.arange(last_us, first_us - view.look_back_us, -view.every_us, dtype=np.int64)[::-1]
    features, examples = telemetry_rows(store, read.spec, cutoffs, version=version, progress=read.progress)
    scored = view.score(features, examples, quarantined=impossible_readings(store.quarantine(version)))
    return scored[examples.cutoff_us >= first_us].reset_index(drop=True)


def _forecast(
    loaded: Loaded, row: Mapping[Any, Any], device_model: str, customer_id: str, read: Reading
) -> AlarmForecast:
    state, strength = str(row["state"]), None if np.isnan(row["anomaly_score"]) else float(row["anomaly_score"])
    since = row["unusual_since"] if state == "unusual" else row["silent_since"]
    return AlarmForecast(
        kind=loaded.kind,
        entity_id=str(row["device_id"]),
        cutoff=read.until,
        model_version=loaded.version,
        data_version=read.version,
        urgency=strength if state == "unusual" else ORDER[state],
        state=state,
        strength=strength,
        alarm_from=float(row["alarm_from"]),
        since=None if pd.isna(since) else since,
        data_as_of=None if pd.isna(row["last_report"]) else row["last_report"],
        device_model=device_model,
        customer_id=customer_id,
        reasons=tuple(each.sentence for each in row["deviations"]),
        notices=tuple(row["notices"]),
    )


def _sentence(forecast: AlarmForecast) -> str:
    since = "" if forecast.since is None else f" since {forecast.since:%Y-%m-%d %H:%M} UTC"
    if forecast.state == "unusual" and forecast.strength is not None:
        return f"Unusual{since}: {forecast.strength:.1f}, an alarm from {forecast.alarm_from:.1f} on"
    if forecast.state == "dark":
        return f"Silent{since}" if since else "Never reported"
    return "Usual" if forecast.state == "usual" else "Cannot be judged"
