"""The models and feature rows the service answers from, held in memory and swapped whole.

Readers take a reference and keep it for the length of their request; a watcher puts a new one in its place. A model and
the rows it judges are one object, so that no answer mixes an old model with new rows.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import pandas as pd

from aftercast.data.errors import AftercastError
from aftercast.data.records.scores import Kind
from aftercast.data.workspace import Workspace
from aftercast.models.mlflow_runs import run_metrics
from aftercast.models.registry import Loaded, champion_version, load_champion
from aftercast.models.scoring import Usual, check_features, with_shift
from aftercast.models.snapshot import Snapshot, load_snapshot, snapshot_path, take_snapshot
from aftercast.serving.errors import LOG, ProblemError

KINDS: Final[tuple[Kind, ...]] = ("failure", "churn")
KEPT_CUTOFFS: Final = 4


@dataclass(frozen=True)
class Rows:
    """Feature rows of one cutoff, with what is usual among them."""

    snapshot: Snapshot
    usual: Usual

    @classmethod
    def of(cls, snapshot: Snapshot) -> Rows:
        """Rows of a snapshot."""
        return cls(snapshot, Usual.of(snapshot))


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


class Champions:
    """Holder of the champion and the scored rows of each kind.

    Parameters
    ----------
    workspace
        Where they are looked up; nothing in it is changed.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._held: dict[Kind, Held] = {kind: Held() for kind in KINDS}
        self._other_cutoffs: OrderedDict[tuple[Kind, pd.Timestamp, int, str], Rows] = OrderedDict()
        self._computing = threading.Lock()

    def held(self, kind: Kind) -> Held:
        """Return what is held now; never waits."""
        return self._held[kind]

    def champion(self, kind: Kind) -> Loaded:
        """Return the champion; raises a 503 problem where there is none."""
        held = self._held[kind]
        if held.loaded is None:
            raise ProblemError(503, "no-model", "There is no model to answer", held.reason, held.hint)
        return held.loaded

    def pair(self, kind: Kind, cutoff: pd.Timestamp | None) -> tuple[Loaded, Rows]:
        """Champion and rows to answer from.

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
        held, loaded = self._held[kind], self.champion(kind)
        if held.rows is not None and cutoff in {None, held.rows.snapshot.cutoff}:
            return loaded, held.rows
        if cutoff is None:
            raise ProblemError(503, "not-scored", "Nothing is scored", held.reason, held.hint)
        return loaded, self._rows_at(loaded, cutoff)

    def refresh(self) -> None:
        """Look once for newer models and rows; what cannot be read now leaves the old in place."""
        for kind in KINDS:
            try:
                self._held[kind] = self._newer(kind, self._held[kind])
            except Exception:  # noqa: BLE001  # edge of a thread: the registry may be anywhere and fail in any way; the next look comes soon
                LOG.exception("The %s model stays as it is.", kind)

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
            return Held(None, None, f"No {kind} model has been promoted to champion.", f"Run `aftercast train {kind}`.")
        path = snapshot_path(self._workspace.folder, kind)
        saved_ns = path.stat().st_mtime_ns if path.is_file() else None
        same = old.loaded if old.loaded is not None and old.loaded.version == champion.version else None
        if same is not None and old.saved_ns == saved_ns:
            return old
        loaded = _single_threaded(load_champion(self._workspace, kind)) if same is None else same
        metrics = run_metrics(self._workspace, loaded.run_id) if same is None else old.metrics
        rows, reason, hint = self._saved_rows(kind, loaded)
        return Held(loaded, rows, reason, hint, champion.decision, metrics, saved_ns)

    def _saved_rows(self, kind: Kind, loaded: Loaded) -> tuple[Rows | None, str, str]:
        """Rows of the last scoring; or None, why they cannot be used, and what to do."""
        try:
            snapshot = load_snapshot(snapshot_path(self._workspace.folder, kind))
            check_features(loaded, snapshot)
        except AftercastError as error:
            return None, error.message, error.hint
        return Rows.of(snapshot), "", ""

    def _rows_at(self, loaded: Loaded, cutoff: pd.Timestamp) -> Rows:
        """Rows of any cutoff, computed one at a time so that equal questions share the work."""
        store = self._workspace.store
        version = store.version()
        key = (loaded.kind, cutoff, version, loaded.version)
        with self._computing:
            if key not in self._other_cutoffs:
                snapshot = take_snapshot(store, self._workspace.fleet, loaded.kind, cutoff, version=version)
                check_features(loaded, snapshot)
                self._other_cutoffs[key] = Rows.of(with_shift(snapshot, loaded, store, self._workspace.fleet))
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
