"""Signs: which fault codes came before the failures of a component, as a technician would look them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.failure_events import failure_records
from aftercast.features.history import load_history
from aftercast.features.outcome import final_versions

BEFORE: Final = pd.Timedelta(days=7)
OWN_WORTH: Final = 5.0  # failures of the whole fleet that the share of one device model starts from


@dataclass(frozen=True)
class Sign:
    """A fault code and the failures of a component it came before.

    Attributes
    ----------
    code, about
        As the fleet spec describes it.
    before, failures
        Failures of the component on devices of the model that the code came before within 7 days, and all of them.
    share
        Share of the model's failures with the code, drawn towards that of the whole fleet.
    usual
        Share of devices that report the code in any 7 days, over the same time.
    reported
        How often the device reported it within 7 days up to the cutoff.
    """

    code: str
    about: str
    before: int
    failures: int
    share: float
    usual: float
    reported: int

    @property
    def tells(self) -> bool:
        """Whether failures have it at least twice as often as devices usually do."""
        return self.share >= 2.0 * self.usual

    @property
    def sentence(self) -> str:
        """For people."""
        now = f"reported {self.reported} times in the last 7 days" if self.reported > 0 else "not reported now"
        return (
            f"{self.code} {now}; it came before {self.before} of {self.failures} failures of this model, and "
            f"{self.usual:.0%} of all devices report it in any week".replace("%", " %")
        )


def signs_of(
    store: Store, spec: FleetSpec, component: str, *, device_id: str, cutoff: pd.Timestamp, version: int | None = None
) -> list[Sign]:
    """Signs of a component, most telling first: those reported now, then by share over what is usual.

    The share of a device model with s of n failures is ``(s + 5 q) / (n + 5)`` with q the share of the whole fleet (the
    mean of a beta prior worth five failures, so that a new model speaks for itself only with failures of its own).
    Everything is read as it was known at the cutoff; codes that came before no failure are left out.
    """
    known: dict[str, Any] = {"version": version, "known_at": cutoff}
    faults = store.read("faults", columns=["device_id", "event_time", "code"], **known)
    failures = _failures(store, spec, component, cutoff, version)
    if faults.empty or failures.empty:
        return []
    models = store.read("devices", columns=["device_id", "device_model"], **known)
    model_of = models.drop_duplicates("device_id", keep="last").set_index("device_id")["device_model"]
    before = _before(failures, faults)
    own = failures["device_id"].map(model_of) == model_of.get(device_id)
    recent = faults[(faults["device_id"] == device_id) & (faults["event_time"] > cutoff - BEFORE)]
    now = recent["code"].value_counts()
    usual = _usual(faults, len(model_of))
    abouts = {code.code: code.about for code in spec.fault_codes}
    found = []
    for code in before.columns[before.any()]:
        whole = float(before[code].mean())
        seen, count = int(before.loc[own, code].sum()), int(own.sum())
        share = (seen + OWN_WORTH * whole) / (count + OWN_WORTH)
        found.append(Sign(code, abouts.get(code, ""), seen, count, share, float(usual[code]), int(now.get(code, 0))))
    return sorted(found, key=lambda sign: (sign.reported == 0, -(sign.share - sign.usual), sign.code))


def _failures(store: Store, spec: FleetSpec, component: str, cutoff: pd.Timestamp, version: int | None) -> pd.DataFrame:
    """Device and time of the failures of a component known at the cutoff."""
    history = load_history(store, spec, version=version, known_at=cutoff)
    records, failed = failure_records(spec, final_versions(history.failures), final_versions(history.repairs))
    own = failed & (records.columns["component"] == component)
    return pd.DataFrame(
        {
            "device_id": history.device_ids[records.owner[own]],
            "event_time": pd.to_datetime(records.event_us[own], unit="us", utc=True),
        }
    )


def _before(failures: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """Whether each code came in the 7 days up to each failure: one row a failure, one column a code."""
    joined = failures.reset_index(names="failure").merge(faults, on="device_id", suffixes=("", "_fault"))
    ahead = joined["event_time"] - joined["event_time_fault"]
    seen = joined[(ahead >= pd.Timedelta(0)) & (ahead < BEFORE)]
    table = pd.crosstab(seen["failure"], seen["code"]).astype(bool)
    return table.reindex(index=range(len(failures)), columns=sorted(faults["code"].unique()), fill_value=False)


def _usual(faults: pd.DataFrame, devices: int) -> pd.Series[float]:
    """Share of devices that report each code in a week, over the weeks from the first fault to the last."""
    week = (faults["event_time"] - faults["event_time"].min()) // BEFORE
    told = faults.assign(week=week).drop_duplicates(["device_id", "week", "code"])["code"].value_counts()
    return told / (devices * (int(week.max()) + 1))
