"""Explanation: everything a person needs before visiting a device or calling a customer, as known at a cutoff."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.models.hazard.forecast import PartUse
from aftercast.models.kinds import hazard_kind
from aftercast.models.registry.versions import Loaded, load_champion
from aftercast.models.scoring.fleet import judge, shifted, with_shift
from aftercast.models.scoring.snapshot import Snapshot, gone_since, snapshot_path, take_snapshot, why_not
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.models.text_table import text_table
from aftercast.models.words.answers import Answer, answer, percent
from aftercast.models.words.past_repairs import PastRepair, parts_of, repairs_after
from aftercast.models.words.precursors import Sign, signs_of
from aftercast.models.words.similar_cases import SimilarCase, similar_cases
from aftercast.operations.clocks import parse_duration_us, timestamp_us
from aftercast.operations.errors import NotFoundError

if TYPE_CHECKING:
    from rich.console import RenderableType

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
class HazardExplanation:
    """What is said of one device or customer.

    Attributes
    ----------
    answer
        The answer of the risk list and the service.
    components
        The most likely components, ranked, with the part a repair usually needs.
    signs
        Component -> fault codes that came before its failures; empty for customers.
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
            hazard_kind(self.answer.kind).grain: self.answer.entity_id,
            **{name: said[name] for name in SAID},
            "components": [{"component": name, "probability": p, "sku": sku} for name, p, sku in self.components],
            "signs": signs,
            "cases": [asdict(case) | {"repairs": [asdict(each) for each in repairs]} for case, repairs in self.cases],
            "parts": [asdict(part) for part in self.parts],
        }

    def shown(self) -> list[RenderableType]:
        """Texts and tables for a terminal."""
        said = self.answer
        model = f" ({said.device_model})" if said.device_model else ""
        parts: list[RenderableType] = [
            f"{said.entity_id}{model} at {said.cutoff:%Y-%m-%d %H:%M} UTC: {said.sentence}.",
            _grounds(said),
        ]
        if said.component is not None:
            rows = [[name, percent(probability), sku or ""] for name, probability, sku in self.components]
            columns = ["component", f"within {said.horizon}", "usual part"]
            parts.append(text_table("Components", columns, rows, right={1}))
        parts.append("Why:")
        parts += [f"  {'+' if driver.contribution > 0 else '-'} {driver.text}" for driver in said.drivers]
        if not said.drivers:
            parts.append("  no reason of its own: the risk is that of the fleet.")
        for name, signs in self.signs.items():
            parts += [f"  {name}: {sign.sentence}." for sign in [sign for sign in signs if sign.tells][:2]]
        return [*parts, *self._shown_cases()]

    def _shown_cases(self) -> list[RenderableType]:
        if not self.cases:
            return ["There is no earlier case to compare with."]
        own, noun = self.answer.entity_id, hazard_kind(self.answer.kind).entity.noun
        rows = [
            [
                f"{case.entity_id}{' (itself)' if case.entity_id == own else ''}",
                case.device_model,
                f"{case.cutoff:%Y-%m-%d}",
                f"{case.distance:.2f}",
                _outcome(case),
                "\n".join(_repair(repair) for repair in repairs),
            ]
            for case, repairs in self.cases
        ]
        columns = [noun, "model", "cutoff", "distance", "what became of it", "repair"]
        bring = [
            f"Bring {part.sku}: {part.repairs} of {part.of} of these repairs used it, {part.quantity:g} each."
            for part in self.parts
        ]
        return [text_table("Similar past cases", columns, rows, right={3}), *bring]


def explain(
    workspace: Workspace,
    kind: str,
    entity_id: str,
    *,
    cutoff: pd.Timestamp | None = None,
    horizon: str | None = None,
    components: int = COMPONENTS,
    cases: int = CASES,
    progress: Progress | None = None,
) -> HazardExplanation:
    """Explain what the champion says of a device or customer.

    Parameters
    ----------
    cutoff
        UTC; None is that of its row: of the last scoring, or later where its records were drained since.
    horizon
        None is the usual one of the kind, or the model's nearest shorter one.
    components, cases
        How many components and similar cases at most.

    Raises
    ------
    NotFoundError
        If there is no champion, or it was not at risk at the cutoff; the reason is named.
    NotEnoughDataError
        If nothing was scored and no cutoff given.
    ModelMismatchError
        If the champion was trained on other features, or the horizon is longer than the model's longest.
    """
    entity = hazard_kind(kind).entity
    loaded = load_champion(workspace, kind)
    snapshot = _snapshot(workspace, loaded, entity_id, cutoff)
    if entity_id not in snapshot.ids:
        reason = _why_not(workspace, snapshot, entity_id, cutoff)
        raise NotFoundError(
            f"{entity.noun.capitalize()} {entity_id} cannot be explained: {reason}.",
            "Check the id, or choose a --cutoff.",
        )
    forecast = judge(loaded, snapshot, workspace.fleet, ids=[entity_id])[0]
    chosen = horizon or hazard_kind(kind).usual(loaded.model.horizons_us.tolist())
    said = answer(forecast, chosen)
    ranked = sorted(said.components.items(), key=lambda item: (-item[1], item[0]))[:components]
    known: dict[str, Any] = {"cutoff": forecast.cutoff, "version": workspace.store.version()}
    row = replace(snapshot.of([entity_id]), cutoff=forecast.cutoff, data_version=known["version"])
    near = similar_cases(
        shifted(loaded, snapshot),
        row,
        workspace.store,
        workspace.fleet,
        horizon_us=parse_duration_us(chosen),
        count=cases,
        progress=progress,
    )
    of_devices = hazard_kind(kind).grain == "device_id"
    followed = tuple((case, repairs_after(case, workspace.store, **known) if of_devices else ()) for case in near)
    skus = {component.name: component.sku for component in workspace.fleet.components}
    return HazardExplanation(
        answer=said,
        components=tuple((name, probability, skus.get(name)) for name, probability in ranked),
        signs={
            name: tuple(signs_of(workspace.store, workspace.fleet, name, device_id=entity_id, **known))
            for name, _ in ranked
            if of_devices
        },
        cases=followed,
        parts=tuple(parts_of([repair for _, repairs in followed for repair in repairs])),
    )


def _snapshot(workspace: Workspace, loaded: Loaded, entity_id: str, cutoff: pd.Timestamp | None) -> Snapshot:
    """Rows the service answers from where they are those asked for, else computed."""
    path = snapshot_path(workspace.folder, loaded.kind)
    if cutoff is None or path.is_file():
        kept = load_snapshot(path)
        if kept.dictionary_hash == loaded.metadata.dictionary_hash and _asked_for(kept, entity_id, cutoff):
            known = loaded.version in kept.shifts
            return kept if known else with_shift(kept, loaded, workspace.store, workspace.fleet)
        cutoff = kept.cutoff if cutoff is None else cutoff
    taken = take_snapshot(workspace.store, workspace.fleet, loaded.kind, cutoff)
    return with_shift(taken, loaded, workspace.store, workspace.fleet)


def _asked_for(kept: Snapshot, entity_id: str, cutoff: pd.Timestamp | None) -> bool:
    """Whether kept rows answer: those without a cutoff asked for, else where all of them and the device are of it.

    Rows renewed since the last scoring know facts after its cutoff, and a device that retired since has none.
    """
    if cutoff is None:
        return True
    return entity_id in kept.ids and bool((kept.cutoff_us == timestamp_us(cutoff)).all()) and kept.cutoff == cutoff


def _why_not(workspace: Workspace, snapshot: Snapshot, entity_id: str, cutoff: pd.Timestamp | None) -> str:
    """Say why there is no row, by what was known at a cutoff asked for, else by what is known now."""
    gone = {} if cutoff is not None else gone_since(workspace.store, snapshot, [entity_id])
    moment = max(snapshot.cutoff, gone.get(entity_id, snapshot.cutoff))
    return why_not(workspace.store, snapshot.kind, entity_id, moment)


def _grounds(said: Answer) -> str:
    ends = "" if said.interval is None else f"Between {percent(said.interval[0])} and {percent(said.interval[1])}. "
    as_of = "no data" if said.data_as_of is None else f"data as of {said.data_as_of:%Y-%m-%d %H:%M} UTC"
    missing = f" No value of {', '.join(said.missing)}." if said.missing else ""
    return f"{ends}Rests on {said.evidence}, {as_of}, model version {said.model_version}.{missing}"


def _outcome(case: SimilarCase) -> str:
    if case.component is None or case.after_days is None:
        return f"nothing in {case.watched_days:.0f} days"
    return f"{case.component} after {case.after_days:.1f} days"


def _repair(repair: PastRepair) -> str:
    parts = ", ".join(f"{count:g} {sku}" for sku, count in repair.parts)
    hours = "" if repair.labour_hours is None else f"{repair.labour_hours:.1f} h"
    outcome = (repair.outcome or "open").replace("_", " ")
    return ", ".join(each for each in (outcome, parts, hours, repair.work_order_id) if each)
