"""A kind of model: what each kind says of itself, so that everything else is written once and takes a kind.

Training, MLflow run, registry, scoring, lists, explanations, doctor, flows and service know a kind by this alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, TypeAlias

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.data.workspace import Workspace
from aftercast.features.examples import Grain
from aftercast.features.replay import LeakageReport
from aftercast.models.aliases import Progress
from aftercast.models.examples.entities import ENTITIES, Entity
from aftercast.models.forecast import Forecast, Statement, restored_forecast
from aftercast.operations.errors import SettingsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from aftercast.models.registry.versions import Loaded
    from aftercast.models.scoring.snapshot import Snapshot
    from aftercast.operations.database.forecasts import ForecastSet

Shape: TypeAlias = Literal["hazard", "distribution", "classes", "alarms"]
"""What a forecast is: probabilities by horizon and component, a quantity with an interval, a probability of each class,
or an alarm at a held rate."""
OWN: Final = "model"
"""The trained model among its baselines, in metrics."""


class Model(Protocol):
    """A trained model of any kind."""

    def save(self, folder: Path) -> None:
        """Write it as text files into a folder."""

    def table(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Answers to rows of input, as ``mlflow.pyfunc`` gives them."""


class Shown(Protocol):
    """What is told of a backtest, a comparison, or one forecast."""

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON."""

    def shown(self) -> Sequence[RenderableType]:
        """Texts and tables for a terminal."""


class BacktestResult(Shown, Protocol):
    """The report of a backtest."""

    def write_forecasts(self, path: Path) -> None:
        """Write every forecast with what became of it as Parquet."""

    def write_html(self, path: Path) -> None:
        """Write as one HTML page that needs nothing else."""


@dataclass(frozen=True)
class Reading:
    """What is read of a store, and until when.

    Attributes
    ----------
    version
        Version of the store.
    until
        UTC, included: what became available later is not read.
    """

    store: Store
    spec: FleetSpec
    version: int
    until: pd.Timestamp
    progress: Progress | None = None

    def table(self, name: str) -> pd.DataFrame:
        """Rows of a table of the contract."""
        return self.store.read(name, version=self.version, known_at=self.until)


@dataclass(frozen=True, kw_only=True)
class TrainingRequest(Reading):
    """What a training is given; its labels look no further than it reads.

    Attributes
    ----------
    settings
        As :meth:`Kind.settings` made them.
    """

    seed: int
    settings: Any


@dataclass(frozen=True)
class Gate:
    """Whether a model may serve, and why, in one sentence."""

    passed: bool
    why: str


@dataclass(frozen=True)
class Training:
    """A trained model with everything that is kept of its training.

    Attributes
    ----------
    metrics
        ``model`` or a baseline -> metric -> value.
    params, figures, texts
        Parameters, plots and files of the MLflow run, by name.
    asked, answered
        Some rows of input and the answers to them, for the signature.
    horizons, components, dictionary_hash
        Where the kind has them.
    facts
        What else an answer has to be traced to, as JSON values.
    result
        What the command shows beside the metrics, as JSON values.
    leakage
        None where the kind has no features of the views.
    """

    model: Model
    metrics: Mapping[str, Mapping[str, float]]
    gate: Gate
    params: Mapping[str, object]
    figures: Mapping[str, Figure]
    asked: pd.DataFrame
    answered: pd.DataFrame
    texts: Mapping[str, str] = field(default_factory=dict)
    horizons: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    dictionary_hash: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    leakage: LeakageReport | None = None


@dataclass(frozen=True)
class Scoring:
    """What a model says of everything at risk at one cutoff.

    Attributes
    ----------
    forecasts
        Ordered by id.
    snapshot
        Feature rows that the service computes answers from; None where it looks the stored forecasts up.
    notice
        What people should know of the scoring as a whole.
    """

    forecasts: Sequence[Forecast]
    snapshot: Snapshot | None = None
    notice: str = ""


@dataclass(frozen=True)
class BacktestRequest:
    """A backtest as it was asked for: dates and durations still text; None where nothing was said."""

    kind: str
    train_until: Sequence[str] = ()
    test_from: str | None = None
    test_until: str | None = None
    horizon: str | None = None
    every: str | None = None
    retrain: Literal["once", "daily"] = "once"
    act_within: str | None = None
    hold_out: str | None = None
    shift: bool = True
    draws: int = 200
    seed: int = 0
    settings: Any = None

    def refuse(self, why: str, *names: str) -> None:
        """Refuse options that mean nothing to a kind; raises SettingsError that names them."""
        usual = {option.name: option.default for option in fields(self)}
        said = [f"--{name.replace('_', '-')}" for name in names if getattr(self, name) not in (usual[name], [])]
        if said:
            raise SettingsError(f"{', '.join(said)} means nothing to a backtest of {self.kind}: {why}", "Leave it out.")


class Kind(ABC):
    """One kind of model.

    Attributes
    ----------
    name
        Word for the command line, the registered model and the service; the folder with dashes.
    title
        Heading of its tables.
    about
        What it forecasts, one sentence.
    usual_horizon
        What people look at first, as text; empty where forecasts have no horizon.
    order
        How lists order it.
    forecast
        What its forecasts are.
    """

    name: ClassVar[str]
    grain: ClassVar[Grain]
    shape: ClassVar[Shape]
    title: ClassVar[str]
    about: ClassVar[str]
    forecast: ClassVar[type[Forecast]]
    usual_horizon: ClassVar[str] = ""
    order: ClassVar[str] = "probability, highest first"

    @property
    def entity(self) -> Entity:
        """What its rows are about."""
        return ENTITIES[self.grain]

    @property
    def path(self) -> str:
        """Last part of the address at which the service answers."""
        return self.name

    def told_by(self, spec: FleetSpec) -> str:
        """Table that tells of its events; empty where no single one does."""
        del spec
        return ""

    @abstractmethod
    def settings(self, values: Mapping[str, Any], spec: FleetSpec) -> Any:
        """Settings of these names and values, texts where they come from a command; the others have their defaults.

        Raises
        ------
        SettingsError
            If a name is unknown or a value out of range; every finding is listed.
        """

    @abstractmethod
    def described_settings(self, settings: Any) -> Mapping[str, Any]:
        """Names and values that a training depends on, as JSON values."""

    @abstractmethod
    def train(self, asked: TrainingRequest) -> Training:
        """Fit, calibrate and judge a model beside its baselines."""

    @abstractmethod
    def shown_training(self, result: Mapping[str, Any]) -> Sequence[RenderableType]:
        """Texts and tables of what a training command returned."""

    @abstractmethod
    def load(self, folder: Path) -> Model:
        """Read a saved model; raises ModelMismatchError where there is none that can be read."""

    @abstractmethod
    def backtest(self, workspace: Workspace, asked: BacktestRequest, progress: Progress | None) -> BacktestResult:
        """Test on a past that the training did not see."""

    @abstractmethod
    def score(self, loaded: Loaded, read: Reading) -> Scoring:
        """Forecast everything at risk at the end of what is read, the cutoff, from what was known then."""

    def learnt_until(self, loaded: Loaded) -> pd.Timestamp | None:
        """Instant before which a model of it must not judge, for it knows what came then; None where it may."""
        del loaded
        return None

    def spans(self, forecast: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Horizons and components of a forecast, both empty by default."""
        del forecast
        return (), ()

    def restored(self, found: ForecastSet, entity_id: str, content: Mapping[str, Any]) -> Forecast:
        """Forecast of a set by what :func:`stored_content` gave of it, equal to the last digit."""
        return restored_forecast(self.forecast, found.head(entity_id), content)

    def urgency(self, found: ForecastSet, horizon: str | None = None) -> Callable[[Sequence[float]], float]:
        """How lists order a set, the largest first: a function of the ``ranks`` of a forecast; the first by default."""
        del found, horizon
        return lambda ranks: ranks[0]

    @abstractmethod
    def answer(self, forecast: Any, horizon: str | None = None) -> Statement:
        """What is said of a forecast.

        Parameters
        ----------
        horizon
            Any length up to the model's longest; None for the usual one, or where forecasts have none.
        """

    @abstractmethod
    def explain(
        self,
        workspace: Workspace,
        entity_id: str,
        *,
        cutoff: pd.Timestamp | None,
        horizon: str | None,
        progress: Progress | None,
    ) -> Shown:
        """Everything a person needs to know of one device or customer; raises NotFoundError with the reason."""

    def compare(self, a: tuple[Path, str], b: tuple[Path, str], *, draws: int) -> Shown:
        """Compare two models by the forecasts of their backtests, file and model each; refused by default."""
        del a, b, draws
        raise SettingsError(f"Backtests of {self.name} cannot be compared.", f"A kind that can: {_EXAMPLE}.")

    def tune(self, workspace: Workspace, **asked: Any) -> Any:
        """Search settings; refused by default."""
        del workspace, asked
        raise SettingsError(f"The settings of {self.name} are not searched for.", f"A kind that can: {_EXAMPLE}.")


_EXAMPLE: Final = "failure"
