"""Remaining life: train on units run to failure, list units still running, test in folds of whole units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.features.code_digest import sources_digest
from aftercast.models.kinds.remaining_life import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.assessment import Judged, judge, stage_names
from aftercast.models.kinds.remaining_life.from_store import Asked, FailedUnits, asked_of, failed_units, natural
from aftercast.models.kinds.remaining_life.registered import KIND, About, LoadedLife, keep, load_champion_life
from aftercast.models.kinds.remaining_life.running import RunningUnits, running_units
from aftercast.models.kinds.remaining_life.trajectories.table import CYCLE
from aftercast.models.registry.metadata import library_versions, spec_hash
from aftercast.models.registry.versions import Version, needing_registry
from aftercast.operations.errors import InputError, LookAheadError, NotEnoughDataError
from aftercast.pipelines.runs import Done, run_key, run_once

Progress = Callable[[str, int], None]
ANSWERS: Final = ("remaining", "cautious", "lower", "upper")


def run_life_training(
    workspace: Workspace,
    *,
    until: pd.Timestamp | None = None,
    component: str | None = None,
    setting_columns: Sequence[str] | None = None,
    settings: RemainingLifeSettings | None = None,
    progress: Progress | None = None,
) -> Done:
    """Train a remaining life model; the same end, data, fleet spec, columns and settings are trained once.

    Parameters
    ----------
    until
        UTC: nothing is read that was available only later. None is the end of the data.
    component, setting_columns
        As for :func:`asked_of`.
    settings
        None for the defaults; its columns are replaced by those asked for.

    Raises
    ------
    NotEnoughDataError
        If fewer units than two a fold were run to failure.
    InputError
        If component or columns are not in the fleet spec, or no sensor varies.
    """
    version, end = _known(workspace, until)
    asked, chosen = asked_of(workspace.fleet, component, setting_columns), settings or RemainingLifeSettings()
    spec = spec_hash(workspace.fleet)
    rules = {"spec": spec, "features": sources_digest(), "settings": _described(chosen)}
    key = run_key(kind=KIND, until=end.isoformat(), data=version, asked=asked, **rules)

    @needing_registry(workspace)
    def work() -> dict[str, Any]:
        units = failed_units(
            workspace.store, workspace.fleet, asked, chosen, version=version, known_at=end, progress=progress
        )
        judged = _judged(units, chosen)
        longest = int(units.frame[CYCLE].max())
        about = About(key, end.isoformat(), version, asked.component, units.units, longest, spec, library_versions())
        return _result(judged, units, about, keep(workspace, judged, units, about))

    return run_once(workspace, KIND, key, work)


def life_backtest(
    workspace: Workspace,
    *,
    until: pd.Timestamp | None = None,
    component: str | None = None,
    setting_columns: Sequence[str] | None = None,
    settings: RemainingLifeSettings | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Test in folds of whole units beside the baselines; nothing is kept. Parameters and errors as for training.

    Returns
    -------
    dict
        What :meth:`Judged.report` gives, with ``until``, ``data_version``, ``component`` and ``left_out``.
    """
    version, end = _known(workspace, until)
    asked, chosen = asked_of(workspace.fleet, component, setting_columns), settings or RemainingLifeSettings()
    units = failed_units(
        workspace.store, workspace.fleet, asked, chosen, version=version, known_at=end, progress=progress
    )
    about = {"until": end.isoformat(), "data_version": version, "component": asked.component}
    return {**about, "left_out": units.left_out, **_judged(units, chosen).report()}


def list_remaining_lives(
    workspace: Workspace, *, cutoff: pd.Timestamp | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Remaining life of every running unit by the champion, from what was available at the cutoff (included).

    Parameters
    ----------
    cutoff
        UTC; None is the end of the data.

    Returns
    -------
    dict
        ``cutoff``, ``data_version``, ``model``, and ``units``: those judged by ascending cautious remaining life, then
        those that cannot be judged, whose answers are None and whose ``notice`` says what is needed. ``upper`` is None
        where the interval is open above.

    Raises
    ------
    NotFoundError
        If there is no champion.
    LookAheadError
        If the champion was trained on facts from after the cutoff.
    InputError
        If the cutoff is later than the data.
    """
    loaded = load_champion_life(workspace)
    version, end = _known(workspace, cutoff)
    if cutoff is not None and cutoff > end:
        raise InputError(
            f"The cutoff {cutoff:%Y-%m-%d %H:%M} is later than the data, which end at {end:%Y-%m-%d %H:%M} UTC.",
            "Import newer data, or take an earlier cutoff.",
        )
    _refuse_look_ahead(loaded, end)
    asked = loaded.asked(workspace.fleet)
    found = running_units(
        workspace.store,
        workspace.fleet,
        asked,
        loaded.model.settings,
        version=version,
        known_at=end,
        progress=progress,
    )
    return {
        "cutoff": end.isoformat(),
        "data_version": version,
        "model": _about(loaded, asked),
        "units": _answered(loaded, found),
    }


def _known(workspace: Workspace, moment: pd.Timestamp | None) -> tuple[int, pd.Timestamp]:
    """Newest version, and the instant until which it is read: the one asked for, at most the end of the data."""
    version = workspace.store.version()
    observed = workspace.store.observed_until(version)
    if observed is None:
        raise NotEnoughDataError("The workspace holds no data.", "Run `aftercast import SOURCE PATH`.")
    return version, observed if moment is None else min(moment, observed)


def _described(settings: RemainingLifeSettings) -> dict[str, Any]:
    """Settings that a result depends on."""
    return {name: value for name, value in asdict(settings).items() if name != "workers"}


def _judged(units: FailedUnits, settings: RemainingLifeSettings) -> Judged:
    asked = units.asked
    return judge(units.frame, replace(settings, setting_columns=asked.settings, sensor_columns=asked.sensors))


def _result(judged: Judged, units: FailedUnits, about: About, version: Version) -> dict[str, Any]:
    return {
        "key": about.key,
        "until": about.until,
        "data_version": about.data_version,
        "component": about.component,
        "units": about.units,
        "left_out": units.left_out,
        "sensors": list(units.asked.sensors),
        "settings": list(units.asked.settings),
        "folds": judged.settings.folds,
        "cap": judged.settings.cap,
        "metrics": judged.points,
        "intervals": judged.coverage,
        "against_age": judged.against_age,
        "run_id": version.run_id,
        "version": version.version,
        "champion": version.champion,
        "decision": version.decision,
    }


def _refuse_look_ahead(loaded: LoadedLife, cutoff: pd.Timestamp) -> None:
    until = pd.Timestamp(loaded.about.until)
    if until > cutoff:
        raise LookAheadError(
            f"The champion was trained on facts until {until:%Y-%m-%d %H:%M}, after the cutoff "
            f"{cutoff:%Y-%m-%d %H:%M} UTC.",
            f"Take a later cutoff, or train by `aftercast remaining-life train --until {cutoff:%Y-%m-%dT%H:%M}`.",
        )


def _about(loaded: LoadedLife, asked: Asked) -> dict[str, Any]:
    settings = loaded.model.settings
    return {
        "version": loaded.version.version,
        "trained_until": loaded.about.until,
        "trained_on_units": loaded.about.units,
        "component": asked.component,
        "cap": settings.cap,
        "coverage": settings.coverage,
        "cycles_needed": settings.youngest + 1,
        "stages": stage_names(settings),
    }


def _answered(loaded: LoadedLife, found: RunningUnits) -> list[dict[str, Any]]:
    answers: dict[str, dict[Any, Any]] = {}
    if len(found.frame) > 0:
        told = loaded.model.predict(found.frame)
        answers = {str(row["unit"]): row for row in told.to_dict("records")}
    stages = stage_names(loaded.model.settings)
    rows = [_unit(row, answers.get(row["unit"]), stages) for row in found.units.to_dict("records")]
    return sorted((_outlived(row, loaded.about) for row in rows), key=_order)


def _outlived(row: dict[str, Any], about: About) -> dict[str, Any]:
    """Row with a notice where the unit is older than any that was learnt from: it is not one of their kind."""
    if row["cautious"] is None or row["cycles"] <= about.longest_cycles:
        return row
    text = f"Outlived all {about.units} units learnt from (at most {about.longest_cycles} cycles): likely too early."
    return {**row, "notice": text if row["notice"] is None else f"{text} {row['notice']}"}


def _order(row: dict[str, Any]) -> tuple[bool, float, float, tuple[str | int, ...]]:
    judged = row["cautious"] is not None
    return (not judged, row["cautious"] if judged else 0.0, row["remaining"] if judged else 0.0, natural(row["unit"]))


def _unit(unit: dict[Any, Any], answer: dict[Any, Any] | None, stages: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys((*ANSWERS, "open_above", "interval", "stage"))
    if answer is not None:
        told = {name: round(float(answer[name]), 2) for name in ANSWERS}
        open_above = bool(answer["open_above"])
        interval = f"at least {told['lower']:.0f}" if open_above else f"{told['lower']:.0f} to {told['upper']:.0f}"
        told |= {"upper": None if open_above else told["upper"], "open_above": open_above}
        told |= {"interval": interval, "stage": stages[int(answer["stage"])]}
    return {
        "unit": unit["unit"],
        "device_model": unit["device_model"],
        "since": unit["since"].isoformat(),
        "cycles": int(unit["cycles"]),
        "last_cycle_at": None if pd.isna(unit["last_cycle_at"]) else unit["last_cycle_at"].isoformat(),
        "retired": bool(unit["retired"]),
        **told,
        "notice": unit["notice"],
    }
