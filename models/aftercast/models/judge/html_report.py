"""A backtest as one HTML page a person reads: no script, no network, plots inside; readable on a phone.

Everything is drawn from the JSON report. Each cell names the value it shows by a JSON pointer (RFC 6901) in
``data-value``, so that a number on the page can be looked up in the report.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.figure import Figure

from aftercast.models.fit.training import OWN
from aftercast.models.judge.evaluation import ALL
from aftercast.models.judge.plots import report_plots
from aftercast.models.kinds import hazard_kind

Report = Mapping[str, Any]
Path = tuple[str | int, ...]
Column = tuple[str, Path]
MODEL_COLUMNS: Final[tuple[Column, ...]] = (
    ("events", ("events",)),
    ("PR-AUC", ("pr_auc",)),
    ("ROC-AUC", ("roc_auc",)),
    ("Brier", ("brier",)),
    ("ECE", ("ece",)),
    ("threshold", ("threshold",)),
    ("precision", ("precision",)),
    ("recall", ("recall",)),
    ("failures", ("failures",)),
    ("found", ("recall_per_failure",)),
    ("lead h", ("median_lead_time_hours",)),
    ("false visits per 1,000 device-months", ("false_visits_per_1000_device_months",)),
)
POOLED_COLUMNS: Final[tuple[Column, ...]] = (
    ("pairs", ("n",)),
    ("events", ("events",)),
    ("PR-AUC", ("pr_auc",)),
    ("ROC-AUC", ("roc_auc",)),
    ("Brier", ("brier",)),
    ("ECE", ("ece",)),
)
SLICE_COLUMNS: Final[tuple[Column, ...]] = (
    ("devices", ("devices",)),
    ("rows", ("n",)),
    ("events", ("events",)),
    ("forecast", ("predicted",)),
    ("observed", ("observed",)),
    ("PR-AUC", ("pr_auc",)),
    ("ROC-AUC", ("roc_auc",)),
    ("ECE", ("ece",)),
)
BIN_COLUMNS: Final[tuple[Column, ...]] = (
    ("from", ("low",)),
    ("to", ("high",)),
    ("rows", ("n",)),
    ("events", ("events",)),
    ("forecast", ("predicted",)),
    ("observed", ("observed",)),
)
CAPTIONS: Final = {
    "calibration": "Calibration: of rows forecast so, how many had an event. On the line: as forecast.",
    "precision_recall": "Precision and recall of rows over all thresholds.",
    "lead_time": "Hours from the first alarm to the failure, of failures found at the threshold.",
    "cost": "Cost per device-month over thresholds, at the costs of the fleet spec.",
    "decision": "Decision curve: net benefit of visiting from each probability on, against everybody and nobody.",
}
STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}caption{text-align:left;padding:.3rem 0}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th:first-child{text-align:left;position:sticky;left:0;background:#fff}thead th{white-space:normal;vertical-align:bottom}
small{display:block;color:#555}tr.own{font-weight:600}tr.own small{font-weight:400}
figure{margin:0}.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem}
img{max-width:100%;height:auto}figcaption{font-size:.85rem}summary{cursor:pointer;padding:.3rem 0}
"""


def page(report: Report) -> str:
    """HTML page of a report as ``BacktestReport.to_dict`` gives it."""
    title = f"Backtest: {report['kind']} within {report['horizon']}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(sentence(report))}</p>",
        *_models(report),
        "<h2>Plots</h2>",
        '<div class="plots">',
        *(_figure(name, figure) for name, figure in report_plots(report).items()),
        "</div>",
        *_budgets(report),
        *_costs(report),
        *_slices(report),
        *_reliability(report),
        "<h2>Words</h2>",
        f"<p>{WORDS}</p>",
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    top = (
        f'<!doctype html><html lang="en"><head>{head}<title>{escape(title)}</title><style>{STYLE}</style></head><body>'
    )
    return "\n".join([top, *parts, "</body></html>\n"])


WORDS: Final = (
    "An event is a row (device and cutoff) with a failure within the horizon. Found: share of failures, not rows, "
    "with an alarm in time before them. A false visit is one whose watched horizon holds no failure; alarms of a "
    "device during a visit are the same visit. ECE: mean distance of forecast and observed share over 15 bins of equal "
    "size. "
    "In brackets: 95 % intervals over draws of devices. Thresholds of rates of false visits and of least cost were "
    "looked for on the tested rows themselves; all others were chosen on training time."
)


def sentence(report: Report) -> str:
    """What was tested, in one sentence."""
    others = ", ".join(name for name in report["results"] if name != OWN)
    return (
        f"{report['kind'].capitalize()} within {report['horizon']} was forecast for {report['n_devices']:,} "
        f"{hazard_kind(report['kind']).entity.noun}s every {report['every']} from "
        f"{report['test_from'][:16]} to {report['test_until'][:16]} UTC by {_trainings(report)}, beside {others}"
        f"{_asked(report)}."
    )


def _trainings(report: Report) -> str:
    untils = [fold["train_until"][:16] for fold in report["folds"]]
    if report["retrain"] == "daily":
        return f"{len(untils)} models, each trained until its cutoff"
    if len(untils) > 1:
        return f"{len(untils)} models trained until {', '.join(untils)}, each tested until the next"
    return f"a model trained until {report['train_until'][:16]}"


def _asked(report: Report) -> str:
    held = f"; no training saw the tested devices ({report['hold_out']})" if report["hold_out"] else ""
    act = f"; failures count as found only {report['act_within']} before them" if report["act_within"] else ""
    draws = f"; intervals from {report['draws']} draws of devices" if report["draws"] > 0 else ""
    return held + act + draws


def _models(report: Report) -> Iterable[str]:
    components = list(report["results"][OWN])
    yield "<h2>Models</h2>"
    yield _by_model(report, "Any component" if len(components) > 1 else ALL, ("results",), (ALL,), MODEL_COLUMNS)
    for name in components:
        if name != ALL:
            table = _by_model(report, f"Component {name}", ("results",), (name,), MODEL_COLUMNS)
            yield f"<details><summary>Component {escape(name)}</summary>{table}</details>"
    table = _by_model(report, "Every pair of row and component", ("pooled",), (), POOLED_COLUMNS)
    yield f"<details><summary>All components together</summary>{table}</details>"


def _budgets(report: Report) -> Iterable[str]:
    first = report["results"][OWN][ALL]
    yield "<h2>Failures found at a budget</h2>"
    for about, group, names in (
        ("Riskiest share of the devices visited at each cutoff", "budgets", first["budgets"]),
        ("False visits accepted per device-month", "visit_rates", first["visit_rates"]),
    ):
        columns: list[Column] = []
        for name in names:
            columns.append((f"{name}: found", (group, name, "recall_per_failure")))
            columns.append((f"{name}: false visits per 1,000", (group, name, "false_visits_per_1000_device_months")))
        yield _by_model(report, about, ("results",), (ALL,), columns)


def _costs(report: Report) -> Iterable[str]:
    costs = report["costs"][OWN]
    yield "<h2>What it costs</h2>"
    yield (
        f"<p>A missed failure costs {costs['missed_failure']:g} {escape(costs['currency'])}, a needless visit "
        f"{costs['needless_visit']:g}. Lowest cost per device-month over all thresholds:</p>"
    )
    columns = [(each, ("best", each)) for each in ("cost", "threshold", "missed", "needless")]
    yield _by_model(report, f"{costs['currency']} per device-month", ("costs",), (), columns)


def _slices(report: Report) -> Iterable[str]:
    yield f"<h2>Slices of {OWN}</h2>"
    for dimension, found in report["slices"].items():
        rows = [(name, ("slices", dimension, name)) for name in found]
        yield _table(report, dimension.replace("_", " "), rows, SLICE_COLUMNS)


def _reliability(report: Report) -> Iterable[str]:
    yield "<h2>Reliability by device model</h2>"
    for i, (name, bins) in enumerate(report["reliability"].items()):
        rows = [(str(b + 1), ("reliability", name, b)) for b in range(len(bins))]
        shown = " open" if i == 0 else ""
        table = _table(report, name, rows, BIN_COLUMNS)
        yield f"<details{shown}><summary>{escape(name)}</summary>{table}</details>"


def _by_model(report: Report, caption: str, before: Path, after: Path, columns: Sequence[Column]) -> str:
    rows = [(model, (*before, model, *after)) for model in report["results"]]
    return _table(report, caption, rows, columns)


def _table(report: Report, caption: str, rows: Sequence[tuple[str, Path]], columns: Sequence[Column]) -> str:
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title, _ in columns)
    body = "".join(
        f"<tr{' class=own' if label == OWN else ''}><th scope=row>{escape(label)}</th>"
        + "".join(_cell(report, path, column) for _, column in columns)
        + "</tr>"
        for label, path in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(report: Report, path: Path, column: Path) -> str:
    row = look_up(report, path)
    ends = _ends(row, column)
    between = "" if ends is None else f"<small>[{number(ends[0])}, {number(ends[1])}]</small>"
    where = escape(pointer((*path, *column)))
    return f'<td data-value="{where}">{number(look_up(row, column))}{between}</td>'


def _ends(row: Any, column: Path) -> Sequence[float] | None:
    """Interval of a value: in ``intervals`` at the same place, or, of a bin, ``interval`` of what was observed."""
    if column == ("observed",) and "interval" in row:
        return look_up(row, ("interval",))
    return look_up(row.get("intervals"), column)


def look_up(content: Any, path: Path) -> Any:
    """Value at a path; None where the path leads nowhere."""
    for key in path:
        if isinstance(content, Mapping):
            content = content.get(key)
        elif isinstance(content, Sequence) and isinstance(key, int):
            content = content[key]
        else:
            return None
    return content


def pointer(path: Path) -> str:
    """JSON pointer of a path (RFC 6901).

    >>> pointer(("slices", "device_model", "A/B"))
    '/slices/device_model/A~1B'
    """
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


def number(value: float | None) -> str:
    """Four significant digits, whole numbers in full; a dash where undefined."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _figure(name: str, figure: Figure) -> str:
    caption = escape(CAPTIONS[name])
    return f'<figure><img alt="{caption}" src="{_data(figure)}"><figcaption>{caption}</figcaption></figure>'


def _data(figure: Figure) -> str:
    """SVG of a figure as a data address; the same figure gives the same text."""
    drawn = io.StringIO()
    with rc_context({"svg.hashsalt": "aftercast"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue().encode()).decode()
