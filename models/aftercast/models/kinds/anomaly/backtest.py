"""The backtest of anomalies: whether the rate of alarms is held later, and whether alarms come before failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aftercast.models.aliases import Ints
from aftercast.models.kinds.anomaly.episodes import AlarmRate
from aftercast.models.text_table import page, text_table
from aftercast.operations.clocks import to_us

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class AnomalyBacktest:
    """A view fitted on one period and judged on the next.

    Attributes
    ----------
    about
        kind, train_until, test_from, test_until, every, horizon and data_version.
    asked
        Alarm episodes per device-month that were asked for.
    reference, later
        Episodes in the reference period and in the test.
    confidence
        Of the upper bounds.
    failures, announced
        Failures in the test, and those with an unusual row of the device within the horizon before.
    by_chance
        Share of failures that so many unusual rows would announce if they fell at random: the share of the device's
        time before which an unusual row lies within the horizon.
    scored
        As :meth:`AnomalyView.score` returns, the rows of the test.
    """

    about: Mapping[str, Any]
    asked: float
    reference: AlarmRate
    later: AlarmRate
    confidence: float
    failures: int
    announced: int
    by_chance: float
    scored: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Report as JSON values."""
        return {
            **self.about,
            "alarms_per_device_month": {
                "asked": self.asked,
                **{
                    name: {
                        "rate": rate.per_device_month,
                        "at_most": rate.upper(self.confidence),
                        "episodes": rate.episodes,
                        "device_months": rate.device_months,
                    }
                    for name, rate in (("reference", self.reference), ("test", self.later))
                },
                "confidence": self.confidence,
            },
            "failures": self.failures,
            "announced": self.announced,
            "announced_by_chance": self.by_chance,
        }

    def shown(self) -> list[RenderableType]:
        """Texts and tables for a terminal."""
        rows = [
            [
                name,
                f"{rate.per_device_month:.3f}",
                f"{rate.upper(self.confidence):.3f}",
                f"{rate.episodes}",
                f"{rate.device_months:,.0f}",
            ]
            for name, rate in (("reference period", self.reference), ("test period", self.later))
        ]
        columns = ["", "alarms per device-month", f"at most, {self.confidence:.0%} sure", "episodes", "device-months"]
        share = "" if self.failures == 0 else f" ({self.announced / self.failures:.0%}; by chance {self.by_chance:.0%})"
        return [
            text_table(
                f"At most {self.asked:g} alarms per device-month were asked for", columns, rows, right=range(1, 5)
            ),
            f"{self.announced} of {self.failures} failures had an unusual row within {self.about['horizon']} before"
            f"{share}.",
        ]

    def write_html(self, path: Path) -> None:
        """Write as one HTML page."""
        path.write_text(page(self.shown(), "Backtest of anomalies"), encoding="utf-8")

    def write_forecasts(self, path: Path) -> None:
        """Write state and strength of every row of the test as Parquet."""
        columns = ["device_id", "cutoff", "state", "anomaly_score", "alarm_from", "unusual_since", "silent_since"]
        self.scored[columns].to_parquet(path)


def announced_failures(
    scored: pd.DataFrame, failures: pd.DataFrame, horizon_us: int, every_us: int
) -> tuple[int, int, float]:
    """How many failures there are, how many have an unusual row within the horizon before, and the share by chance.

    Parameters
    ----------
    scored
        device_id, cutoff (UTC) and state, one row a device and test cutoff.
    failures
        device_id, event_time (UTC).
    """
    unusual = scored[scored["state"] == "unusual"]
    by_device = {str(name): to_us(rows["cutoff"]) for name, rows in unusual.groupby("device_id")}
    cutoffs = to_us(scored["cutoff"])
    moments, devices = to_us(failures["event_time"]), failures["device_id"].astype(str).to_numpy()
    there = set(scored["device_id"].astype(str))
    seen = sorted(
        {
            (name, int(moment))
            for name, moment in zip(devices, moments, strict=True)
            if cutoffs.min() < moment <= cutoffs.max() + every_us and name in there
        }
    )
    told = sum(_within(by_device.get(name), moment, horizon_us) for name, moment in seen)
    rows = zip(scored["device_id"].astype(str), cutoffs + every_us, strict=True)
    covered = [_within(by_device.get(name), int(end), horizon_us) for name, end in rows]
    return len(seen), told, float(np.mean(covered)) if covered else 0.0


def _within(cutoffs_us: Ints | None, moment_us: int, span_us: int) -> bool:
    """Whether one of the cutoffs lies in [moment - span, moment)."""
    return cutoffs_us is not None and bool(((cutoffs_us < moment_us) & (cutoffs_us >= moment_us - span_us)).any())
