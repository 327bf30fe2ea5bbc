"""The page of a backtest: whole in itself, each number that of the report, every script rendered."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from aftercast.data.fleet import Component, FleetSpec
from aftercast.features.examples import Examples
from aftercast.features.labels import Labels
from aftercast.models.fit.training import train_model
from aftercast.models.hazard import HazardSettings
from aftercast.models.judge.assessment import assess
from aftercast.models.judge.comparison import compare
from aftercast.models.judge.forecasts import Forecasts, read_forecasts
from aftercast.models.judge.html_report import look_up, number, page
from aftercast.models.judge.report import BacktestReport
from aftercast.models.metrics.evaluation import Truth
from aftercast.models.metrics.rows import Draw
from aftercast.models.metrics.table import METRICS, RowMetric, table_of
from aftercast.operations.clocks import DAY_US, NEVER, parse_time

MODELS = ("相机-甲 <b>", "A/B~C")
VOID = {"meta", "img", "br"}
LINKS = ("href", "src", "action", "srcset", "data", "xlink:href")
DEVICES, DAYS = 60, 12


class Page(HTMLParser):
    """What a page holds; raises where a tag is closed that was not opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.cells: dict[str, list[str]] = {}
        self.cell = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cell = dict(attrs)["data-value"] or ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "td":
            self.cell = ""

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.cell:
            self.cells.setdefault(self.cell, []).append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def report_of(draws: int, *, events: bool = True, **changed: Any) -> BacktestReport:
    """Report on devices of two models, whose pump and fan fail or, without events, never do."""
    random = np.random.default_rng(1)
    n = DEVICES * DAYS
    risk = random.beta(1, 12, size=(n, 2))
    time = np.where(events & (random.random((n, 2)) < risk), DAY_US // 2, NEVER)
    ids = np.repeat([f"d{number:03d}" for number in range(DEVICES)], DAYS)
    cutoff = np.tile(np.arange(DAYS, dtype=np.int64) * DAY_US, DEVICES)
    labels = Labels(time, np.full((n, 2), 99 * DAY_US), ("pump", "fan"), np.ones(n, dtype=bool))
    truth = Truth(Examples(ids, cutoff, "device_id"), labels, DAY_US, DAY_US)
    values = np.column_stack([risk, 1 - np.prod(1 - risk, axis=1)])
    flat, at = np.full(values.shape, 0.05), np.full(values.shape, 0.15)
    forecasts = Forecasts("failure", truth, {"aftercast": (values, at), "base_rate": (flat, np.full(at.shape, np.nan))})
    features = pd.DataFrame({"device_model": np.array(MODELS)[random.integers(0, 2, n)], "device_age_days": 500.0})
    start = parse_time("2025-03-01")
    known: dict[str, Any] = {
        "kind": "failure",
        "horizon": "1d",
        "train_until": start,
        "test_from": start,
        "test_until": start,
        "every": "24h",
        "retrain": "once",
        "data_version": 1,
        "feature_dictionary_hash": "0",
        "n_devices": DEVICES,
        "seconds": 1.0,
        "folds": [{"train_until": start.isoformat()}],
        "draws": draws,
    }
    found = assess(forecasts, FleetSpec(name="s"), features, draws=draws)
    return BacktestReport(**known | changed, **found, forecasts=forecasts)


@pytest.fixture(scope="module")
def report() -> BacktestReport:
    return report_of(30, hold_out="devices:0.2: 12 of 60 drawn by their ids", act_within="6h")


@pytest.fixture(scope="module")
def read(report: BacktestReport) -> Page:
    return Page(page(json.loads(json.dumps(report.to_dict(), allow_nan=False))))


def at(content: Any, pointer: str) -> Any:
    """Value a JSON pointer names (RFC 6901)."""
    for key in pointer.split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        content = content[int(name)] if isinstance(content, list) else content[name]
    return content


def test_the_page_holds_tables_and_plots_and_reaches_for_nothing(read: Page) -> None:
    assert read.count("table") >= 10
    assert read.count("img") == 5
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in read.tags}
    addresses = [value or "" for _, given in read.tags for name, value in given.items() if name in LINKS]
    assert len(addresses) == 5
    assert all(address.startswith("data:image/svg+xml;base64,") for address in addresses)


def test_the_style_reaches_for_nothing_either(report: BacktestReport) -> None:
    text = page(report.to_dict())
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in text


def test_each_plot_is_a_picture_with_lines_and_without_addresses(read: Page) -> None:
    for tag, given in read.tags:
        if tag == "img":
            drawn = base64.b64decode((given["src"] or "").partition(",")[2])
            tree = ET.fromstring(drawn)
            assert len(list(tree.iter("{http://www.w3.org/2000/svg}path"))) > 5
            assert given["alt"]
            links = [value for node in tree.iter() for name, value in node.attrib.items() if name.endswith("href")]
            assert all(link.startswith("#") for link in links)


def test_every_number_is_that_of_the_report(read: Page, report: BacktestReport) -> None:
    content = json.loads(json.dumps(report.to_dict()))
    assert len(read.cells) > 150
    for pointer, texts in read.cells.items():
        assert texts[0] == number(at(content, pointer)), pointer


def test_every_interval_is_that_of_the_report(read: Page, report: BacktestReport) -> None:
    shown = 0
    for pointer, texts in read.cells.items():
        parts = pointer.split("/")
        metric = report.results.get(parts[2], {}).get(parts[3]) if parts[1] == "results" else None
        ends = None if metric is None else look_up(metric["intervals"], tuple(parts[4:]))
        if ends is not None:
            assert texts[1:] == [f"[{number(ends[0])}, {number(ends[1])}]"], pointer
            shown += 1
    assert shown > 40


def test_it_fits_a_narrow_screen(read: Page, report: BacktestReport) -> None:
    assert ("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}) in read.tags
    assert page(report.to_dict()).count('<div class="scroll"><table>') == read.count("table")


def test_names_in_chinese_and_with_marks_are_shown_as_they_are(read: Page) -> None:
    assert ("meta", {"charset": "utf-8"}) in read.tags
    for name in MODELS:
        assert name in read.texts
    assert "b" not in {tag for tag, _ in read.tags}


def test_one_sentence_says_what_was_tested(read: Page) -> None:
    assert (
        "Failure within 1d was forecast for 60 devices every 24h from 2025-03-01T00:00 to 2025-03-01T00:00 UTC by a "
        "model trained until 2025-03-01T00:00, beside base_rate; no training saw the tested devices (devices:0.2: 12 "
        "of 60 drawn by their ids); failures count as found only 6h before them; intervals from 30 draws of devices."
    ) in read.texts


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"retrain": "daily"}, "by 1 models, each trained until its cutoff"),
        (
            {"folds": [{"train_until": "2025-03-01T00:00:00"}, {"train_until": "2025-04-01T00:00:00"}]},
            "by 2 models trained until 2025-03-01T00:00, 2025-04-01T00:00, each tested until the next",
        ),
        ({"kind": "churn"}, "Churn within 1d was forecast for 60 customers"),
    ],
)
def test_the_sentence_says_how_models_were_trained(changed: dict[str, Any], words: str) -> None:
    assert words in page(report_of(0, **changed).to_dict())


def test_without_draws_there_are_no_intervals() -> None:
    assert Page(page(report_of(0).to_dict())).count("small") == 0


def test_without_failures_the_page_still_opens_with_fewer_plots_and_dashes() -> None:
    found = Page(page(report_of(10, events=False).to_dict()))
    assert 1 <= found.count("img") < 5
    assert found.cells["/results/aftercast/all/pr_auc"] == ["–"]


def test_the_same_report_gives_the_same_page(report: BacktestReport) -> None:
    assert page(report.to_dict()) == page(report.to_dict())


def test_the_report_writes_page_and_forecasts(tmp_path: Path, report: BacktestReport) -> None:
    report.write_html(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == page(report.to_dict())


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0, "0"), (0.0, "0"), (12345, "12,345"), (0.123456, "0.1235")]
)
def test_numbers_are_written_for_people(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_metric_added_to_the_table_is_everywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_world: Any
) -> None:
    """One entry: in report, page, terminal, comparison, and what a training logs."""

    def drawn(draw: Draw) -> float:
        return float(draw.weight @ (draw.rows.probability - draw.rows.event) / draw.weight.sum())

    def bias(event: Any, probability: Any) -> float:
        return float(probability.mean() - event.mean())

    monkeypatch.setitem(METRICS, "bias", RowMetric("bias", "forecast too high", "lower", compute=bias, drawn=drawn))
    made = report_of(20)
    own = made.results["aftercast"]["pump"]
    assert own["intervals"]["bias"][0] < own["bias"] < own["intervals"]["bias"][1]
    assert {"bias"} <= made.pooled["aftercast"].keys() & made.slices["age"]["1 to 2 years"].keys()
    shown = Page(page(made.to_dict())).cells["/results/aftercast/all/bias"][0]
    assert shown == number(made.results["aftercast"]["all"]["bias"])
    console = Console(width=400)
    with console.capture() as captured:
        console.print(*made.shown())
    assert "forecast too" in captured.get()
    made.write_forecasts(tmp_path / "f.parquet")
    sides = (read_forecasts(tmp_path / "f.parquet", name) for name in ("aftercast", "base_rate"))
    found = next(each for each in compare(*sides, draws=20).differences["all"] if each.metric == "bias")
    assert found.interval is not None
    assert "forecast too high" in table_of({"aftercast": own})[0]
    world = make_world(devices=30, days=40)
    trained = train_model(
        "failure",
        world.features,
        world.examples,
        world.labels,
        FleetSpec(name="w", components=(Component(name="pump"), Component(name="fan"))),
        horizons_us=(DAY_US,),
        until=pd.Timestamp(40 * DAY_US, unit="us", tz="UTC"),
        settings=HazardSettings(rounds=2, fallback_rounds=2, members=1, workers=1),
        baselines_on_all=False,
    )
    assert "bias" in trained.flat_metrics()["aftercast"]
