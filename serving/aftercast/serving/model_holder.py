"""The models and feature rows the service answers from, held in memory and swapped whole.

Readers take a reference and keep it for the length of their request; a watcher puts a new one in its place. A model and
the rows it judges are one object, so that no answer mixes an old model with new rows.
"""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from operator import is_not
from typing import Final

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from aftercast.data.workspace import Workspace
from aftercast.models.registry.fallback import LastGood, find_last_good, has_last_good, keep_last_good
from aftercast.models.registry.run_metrics import run_metrics
from aftercast.models.registry.versions import Loaded, Version, champion_version, has_registry, load_champion
from aftercast.models.scoring.scoring import check_features, with_judgement, with_shift
from aftercast.models.scoring.snapshot import snapshot_path, take_snapshot
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.clocks import parse_time
from aftercast.operations.database.forecasts import Kind
from aftercast.operations.errors import AftercastError, NotFoundError, WorkspaceError
from aftercast.operations.memory import give_back_memory
from aftercast.serving.errors import LOG, ProblemError
from aftercast.serving.response_cache import Rows

KINDS: Final[tuple[Kind, ...]] = ("failure", "churn")
KEPT_CUTOFFS: Final = 4


@dataclass(frozen=True)
class Held:
    """What is held for one kind.

    Attributes
    ----------
    loaded
        The champion; None while there is none.
    rows
        The rows of the last scoring; None while nothing was scored or they do not fit the model.
    reason, hint
        Why one of them is None, and what to do.
    decision, metrics
        Why it was made champion, and what was logged when it was trained.
    saved_ns
        Time of the file the rows came from; tells a new one.
    """

    loaded: Loaded | None = None
    rows: Rows | None = None
    reason: str = "It is not loaded yet."
    hint: str = "Ask again in a moment."
    decision: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    saved_ns: int | None = None

    @property
    def model(self) -> tuple[str, str] | None:
        """Version and run id of the champion; None without one."""
        return None if self.loaded is None else (self.loaded.version, self.loaded.run_id)

    @property
    def trained_until(self) -> pd.Timestamp | None:
        """Instant (UTC) up to which the champion learnt; None without one."""
        return None if self.loaded is None else parse_time(self.loaded.metadata.until)


class Champions:
    """Holder of the champion and the scored rows of each kind.

    Parameters
    ----------
    workspace
        Where they are looked up; a copy of the champion that answers is kept there for times without a registry.

    Attributes
    ----------
    observed_until
        Instant (UTC) up to which the world was observed, at the last look that could tell; None where nothing was.
    database_away
        Whether the operational database did not answer at the last look.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._held: dict[Kind, Held] = {kind: Held() for kind in KINDS}
        self._other_cutoffs: OrderedDict[tuple[Kind, pd.Timestamp, int, str], Rows] = OrderedDict()
        self._computing = threading.Lock()
        self._failing: dict[Kind, str] = {}
        self._waiting: dict[Kind, Loaded] = {}
        self._settled: tuple[tuple[Loaded | None, ...], tuple[Rows | None, ...]] = ((None,) * len(KINDS),) * 2
        self.observed_until: pd.Timestamp | None = None
        self.database_away = False

    def held(self, kind: Kind) -> Held:
        """Return what is held now; never waits."""
        return self._held[kind]

    def failing(self, kind: Kind) -> str | None:
        """Kind of error that keeps newer models from being looked up; None while they are."""
        return self._failing.get(kind)

    def champion(self, kind: Kind) -> Loaded:
        """Return the champion; raises a 503 problem where there is none."""
        held = self._held[kind]
        if held.loaded is None:
            raise ProblemError(503, "no-model", "There is no model to answer", held.reason, held.hint)
        return held.loaded

    def rows(self, kind: Kind, cutoff: pd.Timestamp | None) -> Rows:
        """Rows to answer from, with the model that judges them.

        Parameters
        ----------
        cutoff
            UTC; None is the cutoff of the last scoring. Rows of another cutoff are computed from the store for the
            whole fleet, because some features compare with it; the last few are kept.

        Raises
        ------
        ProblemError
            503 where there is no champion, or nothing was scored and no cutoff given.
        NotEnoughDataError
            If nothing was at risk at the cutoff.
        """
        held = self._held[kind]
        if held.rows is not None and (cutoff is None or held.rows.are_of(cutoff)):
            return held.rows
        loaded = self.champion(kind)
        if cutoff is None:
            raise ProblemError(503, "not-scored", "Nothing is scored", held.reason, held.hint)
        return self._rows_at(loaded, cutoff)

    def refresh(self) -> None:
        """Look once for newer models and rows; what cannot be read now leaves the old in place."""
        for kind in KINDS:
            try:
                self._take(kind, self._newer(kind, self._held[kind]))
                self._failing.pop(kind, None)
            except Exception as error:  # noqa: BLE001  # edge of a thread: the registry may fail in any way
                self._tell(kind, error)
                self._go_on(kind)
        self._look_at_data()
        self._settle()

    def _settle(self) -> None:
        """Give back what was held before; let the collection of garbage pass by new models.

        Models are hundreds of thousands of objects that stay: looking through them again and again, while answers
        about a thousand devices are made, would take longer than making those. Looking through everything stops all
        answers for its length, so it is not done for new rows, which come every few seconds and are few objects.
        """
        models = tuple(each.loaded for each in self._held.values())
        rows = tuple(each.rows for each in self._held.values())
        other_models = any(map(is_not, models, self._settled[0]))
        if other_models:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        if other_models or any(map(is_not, rows, self._settled[1])):
            give_back_memory()
        self._settled = (models, rows)

    def _take(self, kind: Kind, found: Held) -> None:
        """Answer from what was found from now on, having written down which model it is."""
        old = self._held[kind]
        self._record(kind, old, found)
        self._held[kind] = found
        if found.loaded is None or found.model == old.model:
            return
        self._waiting.pop(kind, None)
        try:
            keep_last_good(self._workspace, LastGood(found.loaded, found.decision, found.metrics))
        except OSError as error:
            LOG.warning("no copy of the %s model could be kept: %s", kind, error.strerror)

    def _record(self, kind: Kind, old: Held, found: Held) -> None:
        """Write down a change of the model that answers."""
        if old.model == found.model:
            return
        version, run_id = (None, None) if found.model is None else found.model
        before = None if old.model is None else old.model[0]
        told = {"kind": kind, "version": version, "run_id": run_id, "before": before}
        self._workspace.audit.append("model.serving", told)

    def _go_on(self, kind: Kind) -> None:
        """Go on with what is held; where that is nothing, with the model that answered before the last stop."""
        held = self._held[kind]
        try:
            if held.loaded is not None:
                self._held[kind] = self._judged(held)
                return
            good = find_last_good(self._workspace, kind)
            if good is not None:
                found = self._with_rows(kind, _single_threaded(good.loaded), held, good.decision, good.metrics)
                self._record(kind, held, found)
                self._held[kind] = found
        except Exception as error:  # noqa: BLE001  # edge of a thread; the failure that led here was told already
            LOG.warning("the %s model that answered last cannot be used: %s", kind, type(error).__name__)

    def _look_at_data(self) -> None:
        try:
            self.observed_until = self._workspace.store.observed_until()
            self.database_away = False
        except (SQLAlchemyError, WorkspaceError):
            self.database_away = True

    def _tell(self, kind: Kind, error: Exception) -> None:
        """Log the first of a row of failures in full, the others not at all."""
        if self._failing.get(kind) != type(error).__name__:
            LOG.error("The %s model stays as it is.", kind, exc_info=error)
        self._failing[kind] = type(error).__name__

    @contextmanager
    def watching(self, every_s: float) -> Iterator[None]:
        """Refresh every so many seconds in a thread of its own, for the length of the block."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(every_s):
                self.refresh()

        watcher = threading.Thread(target=watch, name="aftercast champion watcher", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()

    def _newer(self, kind: Kind, old: Held) -> Held:
        champion = champion_version(self._workspace, kind)
        if champion is None:
            self._check_registry(kind, old)
            return Held(None, None, f"No {kind} model has been promoted to champion.", f"Run `aftercast train {kind}`.")
        same = old.loaded if old.model == (champion.version, champion.run_id) else None
        if same is not None and old.saved_ns == self._saved_ns(kind):
            return self._judged(old)
        loaded = self._loaded(kind, champion) if same is None else same
        metrics = run_metrics(self._workspace, loaded.run_id) if same is None else old.metrics
        found = self._with_rows(kind, loaded, old, champion.decision, metrics)
        at_once = old.rows is None and found.rows is not None and loaded.version in found.rows.snapshot.shifts
        return found if at_once else self._judged(found)

    def _loaded(self, kind: Kind, champion: Version) -> Loaded:
        """Champion ready to answer; one that waits for rows that fit it is loaded once."""
        waiting = self._waiting.get(kind)
        if waiting is None or (waiting.version, waiting.run_id) != (champion.version, champion.run_id):
            waiting = self._waiting[kind] = _single_threaded(load_champion(self._workspace, kind))
        return waiting

    def _check_registry(self, kind: Kind, old: Held) -> None:
        """Tell a registry that is gone from one whose champion was taken away on purpose.

        Raises
        ------
        NotFoundError
            If there is none although one was answered from.
        """
        if not has_registry(self._workspace) and (old.loaded is not None or has_last_good(self._workspace, kind)):
            raise NotFoundError("The registry is gone.", "Bring its database back, or correct mlflow.address.")

    def _with_rows(self, kind: Kind, loaded: Loaded, old: Held, decision: str, metrics: Mapping[str, float]) -> Held:
        """Model with the rows of the last scoring.

        Raises
        ------
        AftercastError
            If the rows cannot be used while older ones, or those of the model before, still answer.
        """
        saved_ns = self._saved_ns(kind)
        try:
            return Held(loaded, self._saved_rows(kind, loaded), "", "", decision, metrics, saved_ns)
        except AftercastError as error:
            if old.rows is not None:
                raise
            return Held(loaded, None, error.message, error.hint, decision, metrics, saved_ns)

    def _saved_ns(self, kind: Kind) -> int | None:
        path = snapshot_path(self._workspace.folder, kind)
        return path.stat().st_mtime_ns if path.is_file() else None

    def _judged(self, held: Held) -> Held:
        """Held with every row judged, so that an answer is looked up.

        The first rows of a service answer at once and are judged at the next look; later ones replace those before
        them once they are.
        """
        if held.rows is None or held.loaded is None or held.rows.judged:
            return held
        known = held.rows.snapshot
        if held.loaded.version not in known.shifts:
            known = with_shift(known, held.loaded, self._workspace.store, self._workspace.fleet)
        snapshot = with_judgement(known, held.loaded)
        return replace(held, rows=Rows(held.loaded, snapshot, self._workspace.fleet))

    def _saved_rows(self, kind: Kind, loaded: Loaded) -> Rows:
        """Rows of the last scoring; raises an AftercastError where there are none that fit the model."""
        snapshot = load_snapshot(snapshot_path(self._workspace.folder, kind))
        check_features(loaded, snapshot)
        return Rows(loaded, snapshot, self._workspace.fleet)

    def _rows_at(self, loaded: Loaded, cutoff: pd.Timestamp) -> Rows:
        """Rows of any cutoff, computed one at a time so that equal questions share the work."""
        store = self._workspace.store
        version = store.version()
        key = (loaded.kind, cutoff, version, loaded.run_id)
        with self._computing:
            if key not in self._other_cutoffs:
                snapshot = take_snapshot(store, self._workspace.fleet, loaded.kind, cutoff, version=version)
                check_features(loaded, snapshot)
                known = with_shift(snapshot, loaded, store, self._workspace.fleet)
                self._other_cutoffs[key] = Rows(loaded, known, self._workspace.fleet)
            self._other_cutoffs.move_to_end(key)
            while len(self._other_cutoffs) > KEPT_CUTOFFS:
                self._other_cutoffs.popitem(last=False)
            return self._other_cutoffs[key]


def _single_threaded(loaded: Loaded) -> Loaded:
    """Let a model predict in the thread of its request; the probabilities are the same to the last digit.

    Requests run side by side anyway, and threads that wait for each other cost more than they save on few rows.
    """
    model = loaded.model
    return replace(loaded, model=replace(model, settings=replace(model.settings, workers=1)))
