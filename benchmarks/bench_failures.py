"""Failure forecasts on public machines and drives, and against simulated truth, beside their baselines.

``python -m benchmarks failures --data FOLDER`` reads ``azure_pdm/`` and ``backblaze/`` of a folder of public data sets
(``AFTERCAST_REAL_DATA`` where not given) and simulates a fleet for the other parts. Other periods are asked for by
their dates. Brackets hold 95 % bootstrap intervals by device.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.failures import azure, drives, shift, truth
from benchmarks.harness import keep

from aftercast.operations.environment import quiet_libraries, real_data_folder

LEFT_OUT: Final = {
    *("intervals", "visit_rates", "budgets", "threshold", "log_loss", "flagged", "recall_per_failure"),
    *("false_alarms_per_device_month", "false_visits_per_1000_device_months"),
}
"""What the summary does without; the tables that are printed have the intervals, too."""
PARTS: Final = ("azure", "drives", "truth", "shift")
SIMULATED: Final = {"truth", "shift"}


def main() -> None:
    """Run the parts asked for and keep their figures."""
    quiet_libraries()
    asked = _arguments()
    needed = set(asked.only) - SIMULATED
    if needed and (asked.data is None or not asked.data.is_dir()):
        sys.exit("There is no folder of public data sets: give --data FOLDER, or only simulate: --only truth shift")
    period = azure.Period(asked.train_until, asked.test_from, asked.test_until, asked.draws)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "azure": lambda: azure.run(asked.data / "azure_pdm", period),
        "drives": lambda: drives.run(_drives(asked.data), asked.drives_from, asked.drives_until, asked.draws),
        "truth": lambda: truth.run(asked.devices, asked.days, asked.seed, asked.draws),
        "shift": lambda: shift.run(asked.devices, asked.days, asked.seed),
    }
    found: dict[str, Any] = {}
    for name in asked.only:
        began = time.perf_counter()
        found[name] = parts[name]() | {"seconds": round(time.perf_counter() - began, 1)}
        print(f"{name}: {found[name]['seconds']:.0f} s\n")
    keep("failures", found, LEFT_OUT)


def _drives(folder: Path) -> Path:
    found = sorted((folder / "backblaze").glob("*.parquet"))
    if len(found) != 1:
        sys.exit(f"{folder / 'backblaze'} holds {len(found)} Parquet files; one is expected.")
    return found[0]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks failures", description=__doc__)
    parser.add_argument("--data", type=Path, default=real_data_folder(), help="folder of the public data sets")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run")
    parser.add_argument("--draws", type=int, default=200, help="draws of devices for the intervals")
    parser.add_argument("--train-until", default="2015-07-31", help="end of the machines' training time")
    parser.add_argument("--test-from", default="2015-08-01", help="first test cutoff of the machines")
    parser.add_argument("--test-until", default="2015-09-30", help="last one, cut where its horizon leaves the data")
    parser.add_argument("--drives-from", default="2013-04-25", help="first test cutoff of the drives")
    parser.add_argument("--drives-until", default="2013-05-02", help="last test cutoff of the drives")
    parser.add_argument("--devices", type=int, default=500, help="simulated devices")
    parser.add_argument("--days", type=int, default=300, help="simulated days")
    parser.add_argument("--seed", type=int, default=21, help="seed of the simulated fleet")
    return parser.parse_args()


if __name__ == "__main__":
    main()
