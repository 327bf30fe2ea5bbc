"""The leakage linter on a store: every view replayed on a sample, every column judged against what happened.

It stands before promotion: a feature that needs the future makes a model that is good on paper only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.customer_history import CUSTOMER_TABLES, SERVICE_TABLES, STANDING
from aftercast.features.examples import Examples, customer_examples, device_examples
from aftercast.features.history import DEVICE_TABLES
from aftercast.features.labels import Labels, load_outcome
from aftercast.features.replay import Finding, LeakageReport, lint_clocks, lint_replay
from aftercast.features.replay.rebuild import Rebuilt
from aftercast.models.aliases import Ints, Progress
from aftercast.models.examples.cases import horizons_of, training_end, training_grid
from aftercast.models.examples.feature_list import described
from aftercast.models.fit.training import OWN, Trained
from aftercast.models.kinds import hazard_kind
from aftercast.models.leakage.columns import lint_columns
from aftercast.models.leakage.settings import LeakageSettings
from aftercast.operations.clocks import NEVER, format_duration
from aftercast.operations.errors import NotEnoughDataError

Ids = npt.NDArray[np.str_]
STANDING_VIEWS = ("attributes", "customer_standing")  # known from the start of each life, constant by nature
TOO_GOOD = "too_good"
TOP_FEATURES = 5
SEED = 0  # the sample is the same for the same store


@dataclass(frozen=True)
class _Population:
    """Everything at risk at the training cutoffs with what happened, from which samples are drawn."""

    examples: Examples
    labels: Labels

    @property
    def soonest_us(self) -> Ints:
        """Time to the next event of any component, NEVER where none was seen, shape (n,)."""
        if self.labels.time_to_event_us.shape[1] == 0:
            return np.full(len(self.examples), NEVER, dtype=np.int64)
        return np.asarray(self.labels.time_to_event_us.min(axis=1))

    def of(self, ids: Ids) -> _Population:
        """All rows of some ids."""
        rows = np.isin(self.examples.ids, ids)
        return _Population(self.examples.take(rows), self.labels.take(rows))

    def sampled_ids(self, size: int) -> Ids:
        """At most ``size`` ids, as many with events as without where there are enough, sorted."""
        chance = np.random.default_rng(SEED)
        failing = np.unique(self.examples.ids[self.soonest_us != NEVER])
        healthy = np.setdiff1d(self.examples.ids, failing)
        with_events = min(len(failing), max(-(-size // 2), size - len(healthy)))
        chosen = [chance.permutation(failing)[:with_events], chance.permutation(healthy)[: size - with_events]]
        return np.sort(np.concatenate(chosen))

    def sampled_cutoffs(self, ids: Ids, size: int, horizon_us: int) -> Ints:
        """At most ``size`` cutoffs spread over the time; of each part the one that most events of the ids follow."""
        rows = np.isin(self.examples.ids, ids)
        cutoffs, position = np.unique(self.examples.cutoff_us[rows], return_inverse=True)
        soon = np.bincount(position, weights=self.soonest_us[rows] <= horizon_us, minlength=len(cutoffs))
        parts = np.array_split(np.arange(len(cutoffs)), min(size, len(cutoffs)))
        return np.array([cutoffs[part[np.argmax(soon[part])]] for part in parts], dtype=np.int64)


def lint_store(
    kind: str,
    store: Store,
    spec: FleetSpec,
    *,
    version: int | None = None,
    until: pd.Timestamp | None = None,
    settings: LeakageSettings | None = None,
    progress: Progress | None = None,
) -> LeakageReport:
    """Look for leaks in every view that a training on this store would use.

    Parameters
    ----------
    until
        End of the training time (UTC); sampled cutoffs are before it. The end of observation where None.

    Raises
    ------
    NotEnoughDataError
        If the store holds no events, or nothing is at risk before ``until``.
    """
    limits = settings or LeakageSettings()
    version, end = training_end(kind, store, spec, version=version, until=until)
    everything = _population(kind, store, spec, version, end)
    ids = everything.sampled_ids(limits.devices)
    cutoffs = everything.sampled_cutoffs(ids, limits.cutoffs, horizons_of(kind, spec)[0])
    rows = np.isin(everything.examples.ids, ids) & np.isin(everything.examples.cutoff_us, cutoffs)
    if progress is not None:
        progress("replaying rows", int(rows.sum()))
    replayed = lint_replay(_frames(kind, store, version, ids), spec, everything.examples.take(rows))
    ids = everything.sampled_ids(limits.column_devices)
    frames = _frames(kind, store, version, ids)
    whole = everything.of(ids)
    if progress is not None:
        progress("judging columns of rows", len(whole.examples))
    judged = lint_columns(
        Rebuilt(spec, whole.examples.grain).build(frames, whole.examples),
        whole.examples,
        whole.labels,
        attributes=standing_features(kind, store, spec, version),
        proven=set(replayed.features) - {found.feature for found in replayed.stops},
        horizons_us=horizons_of(kind, spec),
        settings=limits,
    )
    return replayed.with_report(lint_clocks(frames)).with_report(judged)


def too_good(trained: Trained) -> LeakageReport:
    """Warn where a whole model is better on its validation period than forecasts of failures are.

    Leaked twins of this task are published with AUC .9999. An honest model may be as good where failures announce
    themselves, so this stops nothing: it names the features the model rests on, for a person to look at.
    """
    limit = LeakageSettings.model_auc
    area = trained.metrics[OWN]["all"]["roc_auc"]
    names = list(map(str, trained.sample.columns))
    if area is None:
        return LeakageReport.of([], {TOO_GOOD: "not judged: no ROC-AUC on the validation period"}, names)
    horizon = format_duration(trained.horizon_us)
    looked_at = {TOO_GOOD: f"ROC-AUC {area:.4f} within {horizon} on the validation period, {limit} is too good"}
    if area < limit:
        return LeakageReport.of([], looked_at, names)
    top = list(trained.importance)[:TOP_FEATURES]
    shares = {name: float(trained.importance[name]) for name in top}
    shown = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    reason = f"separates events within {horizon} with ROC-AUC {area:.4f}; most of the model's gain is from {shown}."
    finding = Finding(TOO_GOOD, top[0] if top else "model", "warning", reason, {"roc_auc": area, **shares})
    return LeakageReport.of([finding], looked_at, names)


def standing_features(kind: str, store: Store, spec: FleetSpec, version: int) -> frozenset[str]:
    """Columns of the views of standing facts: known from the start of each life, constant by nature."""
    dictionary = described(store, spec, hazard_kind(kind).grain, version=version)
    return frozenset(feature.name for feature in dictionary if feature.view in STANDING_VIEWS)


def _population(kind: str, store: Store, spec: FleetSpec, version: int, end: pd.Timestamp) -> _Population:
    cutoffs = training_grid(kind, store, spec, version, end)
    outcome = load_outcome(store, spec, version=version, known_at=end)
    if hazard_kind(kind).grain == "device_id":
        examples = device_examples(outcome.devices, cutoffs)
    else:
        examples = customer_examples(outcome.customers, cutoffs)
    labels = hazard_kind(kind).labels(outcome, examples, observed_until=end)
    if len(examples) == 0:
        raise NotEnoughDataError("Nothing is at risk at any training cutoff.", "Import devices and their history.")
    return _Population(examples, labels)


def _frames(kind: str, store: Store, version: int, ids: Ids) -> Mapping[str, pd.DataFrame]:
    """Contract frames of the sampled ids with all they ever held."""
    if hazard_kind(kind).grain == "device_id":
        return {
            table: store.read(table, version=version, device_ids=ids.tolist(), withdrawn=table not in STANDING)
            for table in DEVICE_TABLES
        }
    frames = {
        table: store.read(table, version=version, withdrawn=table not in STANDING)
        for table in (*CUSTOMER_TABLES, *SERVICE_TABLES)
    }
    own = {table: frames[table][frames[table]["customer_id"].isin(ids)] for table in CUSTOMER_TABLES}
    return {**frames, **own}
