"""The picture of the architecture is what the code says now."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from scripts.architecture.__main__ import PAGE, PICTURE, drawn
from scripts.architecture.calls import Code, Place, follow
from scripts.architecture.house import PURPOSE, SHOWN_KIND, in_data_order, read_house

COMMAND = "python -m scripts.architecture draws it again"


def test_the_committed_picture_and_lists_are_those_of_the_code() -> None:
    picture, page = drawn()
    assert PICTURE.read_text(encoding="utf-8") == picture, COMMAND
    assert PAGE.read_text(encoding="utf-8") == page, COMMAND


def test_the_picture_is_an_svg_that_names_every_package() -> None:
    texts = {element.text for element in ET.fromstring(PICTURE.read_text(encoding="utf-8")).iter()}
    assert {package.name for package in read_house().packages} <= texts
    assert set(PURPOSE) <= texts


def test_a_way_follows_calls_through_types_imports_and_arguments() -> None:
    code = Code(SHOWN_KIND)
    entered = {place.module for place in follow(code, [Place("aftercast.cli.commands.train", "train")])}
    assert {"aftercast.pipelines.train", "aftercast.data.store.history", "aftercast.features.labels"} <= entered
    assert "aftercast.serving.app" not in entered


def test_what_is_imported_comes_first() -> None:
    assert in_data_order(["a", "b", "c"], {("a", "b"): 2, ("b", "c"): 2, ("c", "a"): 1}) == ("c", "b", "a")
