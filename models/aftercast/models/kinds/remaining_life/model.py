"""The remaining life model: trained on units run to failure, asked about units still running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from aftercast.models.aliases import Floats, Ints
from aftercast.models.kinds.remaining_life.calibration import (
    OutOfFold,
    cross_tabulated,
    stage_of,
    stage_widening,
    tabulate,
    widened,
)
from aftercast.models.kinds.remaining_life.distribution import Answers
from aftercast.models.kinds.remaining_life.folds import part, remaining, unit_folds
from aftercast.models.kinds.remaining_life.members import Members, fit_members, stack
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.trajectories import Trajectories, read_trajectories
from aftercast.models.kinds.remaining_life.trajectories.table import CYCLE, UNIT
from aftercast.models.saved_json import load_json, save_json
from aftercast.operations.errors import InputError, NotEnoughDataError

UNITS_PER_FOLD: Final = 2
FILE: Final = "model.json"
FORMAT: Final = 2


@dataclass(frozen=True)
class RemainingLifeModel:
    """Point, cautious point and interval of the remaining life of units.

    Attributes
    ----------
    members
        Recipe and boosters, trained on all units.
    weights
        Weight of each view's boosters.
    answers
        Answers at each stacked prediction.
    widening
        Half widths added to the interval in each life stage.
    """

    members: Members
    weights: Floats
    answers: Answers
    widening: Floats
    settings: RemainingLifeSettings

    def predict(self, frame: pd.DataFrame, *, every_row: bool = False) -> pd.DataFrame:
        """Remaining life after the last cycle of each unit, or after every cycle.

        Parameters
        ----------
        frame
            ``unit``, ``cycle``, settings and sensors, units together, in order of cycle.
        every_row
            Answer for every row, each from its unit's rows up to it, instead of for the last rows only.

        Returns
        -------
        pandas.DataFrame
            ``unit``, ``cycle``; ``remaining``, ``cautious``, ``lower``, ``upper`` in cycles, at most the cap, both ends
            of the interval included; ``open_above``: the interval has no upper end, only "at least ``lower``";
            ``stage``, 0 nearest to failure.

        Raises
        ------
        InputError
            If the frame is not as trained on, see :func:`read_trajectories`.
        """
        trajectories = read_trajectories(frame, self.settings.setting_columns, self.members.recipe.sensors)
        rows = np.arange(len(frame)) if every_row else trajectories.last_rows
        predicted = np.clip(self.members.predict(trajectories, rows) @ self.weights / self.settings.cap, 0.0, 1.0)
        table = self._table(predicted)
        return pd.concat([frame[[UNIT, CYCLE]].iloc[rows].reset_index(drop=True), table], axis=1)

    def table(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Answers for the last cycle of each unit, see :meth:`predict`."""
        return self.predict(frame)

    def _table(self, predicted: Floats) -> pd.DataFrame:
        stage = stage_of(predicted, self.settings)
        lower, upper = (self.answers.at(name, predicted) for name in ("lower", "upper"))
        lower, upper = widened(lower, upper, self.widening[stage])
        cap = self.settings.cap
        return pd.DataFrame(
            {
                "remaining": predicted * cap,
                "cautious": self.answers.at("cautious", predicted) * cap,
                "lower": lower * cap,
                "upper": upper * cap,
                "open_above": upper >= 1.0,
                "stage": stage,
            }
        )

    def save(self, folder: Path) -> None:
        """Write LightGBM texts and ``model.json`` into a folder, which is made where it does not exist."""
        save_json(self, folder / FILE, FORMAT)

    @staticmethod
    def load(folder: Path) -> RemainingLifeModel:
        """Read a saved model.

        Raises
        ------
        ModelMismatchError
            If the folder holds no readable model.
        """
        return load_json(RemainingLifeModel, folder / FILE, FORMAT, what="remaining life model")


@dataclass(frozen=True)
class Training:
    """A trained model and what it would have answered for its training units had it not seen them.

    Attributes
    ----------
    outside
        Out-of-fold predictions of the rows that count.
    unseen
        ``mean``, ``cautious``, ``lower`` and ``upper`` of those rows in shares of the cap, tabulated without their fold
        and widened as the model's.
    """

    model: RemainingLifeModel
    outside: OutOfFold
    unseen: dict[str, Floats]


def train_and_check(frame: pd.DataFrame, settings: RemainingLifeSettings) -> Training:
    """Learn remaining life from units that were run to failure: the last row of each is its failure.

    Parameters
    ----------
    frame
        ``unit``, ``cycle``, settings and sensors, units together, in order of cycle.

    Raises
    ------
    InputError
        If the frame cannot be read, or names no sensor.
    NotEnoughDataError
        If there are fewer than two units a fold.
    """
    trajectories, sensors = read_training(frame, settings)
    outside, weights = out_of_fold(trajectories, sensors, settings)
    unseen = cross_tabulated(outside, settings)
    extra = stage_widening(outside, unseen, settings)
    lower, upper = widened(unseen["lower"], unseen["upper"], extra[stage_of(outside.predicted, settings)])
    model = RemainingLifeModel(
        fit_members(trajectories, sensors, settings), weights, tabulate(outside, settings), extra, settings
    )
    return Training(model, outside, {**unseen, "lower": lower, "upper": upper})


def read_training(frame: pd.DataFrame, settings: RemainingLifeSettings) -> tuple[Trajectories, tuple[str, ...]]:
    """Trajectories of a training frame, and its sensor columns."""
    others = {UNIT, CYCLE, *settings.setting_columns}
    sensors = settings.sensor_columns or tuple(str(name) for name in frame.columns if name not in others)
    if not sensors:
        raise InputError("The frame has no sensor column.", "Hand in at least one sensor beside unit and cycle.")
    trajectories = read_trajectories(frame, settings.setting_columns, sensors)
    needed = UNITS_PER_FOLD * settings.folds
    if len(trajectories.units) < needed:
        raise NotEnoughDataError(
            f"There are {len(trajectories.units)} units run to failure; {settings.folds} folds need {needed}.",
            "Hand in more units, or set fewer folds.",
        )
    return trajectories, sensors


def out_of_fold(
    trajectories: Trajectories, sensors: tuple[str, ...], settings: RemainingLifeSettings
) -> tuple[OutOfFold, Floats]:
    """Stacked out-of-fold predictions of the rows that count, and the weights of the stack.

    Everything learnt (regimes, levels, health index, boosters) is learnt anew without the fold. Rows count from their
    unit's youngest age on, up to the horizon of remaining life, and each unit weighs one.
    """
    fold_of_unit = unit_folds(len(trajectories.units), settings.folds)
    fold = fold_of_unit[trajectories.unit_of_row]
    parts = []
    for each in range(settings.folds):
        members = fit_members(part(trajectories, np.flatnonzero(fold_of_unit != each)), sensors, settings)
        parts.append(members.predict(part(trajectories, np.flatnonzero(fold_of_unit == each))))
    predictions = np.empty((len(fold), parts[0].shape[1]))
    predictions[np.argsort(fold, kind="stable")] = np.concatenate(parts)
    life = remaining(trajectories).to_numpy()
    weight = row_weights(trajectories, life, settings)
    share = life / settings.cap
    weights = stack(predictions / settings.cap, np.minimum(share, 1.0), weight)
    stacked = np.clip(predictions @ weights / settings.cap, 0.0, 1.0)
    found = OutOfFold(stacked, share, weight, trajectories.unit_of_row, fold)
    return found.rows(weight > 0), weights


def row_weights(trajectories: Trajectories, life: Floats, settings: RemainingLifeSettings) -> Floats:
    """Weight of rows when a unit is met at a random cycle of those that count, n; 1 in all for each unit."""
    first = trajectories.cycles[trajectories.starts[:-1]][trajectories.unit_of_row]
    counts = (trajectories.cycles - first >= settings.youngest) & (life <= settings.horizon * settings.cap)
    each: Ints = np.bincount(trajectories.unit_of_row, counts, minlength=len(trajectories.units))
    return np.where(counts, 1.0, 0.0) / np.maximum(each, 1)[trajectories.unit_of_row]
