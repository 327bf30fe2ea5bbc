"""Kinds that forecast events: one hazard model, its baselines, backtest, search, snapshot and explanation for all.

A kind of this shape says who is at risk, what happens, how far ahead and in which words.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.data.workspace import Workspace
from aftercast.features.examples import Examples
from aftercast.features.labels import Labels, Outcome
from aftercast.models.aliases import Progress
from aftercast.models.examples.feature_list import described
from aftercast.models.fit.settings_file import described_settings, settings_from
from aftercast.models.fit.training import OWN as OWN_FORECASTS
from aftercast.models.fit.training import Trained, train_from_store
from aftercast.models.fit.tuning import Found, search
from aftercast.models.forecast import restored_forecast
from aftercast.models.hazard import HazardModel, HazardSettings
from aftercast.models.hazard.forecast import HazardForecast
from aftercast.models.interpolation import risk_within
from aftercast.models.judge.backtest import backtest
from aftercast.models.judge.comparison import Comparison, compare
from aftercast.models.judge.forecasts import read_forecasts
from aftercast.models.judge.plots import training_plots
from aftercast.models.judge.report import BacktestReport
from aftercast.models.kind import (
    OWN,
    BacktestRequest,
    Gate,
    Kind,
    Reading,
    Scoring,
    Training,
    TrainingRequest,
)
from aftercast.models.leakage.gate import lint_store, too_good
from aftercast.models.metrics.table import table_of
from aftercast.models.registry.versions import Loaded
from aftercast.models.scoring.fleet import judge, with_judgement, with_shift
from aftercast.models.scoring.snapshot import take_snapshot
from aftercast.models.text_table import text_table
from aftercast.models.words.answers import Answer, answer, check_horizon
from aftercast.models.words.explanation import HazardExplanation, explain
from aftercast.models.words.hazard_words import HazardWords
from aftercast.operations.clocks import format_duration, parse_duration_us, parse_time
from aftercast.operations.database.forecasts import ForecastSet
from aftercast.operations.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import RenderableType

SIGNATURE_ROWS: Final = 50


class HazardKind(Kind):
    """A kind whose forecasts are probabilities by horizon and component.

    Attributes
    ----------
    first_events
        Contract table -> column of its times: the records of the fleet begin with the first of the first table that has
        any.
    words
        What its answers say.
    """

    shape = "hazard"
    forecast = HazardForecast
    first_events: ClassVar[Mapping[str, str]]
    words: ClassVar[HazardWords]

    @abstractmethod
    def horizons(self, spec: FleetSpec) -> tuple[str, ...]:
        """Horizons of its models, ascending, as text."""

    @abstractmethod
    def labels(self, outcome: Outcome, examples: Examples, *, observed_until: pd.Timestamp) -> Labels:
        """Time from each cutoff to its events; cutoffs must be before ``observed_until``."""

    def cadence_us(self, spec: FleetSpec) -> int:
        """Time between training cutoffs, microseconds."""
        return parse_duration_us(spec.training.cutoff_every)

    def refusals(self, store: Store, *, version: int, known_at: pd.Timestamp) -> npt.NDArray[np.str_]:
        """Ids that no training may learn from, as known at an instant; none by default."""
        del store, version, known_at
        return np.array([], dtype=np.str_)

    def reporting_delay_us(self, outcome: Outcome) -> int:
        """Time from an event until 95 % of its kind are reported, microseconds; 0 by default."""
        del outcome
        return 0

    def settings(self, values: Mapping[str, Any], spec: FleetSpec) -> HazardSettings:
        """Settings of the boosters, see ``aftercast.models.fit.settings_file``."""
        del spec
        return settings_from(values)

    def described_settings(self, settings: HazardSettings) -> Mapping[str, Any]:
        """Names and values of the settings of the boosters."""
        return described_settings(settings)

    def train(self, asked: TrainingRequest) -> Training:
        """Train on everything known at the end, and look for leaks in every feature."""
        known: dict[str, Any] = {"version": asked.version, "until": asked.until, "progress": asked.progress}
        trained = train_from_store(
            self.name, asked.store, asked.spec, seed=asked.seed, settings=asked.settings, **known
        )
        leakage = lint_store(self.name, asked.store, asked.spec, **known).with_report(too_good(trained))
        sample = trained.sample.head(SIGNATURE_ROWS)
        return Training(
            model=trained.model,
            metrics=_every_metric(trained),
            gate=_gate(trained, self.words.event),
            params=_params(trained),
            figures=training_plots(trained),
            asked=sample,
            answered=trained.model.table(sample),
            texts={"feature_dictionary.json": self._dictionary(asked)},
            horizons=tuple(format_duration(int(end)) for end in trained.model.horizons_us),
            components=trained.model.components,
            dictionary_hash=trained.dictionary_hash,
            result={
                "examples": trained.rows,
                "failures": dict(trained.failures),
                "validation_from": trained.calibration_from.isoformat(),
                "validation_horizon": format_duration(trained.horizon_us),
                "metrics": {_who(name): values for name, values in trained.flat_metrics().items()},
                "leakage": leakage.verdict,
            },
            leakage=leakage,
        )

    def shown_training(self, result: Mapping[str, Any]) -> Sequence[RenderableType]:
        """Metrics beside the baselines' on the validation period, and what was learnt from."""
        failures = ", ".join(f"{name} {count:,}" for name, count in result["failures"].items())
        columns, rows = table_of(result["metrics"])
        title = (
            f"{self.title} within {result['validation_horizon']}, validated from {result['validation_from'][:10]} on"
        )
        return [
            text_table(title, columns, rows, right=range(1, len(columns))),
            f"Trained on {result['examples']:,} examples until {result['until'][:16]}. Events: {failures}.",
            result["leakage"],
        ]

    def load(self, folder: Path) -> HazardModel:
        """Read a saved hazard model."""
        return HazardModel.load(folder)

    def backtest(self, workspace: Workspace, asked: BacktestRequest, progress: Progress | None) -> BacktestReport:
        """Train on the past and forecast the cutoffs after it, beside the baselines; nothing is kept."""
        missing = [name for name in ("train_until", "test_from", "test_until") if not getattr(asked, name)]
        if missing:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
            raise SettingsError(f"A backtest of {self.name} needs {names}.", "Give instants, as in 2025-06-30.")
        return backtest(
            self.name,
            workspace.store,
            workspace.fleet,
            version=workspace.store.version(),
            train_until=[parse_time(each) for each in asked.train_until],
            test_from=parse_time(str(asked.test_from)),
            test_until=parse_time(str(asked.test_until)),
            horizon=asked.horizon or self.usual_horizon,
            every=asked.every or "24h",
            retrain=asked.retrain,
            act_within=asked.act_within,
            hold_out=asked.hold_out,
            shift=asked.shift,
            draws=asked.draws,
            seed=asked.seed,
            settings=asked.settings,
            progress=progress,
        )

    def compare(self, a: tuple[Path, str], b: tuple[Path, str], *, draws: int) -> Comparison:
        """Differences of every metric in the same draws of devices."""
        first, second = (read_forecasts(path, model or OWN_FORECASTS) for path, model in (a, b))
        return compare(first, second, draws=draws)

    def tune(self, workspace: Workspace, **asked: Any) -> Found:
        """Search the settings of the boosters, see :func:`search`."""
        return search(self.name, workspace.store, workspace.fleet, **asked)

    def score(self, loaded: Loaded, read: Reading) -> Scoring:
        """Probabilities of every row of a snapshot, moved to the base rate known at the cutoff."""
        taken = take_snapshot(read.store, read.spec, self.name, read.until, version=read.version)
        snapshot = with_judgement(with_shift(taken, loaded, read.store, read.spec), loaded)
        return Scoring(judge(loaded, snapshot, read.spec), snapshot, snapshot.shifts[loaded.version].sentence)

    def spans(self, forecast: HazardForecast) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Horizons and components of the model."""
        return tuple(format_duration(end) for end in forecast.horizons_us), tuple(forecast.risks)

    def restored(self, found: ForecastSet, entity_id: str, content: Mapping[str, Any]) -> HazardForecast:
        """Forecast of stored content."""
        ends = tuple(parse_duration_us(horizon) for horizon in found.horizons)
        return restored_forecast(HazardForecast, {**found.head(entity_id), "horizons_us": ends}, content)

    def urgency(self, found: ForecastSet, horizon: str | None = None) -> Callable[[Sequence[float]], float]:
        """Probability within a horizon; raises ModelMismatchError if it is longer than the model's longest."""
        within = parse_duration_us(horizon or self.usual_horizon)
        ends = [parse_duration_us(each) for each in found.horizons]
        check_horizon(within, ends)
        return lambda ranks: risk_within(ends, ranks, within)

    def answer(self, forecast: HazardForecast, horizon: str | None = None) -> Answer:
        """Probability within a horizon, with the most likely component and the next step."""
        return answer(forecast, horizon or self.usual(forecast.horizons_us))

    def explain(
        self,
        workspace: Workspace,
        entity_id: str,
        *,
        cutoff: pd.Timestamp | None,
        horizon: str | None,
        progress: Progress | None,
    ) -> HazardExplanation:
        """Components, reasons, fault codes, similar past cases and parts, see :func:`explain`."""
        return explain(workspace, self.name, entity_id, cutoff=cutoff, horizon=horizon, progress=progress)

    def usual(self, horizons_us: Sequence[int]) -> str:
        """The usual horizon, or the longest of a model below it, or its first; ascending, microseconds."""
        usual = parse_duration_us(self.usual_horizon)
        return format_duration(int(max((each for each in horizons_us if each <= usual), default=horizons_us[0])))

    def _dictionary(self, asked: TrainingRequest) -> str:
        """Features the model sees, as JSON."""
        features = described(asked.store, asked.spec, self.grain, version=asked.version, known_at=asked.until)
        return json.dumps([asdict(feature) for feature in features], indent=2, ensure_ascii=False)


def _gate(trained: Trained, event: str) -> Gate:
    """Better than the base rate, where the period can tell: with events in it, and some before it to learn from."""
    since = f"from {trained.calibration_from:%Y-%m-%d} on"
    if trained.validation.events == 0:
        return Gate(False, f"the validation period, {since}, holds no {event}: it cannot tell how good the model is.")
    if trained.validation.learnt == 0:
        return Gate(False, f"there is no {event} before the validation period, {since}: nothing was learnt.")
    better = trained.better_than_base
    word = "better" if better else "worse"
    return Gate(better, f"{word} than the base rate on the validation period.")


def _params(trained: Trained) -> dict[str, object]:
    return {
        "rows": trained.rows,
        "features": len(trained.sample.columns),
        "calibration_from": trained.calibration_from.isoformat(),
        "validation_horizon": format_duration(trained.horizon_us),
        **{f"failures.{name}": count for name, count in trained.failures.items()},
        **{f"settings.{name}": value for name, value in described_settings(trained.model.settings).items()},
    }


def _every_metric(trained: Trained) -> dict[str, dict[str, float]]:
    """Model or baseline -> metric for any component, and ``<component>.<metric>`` for each of several."""
    found = {_who(name): dict(values) for name, values in trained.flat_metrics().items()}
    if len(trained.model.components) > 1:
        for component in trained.model.components:
            for name, values in trained.flat_metrics(component).items():
                found[_who(name)] |= {f"{component}.{metric}": value for metric, value in values.items()}
    return found


def _who(name: str) -> str:
    return OWN if name == OWN_FORECASTS else name
