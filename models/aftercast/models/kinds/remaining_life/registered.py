"""The remaining life model in the registry: what is logged of a training, when it is champion, how it comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace
from aftercast.models.kinds.remaining_life.assessment import Judged
from aftercast.models.kinds.remaining_life.baseline import AGE
from aftercast.models.kinds.remaining_life.evaluation import OURS
from aftercast.models.kinds.remaining_life.from_store import Asked, FailedUnits
from aftercast.models.kinds.remaining_life.model import RemainingLifeModel
from aftercast.models.kinds.remaining_life.plots import remaining_life_plots
from aftercast.models.registry.runs import PlainRecord, log_plain
from aftercast.models.registry.versions import Version, champion_files, champion_version, decide, register
from aftercast.operations.errors import ModelMismatchError, NotFoundError

KIND: Final = "remaining-life"
FILE: Final = "about.json"
LOADER: Final = "aftercast.models.kinds.remaining_life.registered"


@dataclass(frozen=True)
class About:
    """Where a model comes from.

    Attributes
    ----------
    key
        Key of the flow run that trained it.
    until
        ISO 8601 UTC: nothing that was available only later was read.
    data_version
        Version of the store it was trained on.
    component
        Whose failures it was trained on.
    units
        Units run to failure.
    longest_cycles
        Cycles of the unit that ran longest.
    spec_hash
        Hash of the fleet spec.
    """

    key: str
    until: str
    data_version: int
    component: str
    units: int
    longest_cycles: int
    spec_hash: str
    libraries: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Write as JSON into a folder."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=2, sort_keys=True), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> About:
        """Read from a folder.

        Raises
        ------
        ModelMismatchError
            If the folder does not say where its model comes from.
        """
        try:
            return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ModelMismatchError(
                "The remaining life model was saved by another version of aftercast.",
                "Run `aftercast remaining-life train`.",
            ) from error


@dataclass(frozen=True)
class LoadedLife:
    """The champion, ready to answer."""

    model: RemainingLifeModel
    about: About
    version: Version

    def asked(self, spec: FleetSpec) -> Asked:
        """Component and columns to read for it.

        Raises
        ------
        ModelMismatchError
            If the fleet spec no longer has them.
        """
        found = Asked(self.about.component, self.model.settings.setting_columns, self.model.members.recipe.sensors)
        missing = sorted({found.component} - {*spec.component_names}) + sorted({*found.columns} - {*spec.sensor_names})
        if missing:
            raise ModelMismatchError(
                f"The remaining life model needs '{missing[0]}', which the fleet spec does not list.",
                "List it in fleet.toml, or train again.",
            )
        return found


def keep(workspace: Workspace, judged: Judged, units: FailedUnits, about: About) -> Version:
    """Log, then register, then promote: killed between any two, the next run of the same key ends with one of each.

    A version becomes champion when its grouped out-of-fold error is below that of the age baseline by more than chance:
    the whole 95 % interval over units of the difference is below 0. Whatever is decided is written on the version.
    """
    run_id = log_plain(workspace, record_of(judged, units, about))
    found = register(workspace, KIND, run_id, about.key)
    before = champion_version(workspace, KIND)
    better = judged.better_than_age
    return decide(workspace, found, champion=better, decision=_decision(judged, found, before))


def load_champion_life(workspace: Workspace) -> LoadedLife:
    """Load the champion.

    Raises
    ------
    NotFoundError
        If no remaining life model is champion.
    ModelMismatchError
        If it cannot be read by this version of aftercast.
    """
    with champion_files(workspace, KIND) as found:
        if found is None:
            raise NotFoundError("There is no remaining life model yet.", "Run `aftercast remaining-life train`.")
        version, folder = found
        return LoadedLife(RemainingLifeModel.load(folder), About.read(folder), version)


def _decision(judged: Judged, found: Version, before: Version | None) -> str:
    points = judged.points
    ours, age = (points[name]["rmse"][0] for name in (OURS, AGE))
    difference = "{:.2f} [{:.2f}, {:.2f}]".format(*judged.against_age)
    words = f"RMSE {ours:.2f} cycles, age alone {age:.2f}, difference {difference} in folds of whole units."
    other = before is not None and before.version != found.version
    if judged.better_than_age:
        replaced = f" It replaces version {before.version}." if before is not None and other else ""
        return f"Champion: better than the age baseline. {words}{replaced}"
    stays = f" Version {before.version} stays champion." if before is not None and other else ""
    return f"Not champion: no better than the age baseline. {words}{stays}"


def record_of(judged: Judged, units: FailedUnits, about: About) -> PlainRecord:
    """What is logged of a training."""
    model, sample = judged.training.model, units.frame[units.frame["unit"] == units.frame["unit"].iloc[0]]

    def save(folder: Path) -> None:
        model.save(folder)
        about.write(folder)

    facts = {name: value for name, value in asdict(about).items() if name not in {"libraries", "key"}}
    chosen = {f"settings.{name}": value for name, value in asdict(model.settings).items() if name != "workers"}
    left_out = {f"left_out.{name}".replace(" ", "_"): count for name, count in units.left_out.items()}
    libraries = {f"library.{name}": version for name, version in about.libraries.items()}
    return PlainRecord(
        kind=KIND,
        key=about.key,
        name=f"{about.component} until {about.until[:10]}",
        metrics=flat_metrics(judged),
        params={"key": about.key, **facts, **chosen, **left_out, **libraries},
        figures=remaining_life_plots(judged),
        texts={"report.json": json.dumps(judged.report(), indent=2)},
        save=save,
        loader=LOADER,
        asked=sample,
        answered=model.predict(sample),
        libraries=about.libraries,
    )


def flat_metrics(judged: Judged) -> dict[str, float]:
    """Name of a metric in MLflow -> value: ``<model>.rmse`` and its like, ``coverage.<stage>``, ``width.<stage>``."""
    found = {
        f"{_word(who)}.{name}": values[0] for who, metrics in judged.points.items() for name, values in metrics.items()
    }
    for stage, row in judged.coverage.items():
        found |= {f"{name}.{_word(stage)}": row[name][0] for name in ("coverage", "width")}
    return {**found, "difference_to_age.rmse": judged.against_age[0]}


def _word(name: str) -> str:
    return name.replace(",", "").replace(" ", "_").lower()


class RemainingLife:
    """A remaining life model behind MLflow's interface."""

    def __init__(self, model: RemainingLifeModel) -> None:
        self.model = model

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answers for the last cycle of each unit, see :meth:`RemainingLifeModel.predict`. No params are known."""
        if params:
            raise ValueError(f"unknown params: {', '.join(sorted(params))}")
        return self.model.predict(frame)


def _load_pyfunc(path: str) -> RemainingLife:
    """Open the folder of a model's files; MLflow calls this name."""
    return RemainingLife(RemainingLifeModel.load(Path(path)))
