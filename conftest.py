"""Rules for every test: which need real data, and when a skip is a failure."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from aftercast.operations.environment import demand_services, quiet_libraries, real_data_folder

quiet_libraries()
# How long an example takes says nothing here. `make test-slow` loads the second profile.
hypothesis.settings.register_profile("gate", deadline=None, max_examples=40)
hypothesis.settings.register_profile("slow", deadline=None, max_examples=400)
hypothesis.settings.load_profile("gate")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the public data sets; the test is skipped by name where there is none."""
    folder = real_data_folder()
    if folder is None or not folder.is_dir():
        pytest.skip("AFTERCAST_REAL_DATA names no folder of public data sets")
    return folder.resolve()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where services and data are demanded, a skip is a failure."""
    report = yield
    if report.skipped and demand_services() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where services and data are demanded: {report.longrepr}"
    return report
