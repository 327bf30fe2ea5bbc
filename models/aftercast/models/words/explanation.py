"""Explain: everything a person needs before visiting one device, from what was known at a cutoff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.examples.cases import usual_horizon
from aftercast.models.registry.versions import Loaded, load_champion
from aftercast.models.scoring.scoring import judge, with_shift
from aftercast.models.scoring.snapshot import Snapshot, gone_since, snapshot_path, take_snapshot, why_not
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.models.words.answers import Answer, answer
from aftercast.models.words.parts import PartUse
from aftercast.models.words.past_repairs import PastRepair, parts_of, repairs_after
from aftercast.models.words.precursors import Sign, signs_of
from aftercast.models.words.similar_cases import SimilarCase, similar_cases
from aftercast.operations.clocks import format_duration, parse_duration_us, timestamp_us
from aftercast.operations.errors import NotFoundError

Progress = Callable[[str, int], None]
COMPONENTS: Final = 3
CASES: Final = 5
SAID: Final = (
    "device_model",
    "cutoff",
    "horizon",
    "sentence",
    "probability",
    "interval",
    "evidence",
    "data_as_of",
    "missing",
    "model_version",
    "drivers",
)


@dataclass(frozen=True)
class Explanation:
    """What is said of one device.

    Attributes
    ----------
    answer
        The answer of the risk list and the service.
    components
        The most likely components, ranked, with the part a repair usually needs.
    signs
        Component -> fault codes that came before its failures.
    cases
        Similar past cases, each with the repairs that followed.
    parts
        Parts those repairs used.
    """

    answer: Answer
    components: tuple[tuple[str, float, str | None], ...]
    signs: dict[str, tuple[Sign, ...]]
    cases: tuple[tuple[SimilarCase, tuple[PastRepair, ...]], ...]
    parts: tuple[PartUse, ...]

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON; instants are UTC."""
        said = asdict(self.answer)
        signs = {
            name: [asdict(sign) | {"sentence": sign.sentence} for sign in found] for name, found in self.signs.items()
        }
        return {
            "device_id": self.answer.entity_id,
            **{name: said[name] for name in SAID},
            "components": [{"component": name, "probability": p, "sku": sku} for name, p, sku in self.components],
            "signs": signs,
            "cases": [asdict(case) | {"repairs": [asdict(each) for each in repairs]} for case, repairs in self.cases],
            "parts": [asdict(part) for part in self.parts],
        }


def explain_device(
    workspace: Workspace,
    device_id: str,
    *,
    cutoff: pd.Timestamp | None = None,
    horizon: str | None = None,
    components: int = COMPONENTS,
    cases: int = CASES,
    progress: Progress | None = None,
) -> Explanation:
    """Explain what the champion says of a device.

    Parameters
    ----------
    cutoff
        UTC; None is that of the device's row: of the last scoring, or later where its records were drained since.
    horizon
        None is 7 days, or the model's nearest shorter one.
    components, cases
        How many components and similar cases at most.

    Raises
    ------
    NotFoundError
        If there is no champion, or the device was not at risk at the cutoff; the reason is named.
    NotEnoughDataError
        If nothing was scored and no cutoff given.
    ModelMismatchError
        If the champion was trained on other features, or the horizon is longer than the model's longest.
    """
    loaded = load_champion(workspace, "failure")
    snapshot = _snapshot(workspace, loaded, device_id, cutoff)
    if device_id not in snapshot.ids:
        reason = _why_not(workspace, snapshot, device_id, cutoff)
        raise NotFoundError(f"Device {device_id} cannot be explained: {reason}.", "Check the id, or choose a --cutoff.")
    score = judge(loaded, snapshot, workspace.fleet, ids=[device_id])[0]
    chosen = horizon or format_duration(usual_horizon(loaded.model.horizons_us))
    said = answer(score, chosen)
    ranked = sorted(said.components.items(), key=lambda item: (-item[1], item[0]))[:components]
    known: dict[str, Any] = {"cutoff": score.cutoff, "version": workspace.store.version()}
    row = replace(snapshot.of([device_id]), cutoff=score.cutoff, data_version=known["version"])
    shift = snapshot.shifts.get(loaded.version)
    near = similar_cases(
        loaded.model if shift is None else shift.apply(loaded.model),
        row,
        workspace.store,
        workspace.fleet,
        horizon_us=parse_duration_us(chosen),
        count=cases,
        progress=progress,
    )
    followed = tuple((case, repairs_after(case, workspace.store, **known)) for case in near)
    skus = {component.name: component.sku for component in workspace.fleet.components}
    return Explanation(
        answer=said,
        components=tuple((name, probability, skus.get(name)) for name, probability in ranked),
        signs={
            name: tuple(signs_of(workspace.store, workspace.fleet, name, device_id=device_id, **known))
            for name, _ in ranked
        },
        cases=followed,
        parts=tuple(parts_of([repair for _, repairs in followed for repair in repairs])),
    )


def _snapshot(workspace: Workspace, loaded: Loaded, device_id: str, cutoff: pd.Timestamp | None) -> Snapshot:
    """Rows the service answers from where they are those asked for, else computed."""
    path = snapshot_path(workspace.folder, "failure")
    if cutoff is None or path.is_file():
        kept = load_snapshot(path)
        if kept.dictionary_hash == loaded.metadata.dictionary_hash and _asked_for(kept, device_id, cutoff):
            known = loaded.version in kept.shifts
            return kept if known else with_shift(kept, loaded, workspace.store, workspace.fleet)
        cutoff = kept.cutoff if cutoff is None else cutoff
    taken = take_snapshot(workspace.store, workspace.fleet, "failure", cutoff)
    return with_shift(taken, loaded, workspace.store, workspace.fleet)


def _asked_for(kept: Snapshot, device_id: str, cutoff: pd.Timestamp | None) -> bool:
    """Whether kept rows answer: those without a cutoff asked for, else where all of them and the device are of it.

    Rows renewed since the last scoring know facts after its cutoff, and a device that retired since has none.
    """
    if cutoff is None:
        return True
    return device_id in kept.ids and bool((kept.cutoff_us == timestamp_us(cutoff)).all()) and kept.cutoff == cutoff


def _why_not(workspace: Workspace, snapshot: Snapshot, device_id: str, cutoff: pd.Timestamp | None) -> str:
    """Say why the device has no row, by what was known at a cutoff asked for, else by what is known now."""
    gone = {} if cutoff is not None else gone_since(workspace.store, snapshot, [device_id])
    moment = max(snapshot.cutoff, gone.get(device_id, snapshot.cutoff))
    return why_not(workspace.store, "failure", device_id, moment)
