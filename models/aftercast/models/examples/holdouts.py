"""Hold-outs: devices that no training sees, so that a test asks about devices the model has never met."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from aftercast.data.store import Store
from aftercast.models.aliases import Mask
from aftercast.models.examples.cases import Cases
from aftercast.operations.errors import NotEnoughDataError, SettingsError

NAMES: Final = ("hardware_generation", "device_model")
HINT: Final = "Write devices:0.2 for a fifth of the devices, or newest for the newest hardware generation."


@dataclass(frozen=True)
class HoldOut:
    """Which devices or customers are tested and never trained on.

    Attributes
    ----------
    share
        Share of the devices held out, in (0, 1); read for "devices" only.
    """

    by: Literal["devices", "newest"]
    share: float = 0.0

    @property
    def text(self) -> str:
        """As it is asked for: ``devices:0.2`` or ``newest``."""
        return self.by if self.by == "newest" else f"devices:{self.share:g}"


@dataclass(frozen=True)
class Held:
    """Rows of cases whose device is held out, shape (n,), and a sentence on which these are."""

    rows: Mask
    about: str


def parse_hold_out(text: str) -> HoldOut:
    """Hold-out of a text.

    Raises
    ------
    SettingsError
        If it is neither ``devices:SHARE`` with a share in (0, 1) nor ``newest``.

    Examples
    --------
    >>> parse_hold_out("devices:0.2")
    HoldOut(by='devices', share=0.2)
    """
    if text == "newest":
        return HoldOut("newest")
    by, _, number = text.partition(":")
    try:
        share = float(number)
    except ValueError:
        share = np.nan
    if by != "devices" or not 0 < share < 1:
        raise SettingsError(f"'{text}' is no hold-out.", HINT)
    return HoldOut("devices", share)


def held_out(
    asked: HoldOut, cases: Cases, tested: npt.NDArray[np.str_], store: Store, *, version: int, seed: int
) -> Held:
    """Rows of the devices held out.

    Parameters
    ----------
    tested
        Ids at the test cutoffs: the newest generation is that of the devices there are by then.

    Raises
    ------
    SettingsError
        If the newest generation is asked for of customers.
    NotEnoughDataError
        If no device, or every device, would be held out.
    """
    if asked.by == "devices":
        names, number = np.unique(cases.examples.ids, return_inverse=True)
        chosen = np.array([drawn(str(name), asked.share, seed) for name in names], dtype=bool)
        held = Held(chosen[number], f"{int(chosen.sum())} of {len(chosen)} drawn by their ids")
    else:
        held = _newest(cases, tested, store, version)
    if not held.rows.any() or held.rows.all():
        which = "Every device" if held.rows.any() else "No device"
        raise NotEnoughDataError(f"{which} would be held out by {asked.text}.", "Hold out another share.")
    return held


def drawn(name: str, share: float, seed: int) -> bool:
    """Whether an id is held out: its hash with the seed, spread evenly over [0, 1), lies below the share.

    Who is held out depends on no other device, so that a fleet that grows keeps its hold-out.
    """
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < share


def _newest(cases: Cases, tested: npt.NDArray[np.str_], store: Store, version: int) -> Held:
    """Devices of the group whose first device was installed last; generations where they are known, else models."""
    if cases.examples.grain != "device_id":
        raise SettingsError("Customers have no hardware generation.", "Hold out a share: --hold-out devices:0.2.")
    devices = store.read("devices", version=version, columns=["device_id", *NAMES, "installed_at"])
    devices = devices[np.isin(devices["device_id"].to_numpy(dtype=np.str_), tested)]
    name = next((each for each in NAMES if devices[each].notna().any()), None)
    if name is None:
        raise NotEnoughDataError("No device has a hardware generation or a model.", "Import them with the devices.")
    known = devices.dropna(subset=[name, "installed_at"])
    first = known.groupby(name)["installed_at"].min().sort_values(kind="stable")
    newest = str(first.index[-1])
    members = known.loc[known[name] == newest, "device_id"].unique()
    rows = np.isin(cases.examples.ids, np.asarray(members, dtype=np.str_))
    label = name.replace("_", " ")
    return Held(rows, f"{label} {newest}, {len(members)} devices, first installed {first[newest]:%Y-%m-%d}")
