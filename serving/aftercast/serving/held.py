"""What is held in memory for one kind of model, and how it is looked up in the registry and the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.registry.fallback import find_last_good, has_last_good
from aftercast.models.registry.run_metrics import run_metrics
from aftercast.models.registry.versions import Loaded, Version, champion_version, has_registry, load_champion
from aftercast.models.scoring.fleet import check_features, with_judgement, with_shift
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.clocks import parse_time
from aftercast.operations.errors import AftercastError, NotFoundError
from aftercast.serving.response_cache import Rows


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
        Time of the file the rows came from; another time means newer rows.
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


class Lookup:
    """Looks up the newest model and rows of one kind."""

    def __init__(self, workspace: Workspace, kind: str) -> None:
        self._workspace = workspace
        self._kind = kind
        self._waiting: Loaded | None = None

    def newest(self, old: Held) -> Held:
        """Newest champion with the rows of the last scoring, every row judged.

        The first rows of a service answer at once and are judged at the next look; later ones replace those before
        them once they are judged.

        Raises
        ------
        AftercastError
            If the rows cannot be used while older ones, or those of the model before, still answer.
        NotFoundError
            If the registry is gone.
        """
        champion = champion_version(self._workspace, self._kind)
        if champion is None:
            self._check_registry(old)
            reason = f"No {self._kind} model has been promoted to champion."
            return Held(None, None, reason, f"Run `aftercast train {self._kind}`.")
        same = old.loaded if old.model == (champion.version, champion.run_id) else None
        if same is not None and old.saved_ns == self._saved_ns():
            return self.judged(old)
        loaded = self._load(champion) if same is None else same
        metrics = run_metrics(self._workspace, loaded.run_id) if same is None else old.metrics
        found = self._with_rows(loaded, old, champion.decision, metrics)
        at_once = old.rows is None and found.rows is not None and loaded.version in found.rows.snapshot.shifts
        return found if at_once else self.judged(found)

    def last_good(self, old: Held) -> Held | None:
        """Model that answered before the last stop, for times without a registry; None where no copy was kept."""
        good = find_last_good(self._workspace, self._kind)
        return None if good is None else self._with_rows(single_threaded(good.loaded), old, good.decision, good.metrics)

    def judged(self, held: Held) -> Held:
        """Held with every row judged, so that an answer is looked up."""
        if held.rows is None or held.loaded is None or held.rows.judged:
            return held
        snapshot, spec = held.rows.snapshot, self._workspace.fleet
        if held.loaded.version not in snapshot.shifts:
            snapshot = with_shift(snapshot, held.loaded, self._workspace.store, spec)
        return replace(held, rows=Rows(held.loaded, with_judgement(snapshot, held.loaded), spec))

    def _load(self, champion: Version) -> Loaded:
        """Champion ready to answer; one that waits for rows that fit it is loaded once."""
        waiting = self._waiting
        if waiting is None or (waiting.version, waiting.run_id) != (champion.version, champion.run_id):
            waiting = self._waiting = single_threaded(load_champion(self._workspace, self._kind))
        return waiting

    def _check_registry(self, old: Held) -> None:
        """Distinguish a registry that is gone from one whose champion was taken away on purpose."""
        answered = old.loaded is not None or has_last_good(self._workspace, self._kind)
        if answered and not has_registry(self._workspace):
            raise NotFoundError("The registry is gone.", "Bring its database back, or correct mlflow.address.")

    def _with_rows(self, loaded: Loaded, old: Held, decision: str, metrics: Mapping[str, float]) -> Held:
        saved_ns = self._saved_ns()
        try:
            snapshot = load_snapshot(snapshot_path(self._workspace.folder, self._kind))
            check_features(loaded, snapshot)
        except AftercastError as error:
            if old.rows is not None:
                raise
            return Held(loaded, None, error.message, error.hint, decision, metrics, saved_ns)
        return Held(loaded, Rows(loaded, snapshot, self._workspace.fleet), "", "", decision, metrics, saved_ns)

    def _saved_ns(self) -> int | None:
        path = snapshot_path(self._workspace.folder, self._kind)
        return path.stat().st_mtime_ns if path.is_file() else None


def single_threaded(loaded: Loaded) -> Loaded:
    """Let a model predict in the thread of its request; the probabilities are the same to the last digit.

    Requests run side by side anyway, and threads that wait for each other cost more than they save on few rows.
    """
    model = loaded.model
    return replace(loaded, model=replace(model, settings=replace(model.settings, workers=1)))
