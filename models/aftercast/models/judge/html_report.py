"""A backtest as one HTML page a person reads: no script, no network, plots inside; readable on a phone.

Everything is drawn from the JSON report by the template ``report.html.jinja``. Each cell names the value it shows by a
JSON pointer (RFC 6901) in ``data-value``, so that a number on the page can be looked up in the report.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aftercast.models.fit.training import OWN
from aftercast.models.judge.plots import MISSING_GLYPH, report_plots
from aftercast.models.kinds import hazard_kind
from aftercast.models.metrics.evaluation import ALL
from aftercast.models.metrics.table import FOUND, METRICS, Metric, ranked_metrics, shown_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Report = Mapping[str, Any]
Place = tuple[str | int, ...]
CAPTIONS: Final = {
    "calibration": "Calibration: of rows forecast so, how many had an event. On the line: as forecast.",
    "precision_recall": "Precision and recall of rows over all thresholds.",
    "lead_time": "Hours from the first alarm to the failure, of failures found at the threshold.",
    "cost": "Cost per device-month over thresholds, at the costs of the fleet spec.",
    "decision": "Decision curve: net benefit of visiting from each probability on, against everybody and nobody.",
}
AT_A_BUDGET: Final = (FOUND, "false_visits_per_1000_device_months")


class Column(NamedTuple):
    """A column of a table: where its value stands below the row's place, and how it is written."""

    title: str
    path: Place
    format: str = ".4g"


def page(report: Report) -> str:
    """HTML page of a report as ``BacktestReport.to_dict`` gives it."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, undefined=StrictUndefined
    )
    return pages.get_template("report.html.jinja").render(
        report=report,
        nouns=f"{hazard_kind(report['kind']).entity.noun}s",
        own=OWN,
        every=ALL,
        columns=_columns(report),
        plots={name: _data(figure) for name, figure in report_plots(report).items()},
        captions=CAPTIONS,
        look_up=look_up,
        pointer=pointer,
        number=number,
        interval=interval,
    )


def _columns(report: Report) -> dict[str, list[Column]]:
    """Columns of each table of the page."""
    first = report["results"][OWN][ALL]
    ranked = [_metric(metric) for metric in ranked_metrics()]
    return {
        "models": [*_plain("events", "threshold", "failures"), *(_metric(metric) for metric in shown_metrics())],
        "pairs": [Column("pairs", ("n",)), *_plain("events"), *ranked],
        "slices": [*_plain("devices", "rows", "events", "forecast", "observed"), *ranked],
        "bins": _plain("from", "to", "rows", "events", "forecast", "observed"),
        "costs": [Column(name, ("best", name)) for name in ("cost", "threshold", "missed", "needless")],
        **{
            group: [_metric(METRICS[metric], group, name) for name in first[group] for metric in AT_A_BUDGET]
            for group in ("budgets", "visit_rates")
        },
    }


def _plain(*titles: str) -> list[Column]:
    keys = {"rows": "n", "forecast": "predicted", "from": "low", "to": "high"}
    return [Column(title, (keys.get(title, title),)) for title in titles]


def _metric(metric: Metric, *before: str) -> Column:
    """Column of a metric; of one under a budget or at a rate, which is the last word before it."""
    title = f"{before[-1]}: {metric.title}" if before else metric.title
    return Column(title, (*before, metric.name), metric.format)


def interval(report: Report, row: Place, column: Place) -> Sequence[float] | None:
    """Interval of a value: in ``intervals`` at the same place, or, of a bin, ``interval`` of what was observed."""
    found = look_up(report, row)
    if column == ("observed",) and "interval" in found:
        return look_up(found, ("interval",))
    return look_up(found.get("intervals"), column)


def look_up(content: Any, path: Place) -> Any:
    """Value at a path; None where the path leads nowhere."""
    for key in path:
        if isinstance(content, Mapping):
            content = content.get(key)
        elif isinstance(content, Sequence) and isinstance(key, int):
            content = content[key]
        else:
            return None
    return content


def pointer(path: Place) -> str:
    """JSON pointer of a path (RFC 6901).

    >>> pointer(("slices", "device_model", "A/B"))
    '/slices/device_model/A~1B'
    """
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


def number(value: float | None, form: str = ".4g") -> str:
    """Text of a number, whole numbers in full; a dash where undefined."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else format(value, form)


def _data(figure: Figure) -> str:
    """SVG of a figure as a data address; the same figure gives the same text."""
    drawn = io.StringIO()
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "aftercast"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", MISSING_GLYPH)
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue().encode()).decode()
