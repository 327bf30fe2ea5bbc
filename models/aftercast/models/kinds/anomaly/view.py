"""The anomaly view: how unusual each device is, alarming at a rate per device-month that was asked for.

It learns from telemetry alone, so it serves fleets with too few failures to learn risks from. A score says how unusual
a device is, not how likely it fails: it is no probability and is never turned into one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.examples import Examples
from aftercast.features.scope import Scope
from aftercast.models.aliases import Floats, Mask
from aftercast.models.kinds.anomaly.deviation import Groups
from aftercast.models.kinds.anomaly.episodes import AlarmRate, alarm_rate, begun
from aftercast.models.kinds.anomaly.ignored import ignored_mask, ignored_notices
from aftercast.models.kinds.anomaly.sentences import deviating, silence_notices
from aftercast.models.kinds.anomaly.settings import AnomalySettings
from aftercast.models.kinds.anomaly.signals import Signal, dark, half_filled, signal_values, signals_of
from aftercast.models.kinds.anomaly.standard import Deviations, Panel, Standard, deviations, learn_standard
from aftercast.models.kinds.anomaly.threshold import Calibration, choose_threshold
from aftercast.models.saved_json import load_json, save_json
from aftercast.operations.clocks import HOUR_US, from_us, parse_duration_us, timestamp_us
from aftercast.operations.errors import InputError, NotEnoughDataError, SettingsError

FILE: Final = "view.json"
FORMAT: Final = 3


@dataclass(frozen=True)
class AnomalyView:
    """A fitted anomaly view.

    Attributes
    ----------
    components
        Of the fleet spec: where the features carry the age of one, its renewal begins a new own past.
    rate
        Alarm episodes per device-month (30 days of a device that can be judged) that were asked for.
    threshold
        Score from which a device is unusual.
    reference
        Episodes that the threshold gave on the part of the reference period that set it.
    every_us
        Time between cutoffs of the reference period.
    gap_us
        Longest feature window, microseconds: the own past ends so long before the cutoff.
    stale_hours
        A device silent for longer is dark.
    """

    signals: tuple[Signal, ...]
    components: tuple[str, ...]
    standard: Standard
    settings: AnomalySettings
    rate: float
    threshold: float
    reference: AlarmRate
    every_us: int
    gap_us: int
    stale_hours: float

    @property
    def look_back_us(self) -> int:
        """How far before a cutoff rows count: own past, then time for an episode to have begun; microseconds."""
        return self.settings.past_us + self.gap_us + 4 * self.settings.quiet_us

    def save(self, folder: Path) -> None:
        """Write it as JSON into a folder, numbers to the last bit."""
        save_json(self, folder / FILE, FORMAT)

    @staticmethod
    def load(folder: Path) -> AnomalyView:
        """Read what :meth:`save` wrote; raises ModelMismatchError where there is none of this format."""
        return load_json(AnomalyView, folder / FILE, FORMAT, what="anomaly view", mend="Fit again.")

    def table(self, frame: pd.DataFrame) -> pd.DataFrame:
        """State and strength of rows.

        Parameters
        ----------
        frame
            Features with ``device_id`` and ``cutoff`` (UTC), sorted by them, the rows of the past among them.
        """
        cutoffs = frame["cutoff"].map(timestamp_us).to_numpy(dtype=np.int64)
        examples = Examples(frame["device_id"].to_numpy(dtype=np.str_), cutoffs, "device_id")
        scored = self.score(frame.drop(columns=["device_id", "cutoff"]), examples)
        return scored[["device_id", "state", "anomaly_score", "alarm_from"]]

    def score(
        self, features: pd.DataFrame, examples: Examples, *, quarantined: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Judge devices at cutoffs.

        Parameters
        ----------
        features, examples
            n aligned rows, with the rows of the device's past (``look_back_us``) among them at the spacing of the
            reference period, and the devices of its model at the same cutoffs. Rows of later cutoffs change nothing.
        quarantined
            Impossible readings (:func:`aftercast.models.kinds.anomaly.impossible_readings`); their sensors are ignored
            while such a reading lies in the longest feature window.

        Returns
        -------
        DataFrame, n rows aligned with the examples
            device_id, cutoff (UTC), state ("usual", "unusual", "dark" or "not judged"), anomaly_score (robust standard
            deviations of the signal that deviates most; NaN where not judged), alarm_from (the threshold),
            unusual_since (UTC, NaT where it is not unusual), last_report (UTC, NaT where there was none),
            silent_since (that of a dark device, else NaT), deviations (tuple of ``Deviating``, most unusual first, for
            unusual rows), notices (tuple of sentences). Nothing in it is a probability.

        Raises
        ------
        NotEnoughDataError
            If columns of telemetry are missing.
        InputError
            If features and examples are not aligned.
        """
        rows = _read(features, examples, self, quarantined)
        found = deviations(rows.panel, self.standard)
        alarm = found.score >= self.threshold
        since = begun(rows.panel.groups.offsets, rows.panel.groups.cutoffs, alarm, self.settings.quiet_us)
        notices = silence_notices(features, rows.dark)
        for row, texts in ignored_notices(rows.ignored, self.signals).items():
            notices[row] += texts
        frame = examples.frame()
        frame["state"] = _states(rows.dark, found.score, alarm)
        frame["anomaly_score"] = found.score
        frame["alarm_from"] = self.threshold
        frame["unusual_since"] = from_us(since).where(alarm)
        frame["last_report"] = _last_report(frame["cutoff"], features)
        frame["silent_since"] = frame["last_report"].where(rows.dark)
        frame["deviations"] = self._deviating(rows.panel.values, found, alarm)
        frame["notices"] = pd.Series([tuple(texts) for texts in notices], index=frame.index, dtype=object)
        return frame

    def rate_of(self, scored: pd.DataFrame) -> AlarmRate:
        """Rate of alarm episodes over the judged rows of what :meth:`score` returned.

        An episode counts where it begins, so one that began before the rows given does not count.
        """
        new = (scored["device_id"] != scored["device_id"].shift()).to_numpy()
        offsets = np.append(np.flatnonzero(new), len(scored)).astype(np.int64)
        starts = (scored["unusual_since"] == scored["cutoff"]).to_numpy()
        return alarm_rate(offsets, starts, scored["anomaly_score"].notna().to_numpy(), self.every_us)

    def _deviating(self, values: Floats, found: Deviations, alarm: Mask) -> pd.Series:
        out: list[tuple[object, ...]] = [()] * len(alarm)
        for row in np.flatnonzero(alarm):
            out[row] = deviating(int(row), values, found, self.threshold, self.signals)
        return pd.Series(out, dtype=object)


def fit_anomaly_view(
    features: pd.DataFrame,
    examples: Examples,
    spec: FleetSpec,
    *,
    alarms_per_device_month: float,
    quarantined: pd.DataFrame | None = None,
    settings: AnomalySettings | None = None,
) -> AnomalyView:
    """Fit a view on a reference period: everything given to it, so leave out what it will be checked on.

    The first part of the period learns how far signals usually stray (``settings.learn_share``), the rest sets the
    threshold by the episodes of alarm it gives. Every alarm counts, also one that a failure follows: the rate of false
    alarms is below the rate asked for.

    Parameters
    ----------
    features, examples
        n aligned rows at evenly spaced cutoffs, the whole fleet at each.
    alarms_per_device_month
        Alarm episodes per device-month, above 0.
    quarantined
        As for :meth:`AnomalyView.score`.

    Raises
    ------
    NotEnoughDataError
        If there is no telemetry, or the period is too short to hold the rate.
    SettingsError
        If the rate makes no sense.
    InputError
        If features and examples are not aligned.
    """
    if not (np.isfinite(alarms_per_device_month) and alarms_per_device_month > 0):
        raise SettingsError(
            f"{alarms_per_device_month} alarms per device-month cannot be asked for.", "Name a rate above 0, as 0.1."
        )
    chosen = settings or AnomalySettings()
    scope = Scope(spec)
    signals, gap_us = signals_of(spec), scope.windows[-1]
    draft = AnomalyView(
        signals=signals,
        components=spec.component_names,
        standard=Standard(np.empty(0), np.empty((0, 0)), np.empty((0, 0)), np.ones(2), np.empty(0)),
        settings=chosen,
        rate=float(alarms_per_device_month),
        threshold=float("nan"),
        reference=AlarmRate(0, 0.0),
        every_us=_spacing(examples),
        gap_us=gap_us,
        stale_hours=parse_duration_us(spec.features.stale_after) / HOUR_US,
    )
    rows = _read(features, examples, draft, quarantined)
    if np.isnan(rows.panel.values).all():
        raise NotEnoughDataError(
            "No device has telemetry in the reference period.", "Import telemetry, or take another period."
        )
    learning = _learning(rows, chosen.learn_share)
    standard = learn_standard(rows.panel, learning)
    score = deviations(rows.panel, standard).score
    reference = Calibration(
        rows.panel.groups.offsets, examples.cutoff_us, np.where(learning, np.nan, score), draft.every_us
    )
    threshold = choose_threshold(reference, draft.rate, chosen.quiet_us, chosen.confidence)
    return replace(draft, standard=standard, threshold=threshold, reference=reference.rate(threshold, chosen.quiet_us))


@dataclass(frozen=True)
class _Rows:
    """Signals of n rows without those of dark devices and ignored sensors; and who those are, (n,) and (n, k)."""

    panel: Panel
    dark: Mask
    ignored: Mask


def _read(features: pd.DataFrame, examples: Examples, view: AnomalyView, quarantined: pd.DataFrame | None) -> _Rows:
    if len(features) != len(examples):
        raise InputError(
            f"{len(features)} rows of features were given for {len(examples)} examples.", "Build them together."
        )
    values = signal_values(features, view.signals)
    silent = dark(features, view.stale_hours)
    ignored = ignored_mask(quarantined, examples, view.signals, view.gap_us)
    values[silent] = np.nan
    values[ignored | half_filled(features, view.signals, view.settings.minimum_share)] = np.nan
    groups = Groups.of(features, examples, view.components)
    age = groups.cutoffs - groups.renewed
    for j, signal in enumerate(view.signals):
        values[age < parse_duration_us(signal.window), j] = np.nan
    panel = Panel(values, view.signals, groups, view.gap_us, view.settings)
    return _Rows(panel, silent, ignored)


def _spacing(examples: Examples) -> int:
    """Time between cutoffs: the most frequent step, microseconds.

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two cutoffs.
    """
    steps = np.diff(np.unique(examples.cutoff_us))
    if len(steps) == 0:
        raise NotEnoughDataError(
            f"The reference period has {min(len(examples), 1)} cutoffs; what is usual takes many.",
            "Give it the cutoffs of some months.",
        )
    found, count = np.unique(steps, return_counts=True)
    return int(found[np.argmax(count)])


def _learning(rows: _Rows, share: float) -> Mask:
    """Rows in the first share of the time in which anything was measured, shape (n,)."""
    measured = rows.panel.groups.cutoffs[~np.isnan(rows.panel.values).all(axis=1)]
    first, last = int(measured.min()), int(measured.max())
    return np.asarray(rows.panel.groups.cutoffs <= first + share * (last - first))


def _states(silent: Mask, score: Floats, alarm: Mask) -> npt.NDArray[np.str_]:
    return np.select([silent, np.isnan(score), alarm], ["dark", "not judged", "unusual"], default="usual")


def _last_report(cutoff: pd.Series, features: pd.DataFrame) -> pd.Series:
    hours = features["telemetry_age_hours"].to_numpy(dtype=np.float64)
    age = pd.Series(pd.to_timedelta(np.where(np.isnan(hours), np.nan, hours), unit="h"), index=cutoff.index)
    return (cutoff - age).dt.round("s")
