"""backblaze: real drives, a model for each day trained on what was known that day."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from benchmarks.failures.place import imported
from benchmarks.failures.tables import OURS, cell, measured, models, show

from aftercast.models.kind import BacktestRequest
from aftercast.models.kinds import hazard_kind

BUDGETS: Final = ("1%", "0.1%")


def run(path: Path, first: str, last: str, draws: int) -> dict[str, Any]:
    """Print the table of the drives; return its figures."""
    asked = BacktestRequest(
        kind="failure",
        train_until=[first],
        test_from=first,
        test_until=last,
        horizon="7d",
        every="24h",
        retrain="daily",
        draws=draws,
    )
    with imported("backblaze", path) as workspace:
        report = hazard_kind("failure").backtest(workspace, asked, None)
    rows = []
    for model in models(list(report.results)):
        found = report.results[model]["all"]
        cells = [measured(found, name) for name in ("roc_auc", "pr_auc", "brier", "ece")]
        for budget in BUDGETS:
            at = found["budgets"][budget]
            ends = found["intervals"]["budgets"][budget].get("recall_per_failure")
            cells.append(cell(at["recall_per_failure"], ends))
        rows.append([model, *cells])
    failures = report.results[OURS]["all"]["failures"]
    title = f"backblaze, within 7 d, retrained daily; {report.n_devices} drives, {failures} fail"
    columns = ["model", "ROC-AUC", "PR-AUC", "Brier", "ECE", *(f"found in daily {budget}" for budget in BUDGETS)]
    show(title, columns, rows, f"cutoffs {first} to {last}; a day's model knows labels matured by that day")
    return {
        "first": first,
        "last": last,
        "found_in_daily_budget": {
            model: {budget: every["all"]["budgets"][budget]["recall_per_failure"] for budget in BUDGETS}
            for model, every in report.results.items()
        },
        "results": {name: dict(found) for name, found in report.results.items()},
    }
