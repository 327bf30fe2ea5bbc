"""What the linter found: one sentence with figures for each feature and check, and what was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

Severity = Literal["stop", "warning"]


@dataclass(frozen=True)
class Finding:
    """One feature that leaks, or may.

    Attributes
    ----------
    check
        Name of the check, as ``truncated_replay``.
    severity
        "stop" where no honest feature could look like this, "warning" where a person should look.
    reason
        One sentence with figures.
    figures
        The figures of the sentence by name.
    example
        One row that shows it: id, cutoff and values; empty where no single row does.
    """

    check: str
    feature: str
    severity: Severity
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)
    example: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LeakageReport:
    """Findings in the order of severity, feature and check.

    Attributes
    ----------
    checked
        Check -> what it looked at, in words; a check that could not judge says why.
    features
        Names of the features judged; those without any value in the sample are not.
    """

    findings: tuple[Finding, ...]
    checked: Mapping[str, str]
    features: tuple[str, ...]

    @staticmethod
    def of(findings: Iterable[Finding], checked: Mapping[str, str], features: Iterable[str]) -> LeakageReport:
        """Report of findings in any order."""
        ordered = sorted(findings, key=lambda found: (found.severity, found.feature, found.check))
        return LeakageReport(tuple(ordered), dict(checked), tuple(features))

    @property
    def stops(self) -> tuple[Finding, ...]:
        """Findings that stop a promotion."""
        return tuple(found for found in self.findings if found.severity == "stop")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings a person should look at."""
        return tuple(found for found in self.findings if found.severity == "warning")

    @property
    def stopped(self) -> bool:
        """Whether any finding stops."""
        return len(self.stops) > 0

    @property
    def verdict(self) -> str:
        """One sentence: what stops, naming the first feature and why, else that nothing does."""
        if not self.stopped:
            return f"No leak found in {len(self.features)} features; {len(self.warnings)} warnings."
        first = self.stops[0]
        more = len({found.feature for found in self.stops}) - 1
        also = f" {more} more features leak." if more > 0 else ""
        return f"Feature '{first.feature}' leaks ({first.check}): {first.reason}{also}"

    def with_report(self, other: LeakageReport) -> LeakageReport:
        """Return both reports as one."""
        names = dict.fromkeys((*self.features, *other.features))
        return LeakageReport.of((*self.findings, *other.findings), {**self.checked, **other.checked}, names)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "stopped": self.stopped,
            "verdict": self.verdict,
            "features": list(self.features),
            "checked": dict(self.checked),
            "findings": [asdict(found) for found in self.findings],
        }

    def table(self) -> Table:
        """Return the findings as a table for people."""
        table = Table(title=None)
        for name in ("severity", "feature", "check", "why"):
            table.add_column(name, overflow="fold")
        for found in self.findings:
            table.add_row(found.severity, Text(found.feature), found.check, Text(found.reason))
        return table
