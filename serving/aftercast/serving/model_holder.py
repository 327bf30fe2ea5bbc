"""The models and feature rows the service answers from, held in memory and swapped whole.

Readers take a reference and keep it for the length of their request; a watcher puts a new one in its place. A model and
the rows it judges are one object, so that no answer mixes an old model with new rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from aftercast.data.workspace import Workspace
from aftercast.models.registry.fallback import LastGood, keep_last_good
from aftercast.operations.errors import WorkspaceError
from aftercast.serving.errors import LOG
from aftercast.serving.held import Held, Lookup
from aftercast.serving.kinds import served_kinds
from aftercast.serving.problems import NO_MODEL, NOT_SCORED
from aftercast.serving.response_cache import Rows


class Champions:
    """Holder of the champion and the scored rows of each kind.

    Parameters
    ----------
    workspace
        Where they are looked up; a copy of the champion that answers is kept there for times without a registry.

    Attributes
    ----------
    observed_until
        Instant (UTC) up to which the world was observed, at the last successful look; None without any data.
    database_away
        Whether the operational database was unavailable at the last look.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._held: dict[str, Held] = {kind: Held() for kind in served_kinds()}
        self._lookups = {kind: Lookup(workspace, kind) for kind in served_kinds()}
        self._failing: dict[str, str] = {}
        self.observed_until: pd.Timestamp | None = None
        self.database_away = False

    def held(self, kind: str) -> Held:
        """Return what is held now; never waits."""
        return self._held[kind]

    def failing(self, kind: str) -> str | None:
        """Kind of error that keeps newer models from being looked up; None while they are."""
        return self._failing.get(kind)

    def rows(self, kind: str) -> Rows:
        """Rows of the last scoring with the model that judges them.

        Raises
        ------
        ProblemError
            503 where there is no champion, or nothing was scored.
        """
        held = self._held[kind]
        if held.rows is not None:
            return held.rows
        raise (NO_MODEL if held.loaded is None else NOT_SCORED).error(reason=held.reason)

    def refresh(self) -> None:
        """Look once for newer models and rows; what cannot be read now leaves the old in place."""
        for kind in served_kinds():
            try:
                self._take(kind, self._lookups[kind].newest(self._held[kind]))
                self._failing.pop(kind, None)
            except Exception as error:  # noqa: BLE001  # edge of a thread: the registry may fail in any way
                self._report(kind, error)
                self._go_on(kind)
        self._look_at_data()

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

    def _take(self, kind: str, found: Held) -> None:
        """Answer from what was found from now on, having written down which model it is."""
        old = self._held[kind]
        self._record(kind, old, found)
        self._held[kind] = found
        if found.loaded is None or found.model == old.model:
            return
        try:
            keep_last_good(self._workspace, LastGood(found.loaded, found.decision, found.metrics))
        except OSError as error:
            LOG.warning("no copy of the %s model could be kept: %s", kind, error.strerror)

    def _record(self, kind: str, old: Held, found: Held) -> None:
        """Write down a change of the model that answers."""
        if old.model == found.model:
            return
        version, run_id = (None, None) if found.model is None else found.model
        before = None if old.model is None else old.model[0]
        change = {"kind": kind, "version": version, "run_id": run_id, "before": before}
        self._workspace.audit.append("model.serving", change)

    def _go_on(self, kind: str) -> None:
        """Go on with what is held; where that is nothing, with the model that answered before the last stop."""
        held = self._held[kind]
        try:
            if held.loaded is not None:
                self._held[kind] = self._lookups[kind].judged(held)
            elif (found := self._lookups[kind].last_good(held)) is not None:
                self._record(kind, held, found)
                self._held[kind] = found
        except Exception as error:  # noqa: BLE001  # edge of a thread; the failure that led here was logged already
            LOG.warning("the %s model that answered last cannot be used: %s", kind, type(error).__name__)

    def _look_at_data(self) -> None:
        try:
            self.observed_until = self._workspace.store.observed_until()
            self.database_away = False
        except (SQLAlchemyError, WorkspaceError):
            self.database_away = True

    def _report(self, kind: str, error: Exception) -> None:
        """Log the first of a row of failures in full, the others not at all."""
        if self._failing.get(kind) != type(error).__name__:
            LOG.error("The %s model stays as it is.", kind, exc_info=error)
        self._failing[kind] = type(error).__name__
