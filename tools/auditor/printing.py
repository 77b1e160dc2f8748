"""The report for people: a table of verdicts, the rows that break an invariant, the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.auditor.model import Invariant, Report

ROWS_SHOWN_MAX = 20


def print_report(console: Console, report: Report) -> None:
    """The verdict last, where the eye ends."""
    table = Table("invariant", "what it says", "checked", "verdict")
    for invariant in report.invariants:
        verdict = "[green]holds" if invariant.holds else f"[bold red]BROKEN ({_count(invariant)})"
        table.add_row(invariant.name, invariant.explanation, f"{invariant.checked:,}", verdict)
    console.print(table)
    for name, figure in report.figures.items():
        shown = (
            ", ".join(f"{key} {value}" for key, value in figure.items())
            if isinstance(figure, dict)
            else figure
        )
        console.print(f"  {name}: {escape(str(shown)) or '-'}")
    for invariant in report.invariants:
        for row in invariant.violations[:ROWS_SHOWN_MAX]:
            told = ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)
            console.print(f"[red]{invariant.name}[/red] {escape(told)}")
    console.print("[bold green]The books tie out." if report.holds else "[bold red]The books do NOT tie out.")


def print_explanations(console: Console, told: Sequence[Mapping[str, str]]) -> None:
    """What each invariant says, without looking at anything."""
    table = Table("invariant", "asked", "what it says")
    for one in told:
        table.add_row(one["name"], one["asked"], one["explanation"])
    console.print(table)


def _count(invariant: Invariant) -> str:
    return f"{len(invariant.violations)}{'+' if invariant.more else ''}"
