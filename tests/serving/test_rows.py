"""Answers that are kept: the same bytes again, within a bound."""

from __future__ import annotations

from aftercast.serving.response_cache import Fragment, Fragments


def _answer(number: int) -> Fragment:
    return Fragment(b"%050d" % number, b"%050d" % -number, answered=number % 2 == 0)


def test_what_is_kept_comes_back_as_it_was() -> None:
    kept = Fragments()
    for number in range(4):
        kept.put((f"D{number}", "7d", 3), _answer(number))
    assert [kept.get((f"D{number}", "7d", 3)) for number in range(4)] == [_answer(number) for number in range(4)]
    assert kept.get(("D1", "7d", 2)) is None


def test_the_oldest_make_room() -> None:
    kept = Fragments(kept_bytes=1_000)
    for number in range(100):
        kept.put((f"D{number}", "7d", 3), _answer(number))
    found = [number for number in range(100) if kept.get((f"D{number}", "7d", 3)) is not None]
    assert found == list(range(90, 100))
