"""Names of metrics and parameters: MLflow takes each, and no two become one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric, _validate_param

from aftercast.models.registry.logged_names import logged_names

ODD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=260) | st.sampled_from(
    ["Motor (left)", "A+B", "A&B", "A_B", "a_b", "//", "..", ".", "/a", "O-Ring & seal", "a\u00adb", "a\u00a0b", "{}"]
)


@given(st.lists(ODD, min_size=1, max_size=8))
def test_mlflow_takes_every_name_and_no_two_names_share_a_key(components: list[str]) -> None:
    names = {f"model.{name}.n" for name in components} | {f"failures.{name}" for name in components} | set(components)
    logged = logged_names(names)
    assert logged.keys() == names
    assert len({name.casefold() for name in logged.values()}) >= len({name.casefold() for name in names})
    assert len(set(logged.values())) == len(names)
    for name in logged.values():
        _validate_metric(name, 1.0, 0, 0)
        _validate_param(name, "1")


def test_a_plain_name_stays_and_another_that_would_take_it_gets_a_digest() -> None:
    logged = logged_names(["A_B", "A+B", "A&B"])
    assert logged["A_B"] == "A_B"
    assert logged["A+B"].startswith("A_B_")
    assert len(set(logged.values())) == 3
