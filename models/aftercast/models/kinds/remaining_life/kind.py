"""The kind ``remaining-life``: cycles left to running units, learnt from units that were run to failure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from pydantic import Field

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.models.examples.cases import known_until
from aftercast.models.forecast import DistributionForecast, PlainStatement
from aftercast.models.kind import OWN, BacktestRequest, Gate, Reading, Scoring, Training, TrainingRequest
from aftercast.models.kinds.plain import PlainKind, statement_of
from aftercast.models.kinds.remaining_life.assessment import Judged, judge, stage_names
from aftercast.models.kinds.remaining_life.backtest import LifeBacktest, LifeComparison, compare_files
from aftercast.models.kinds.remaining_life.baseline import AGE
from aftercast.models.kinds.remaining_life.evaluation import OURS
from aftercast.models.kinds.remaining_life.from_store import Asked, FailedUnits, asked_of, failed_units
from aftercast.models.kinds.remaining_life.model import RemainingLifeModel
from aftercast.models.kinds.remaining_life.plots import remaining_life_plots
from aftercast.models.kinds.remaining_life.running import running_units
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.tables import shown_intervals, shown_points, shown_source
from aftercast.models.kinds.remaining_life.trajectories.table import CYCLE, UNIT
from aftercast.models.registry.versions import Loaded
from aftercast.models.scoring.snapshot import standing_facts
from aftercast.operations.clocks import parse_time
from aftercast.operations.configuration import StrictModel
from aftercast.operations.errors import ModelMismatchError, NotEnoughDataError

if TYPE_CHECKING:
    from rich.console import RenderableType

NO_CALENDAR: Final = "units run to failure are compared by cycles, in folds of whole units, and share no calendar."


class LifeOptions(StrictModel):
    """What may be set for a training."""

    component: str | None = None
    """Whose failures end a life; the fleet's only component where not set."""
    settings: str | None = None
    """Sensors that say how a unit is operated, with commas; those named setting... where not set."""
    cap: float = Field(125.0, ge=1)
    """Cycles left beyond which healthy units are all alike."""
    folds: int = Field(5, ge=2)
    """Groups of whole units; each is judged by the others."""
    youngest: int = Field(RemainingLifeSettings.youngest, ge=1)
    """Units of at most so many cycles are not judged."""
    rounds: int = Field(RemainingLifeSettings.rounds, ge=1)
    learning_rate: float = Field(RemainingLifeSettings.learning_rate, gt=0, le=1)

    def asked(self, spec: FleetSpec) -> Asked:
        """Component and columns of a fleet, see :func:`asked_of`."""
        names = None if self.settings is None else [name.strip() for name in self.settings.split(",") if name.strip()]
        return asked_of(spec, self.component, names)


class RemainingLifeKind(PlainKind):
    """Units that run to failure, the cycles left to them, and why one cannot be judged."""

    name = "remaining-life"
    shape = "distribution"
    forecast = DistributionForecast
    options = LifeOptions
    title = "Remaining life"
    order = "cautious remaining life, shortest first, then what cannot be judged"
    about = "the cycles left to a running unit, with an interval, where units are run to failure."

    def train(self, asked: TrainingRequest) -> Training:
        """Train on units run to failure, beside the baselines in folds of whole units.

        It may serve when its error is below that of the age alone by more than chance: the whole 95 % interval over
        units of the difference is below 0.
        """
        options: LifeOptions = asked.settings
        units, judged = _judged(asked, options)
        model = judged.training.model
        sample = units.frame[units.frame[UNIT] == units.frame[UNIT].iloc[0]]
        facts = {
            "component": units.asked.component,
            "units": units.units,
            "longest_cycles": int(units.frame[CYCLE].max()),
        }
        report = judged.report()
        return Training(
            model=model,
            metrics=_metrics(judged),
            gate=_gate(judged),
            params={
                **{f"settings.{name}": value for name, value in asdict(model.settings).items() if name != "workers"},
                **{f"left_out.{name}".replace(" ", "_"): count for name, count in units.left_out.items()},
            },
            figures=remaining_life_plots(judged),
            asked=sample,
            answered=model.table(sample),
            texts={"report.json": json.dumps(report, indent=2)},
            facts=facts,
            result={
                **facts,
                "left_out": units.left_out,
                "sensors": list(units.asked.sensors),
                "settings": list(units.asked.settings),
                "folds": judged.settings.folds,
                "cap": judged.settings.cap,
                "metrics": judged.points,
                "intervals": report["intervals_by_other_folds"],
                "against_age": judged.against_age,
            },
        )

    def shown_training(self, result: Mapping[str, Any]) -> Sequence[RenderableType]:
        """Errors beside the baselines', and intervals by stage."""
        return [
            *shown_points(f"Out of {result['folds']} folds of whole units", result["metrics"], result["cap"]),
            shown_intervals("Intervals in each fold by the other folds only, as for new units", result["intervals"]),
            shown_source(result),
        ]

    def load(self, folder: Path) -> RemainingLifeModel:
        """Read a saved model."""
        return RemainingLifeModel.load(folder)

    def backtest(self, workspace: Workspace, asked: BacktestRequest, progress: Progress | None) -> LifeBacktest:
        """Test in folds of whole units beside the baselines; nothing is kept."""
        calendar = ("test_from", "test_until", "horizon", "every", "retrain", "act_within", "hold_out", "shift")
        asked.refuse(NO_CALENDAR, *calendar, "draws", "seed")
        until = parse_time(asked.train_until[-1]) if asked.train_until else None
        version, end = known_until(workspace.store, None, until)
        options = self.settings({}, workspace.fleet) if asked.settings is None else asked.settings
        units, judged = _judged(Reading(workspace.store, workspace.fleet, version, end, progress), options)
        about = {
            "kind": self.name,
            "until": end.isoformat(),
            "data_version": version,
            "component": units.asked.component,
            "left_out": units.left_out,
        }
        return LifeBacktest(about, judged)

    def compare(self, a: tuple[Path, str], b: tuple[Path, str], *, draws: int) -> LifeComparison:
        """Difference of the errors on the same rows, in the same draws of units."""
        del draws  # units are drawn as often as in a backtest
        return compare_files(a, b)

    def score(self, loaded: Loaded, read: Reading) -> Scoring:
        """Cycles left to every running unit, from what was available at the cutoff (included)."""
        model: RemainingLifeModel = loaded.model
        found = running_units(read, _asked(loaded, read.spec), model.settings)
        answers = {}
        if len(found.frame) > 0:
            answers = {str(row[UNIT]): row for row in model.predict(found.frame).to_dict("records")}
        rows = found.units.sort_values(UNIT, kind="stable").to_dict("records")
        customers = standing_facts(read.table("devices"), np.array([row[UNIT] for row in rows], dtype=object))[
            "customer_id"
        ]
        forecasts = [
            _forecast(loaded, row, answers.get(row[UNIT]), str(customer), read)
            for row, customer in zip(rows, customers, strict=True)
        ]
        if not forecasts:
            raise NotEnoughDataError(f"No unit runs at {read.until:%Y-%m-%d %H:%M} UTC.", "Take another cutoff.")
        judged = sum(each.expected is not None for each in forecasts)
        return Scoring(forecasts, notice=f"{judged} of {len(forecasts)} running units judged.")

    def learnt_until(self, loaded: Loaded) -> pd.Timestamp:
        """End of what it was trained on: of later failures it would know the lives before them."""
        return parse_time(loaded.metadata.until)

    def answer(self, forecast: DistributionForecast, horizon: str | None = None) -> PlainStatement:
        """Cycles left with their interval, or why they cannot be judged."""
        del horizon
        judged = forecast.expected is not None
        values = {name: getattr(forecast, name) for name in ("expected", "cautious", "lower", "upper", "unit")}
        facts = {**values, "quantity": forecast.quantity, "coverage": forecast.coverage, **forecast.facts}
        reason = None if judged else " ".join(forecast.notices)
        return statement_of(forecast, _sentence(forecast), reason, forecast.notices, facts)


def _judged(read: Reading, options: LifeOptions) -> tuple[FailedUnits, Judged]:
    """Units run to failure and what a training on them is worth."""
    settings = RemainingLifeSettings(**options.model_dump(exclude={"component", "settings"}))
    units = failed_units(read, options.asked(read.spec), settings)
    settings = replace(settings, setting_columns=units.asked.settings, sensor_columns=units.asked.sensors)
    return units, judge(units.frame, settings)


def _metrics(judged: Judged) -> dict[str, dict[str, float]]:
    """Model or baseline -> error, and coverage and width by stage of units that had no say in the intervals."""
    found = {
        _word(OWN if who == OURS else who): {name: values[0] for name, values in metrics.items()}
        for who, metrics in judged.points.items()
    }
    honest = judged.coverage
    for name in ("coverage", "width"):
        found[name] = {_word(stage): row[name][0] for stage, row in honest.items()}
    return {**found, "difference_to_age": {"rmse": judged.against_age[0]}}


def _word(name: str) -> str:
    return name.replace(",", "").replace(" ", "_").lower()


def _gate(judged: Judged) -> Gate:
    ours, age = (judged.points[name]["rmse"][0] for name in (OURS, AGE))
    difference = "{:.2f} [{:.2f}, {:.2f}]".format(*judged.against_age)
    figures = f"RMSE {ours:.2f} cycles, age alone {age:.2f}, difference {difference} in folds of whole units."
    word = "better" if judged.better_than_age else "no better"
    return Gate(judged.better_than_age, f"{word} than the age baseline. {figures}")


def _asked(loaded: Loaded, spec: FleetSpec) -> Asked:
    """Component and columns to read for a model; raises ModelMismatchError if the fleet spec no longer has them."""
    model: RemainingLifeModel = loaded.model
    component = str(loaded.metadata.facts["component"])
    found = Asked(component, model.settings.setting_columns, model.members.recipe.sensors)
    missing = sorted({found.component} - {*spec.component_names}) + sorted({*found.columns} - {*spec.sensor_names})
    if missing:
        raise ModelMismatchError(
            f"The remaining life model needs '{missing[0]}', which the fleet spec does not list.",
            "List it in fleet.toml, or train again.",
        )
    return found


def _forecast(
    loaded: Loaded,
    unit: Mapping[Any, Any],
    answer: Mapping[Any, Any] | None,
    customer_id: str,
    read: Reading,
) -> DistributionForecast:
    settings = loaded.model.settings
    facts: dict[str, Any] = {
        "component": loaded.metadata.facts["component"],
        "cycles": int(unit["cycles"]),
        "running_since": unit["since"].isoformat(),
        "retired": bool(unit["retired"]),
        "stage": None if answer is None else stage_names(settings)[int(answer["stage"])],
    }
    told: dict[str, float | None] = dict.fromkeys(("remaining", "cautious", "lower", "upper"))
    if answer is not None:
        told = {name: round(float(answer[name]), 2) for name in told}
        told["upper"] = None if answer["open_above"] else told["upper"]
    return DistributionForecast(
        kind=loaded.kind,
        entity_id=str(unit[UNIT]),
        cutoff=read.until,
        model_version=loaded.version,
        data_version=read.version,
        urgency=None if told["cautious"] is None else -told["cautious"],
        quantity=f"life of the {facts['component']}",
        unit="cycles",
        expected=told["remaining"],
        cautious=told["cautious"],
        lower=told["lower"],
        upper=told["upper"],
        coverage=settings.coverage,
        data_as_of=None if pd.isna(unit["last_cycle_at"]) else unit["last_cycle_at"],
        device_model=str(unit["device_model"]),
        customer_id=customer_id,
        facts=facts,
        notices=_notices(loaded, unit, judged=answer is not None),
    )


def _notices(loaded: Loaded, unit: Mapping[Any, Any], *, judged: bool) -> tuple[str, ...]:
    """What is said of a unit; one older than any that was learnt from is not one of their kind."""
    facts, own = loaded.metadata.facts, () if unit["notice"] is None else (str(unit["notice"]),)
    if not judged or unit["cycles"] <= facts["longest_cycles"]:
        return own
    learnt = f"all {facts['units']} units learnt from (at most {facts['longest_cycles']} cycles)"
    return (f"Older than {learnt}: likely too early.", *own)


def _sentence(forecast: DistributionForecast) -> str:
    if forecast.expected is None or forecast.cautious is None or forecast.lower is None:
        return "The remaining life cannot be judged"
    span = (
        f"at least {forecast.lower:.0f}" if forecast.upper is None else f"{forecast.lower:.0f} to {forecast.upper:.0f}"
    )
    return (
        f"{forecast.expected:.0f} cycles left, cautiously {forecast.cautious:.0f} "
        f"({forecast.coverage:.0%} interval: {span})"
    )
