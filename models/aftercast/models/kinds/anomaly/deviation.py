"""Robust deviations of every signal from the device's own past and from its cohort at the same cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.features.examples import Examples
from aftercast.models.aliases import Floats, Ints
from aftercast.models.kinds.anomaly.kernels import group_middle, own_past
from aftercast.models.kinds.anomaly.settings import ALONE, OWN, AnomalySettings
from aftercast.operations.clocks import DAY_US, HOUR_US

LONG_US: Final = 36_500 * DAY_US
"""What a deviation is taken from: own past of the distance to the cohort's median, own past of the value (where there
is no cohort), or the cohort alone (where there is no own past)."""


@dataclass(frozen=True)
class Groups:
    """Which rows belong together: of one device in the order of time, and of one model at one cutoff.

    Attributes
    ----------
    offsets
        Rows of device k are ``offsets[k]:offsets[k + 1]``.
    cutoffs, renewed
        Cutoff and last renewal of any component known then (else installation), microseconds, shape (n,).
    order, cohort
        Rows in the order of cohorts, and the number of the cohort of each in that order, shape (n,).
    """

    offsets: Ints
    cutoffs: Ints
    renewed: Ints
    order: Ints
    cohort: Ints

    @staticmethod
    def of(features: pd.DataFrame, examples: Examples, components: Sequence[str]) -> Groups:
        """Groups of aligned features and examples; where the features have no ``device_model``, all are one model."""
        new = np.ones(len(examples), dtype=bool)
        new[1:] = examples.ids[1:] != examples.ids[:-1]
        offsets = np.append(np.flatnonzero(new), len(examples)).astype(np.int64)
        models = features["device_model"].astype(object) if "device_model" in features else np.zeros(len(features))
        model = pd.factorize(models, sort=True)[0]
        order = np.lexsort((model, examples.cutoff_us))
        first = np.ones(len(order), dtype=bool)
        first[1:] = (np.diff(examples.cutoff_us[order]) != 0) | (np.diff(model[order]) != 0)
        renewed = examples.cutoff_us - renewal_age_us(features, components)
        return Groups(offsets, examples.cutoff_us, renewed, order.astype(np.int64), np.cumsum(first).astype(np.int64))


def renewal_age_us(features: pd.DataFrame, components: Sequence[str]) -> Ints:
    """Time since any component was last renewed, from ``<component>_age_hours``, shape (n,); LONG where unknown."""
    columns = [f"{name}_age_hours" for name in components if f"{name}_age_hours" in features.columns]
    if not columns:
        return np.full(len(features), LONG_US)
    hours = features[columns].to_numpy(dtype=np.float64)
    youngest = np.where(np.isnan(hours), np.inf, hours).min(axis=1)
    return np.minimum(youngest * HOUR_US, LONG_US).astype(np.int64)


@dataclass(frozen=True)
class Usual:
    """What is usual for one signal, shape (n,) each; NaN where unknown.

    Attributes
    ----------
    value
        The signal as it is compared.
    own, own_scale, rows
        Median and spread of the device's own past, and from how many rows.
    cohort, cohort_scale, devices
        Median and spread of the devices of the model at the same cutoff, and how many they are.
    shift, shift_scale
        Median and spread of the own past of the distance to the cohort's median.
    """

    value: Floats
    own: Floats
    own_scale: Floats
    rows: Floats
    cohort: Floats
    cohort_scale: Floats
    devices: Floats
    shift: Floats
    shift_scale: Floats

    def deviation(self, basis: int) -> tuple[Floats, Floats, Floats]:
        """Distance, spread and number of values behind the spread, for a basis; shape (n,) each."""
        relative = self.value - self.cohort
        if basis == OWN:
            return relative - self.shift, self.shift_scale, self.rows
        if basis == ALONE:
            return self.value - self.own, self.own_scale, self.rows
        return relative, self.cohort_scale, self.devices


def usual(values: Floats, groups: Groups, gap_us: int, settings: AnomalySettings) -> Usual:
    """What is usual for one signal at every row, from rows at or before its own cutoff; values have shape (n,)."""
    cohort, cohort_scale, devices = (np.empty(len(values)) for _ in range(3))
    ordered = group_middle(groups.cohort, values[groups.order], settings.minimum_cohort)
    cohort[groups.order], cohort_scale[groups.order], devices[groups.order] = ordered
    span, minimum = settings.past_us, settings.minimum_past
    own, own_scale, rows = own_past(groups.offsets, groups.cutoffs, groups.renewed, values, gap_us, span, minimum)
    shift, shift_scale, _ = own_past(
        groups.offsets, groups.cutoffs, groups.renewed, values - cohort, gap_us, span, minimum
    )
    return Usual(values, own, own_scale, rows, cohort, cohort_scale, devices, shift, shift_scale)


def moderated(own: Floats, number: Floats, fleet: float, prior: int) -> Floats:
    """Spread of a device or cohort drawn towards the fleet's, shape (n,).

    The squares are averaged with weights ``number`` and ``prior`` (moderated variance: Smyth 2004, Statistical
    Applications in Genetics and Molecular Biology 3(1), with the prior weight given instead of estimated). A spread of
    few values is uncertain, and a device that drifts would hide behind the spread its drift makes.
    """
    share = number / (number + prior)
    return np.asarray(np.sqrt(share * own**2 + (1 - share) * fleet**2))
