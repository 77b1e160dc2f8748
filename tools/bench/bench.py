"""One benchmark run: the bases, then everything that is held against them, as a table, JSON and a page."""

import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tools.bench import baseline, books, bulk, growth, latency, matching, payments, projection, readers
from tools.bench.figures import HEADINGS, Figure, cells
from tools.bench.site import Progress, Site, benchmark_site
from tools.local_stack.layout import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "benchmarks.md"
RAN: Final = {
    "base": "PostgreSQL with pgbench (8 clients, prepared); Kafka with one client of its own; FastAPI alone",
    "ledger and relay": "PostgreSQL, Kafka, `ledger consume` with 2 group members; then `ledger relay` in its place",
    bulk.SECTION: "PostgreSQL, `ledger import` as one process: batches of 2,000, the file checked before",
    "commit to effect at 200/s": "PostgreSQL, Kafka, one writer, one relay, one consumer, each a process",
    payments.CREATE: "PostgreSQL, `payment serve`, the load generator; Kafka idle",
    readers.SECTION: readers.RAN,
    matching.SECTION: matching.RAN,
    projection.SECTION: projection.RAN,
    payments.JOURNEY: "PostgreSQL, Kafka, load generator; sandbox, ledger, risk, webhook_ingest, processor, payment",
    growth.SECTION: "PostgreSQL, Kafka, `ledger consume` with 2 group members; then `ledger serve`, one client",
}
ALONE: Final = {
    readers.SECTION: readers.measure,
    matching.SECTION: matching.measure,
    projection.SECTION: projection.measure,
}
"""Sections that need no base of another section: ``--only`` runs one of them, on a stack of its own if it needs one."""
_BASES: Final = ("pgbench, journal in 7 statements", "pgbench, payment in 5 statements")
_GROWTH_HEAD: Final = "## Growth\n"
_PAGE_HEAD: Final = """# Benchmarks

Written by `tieout bench --write`; do not edit by hand. What the figures say, and what is missing to the aims, is in
[benchmark notes](benchmark-notes.md). A ratio is the median over the base named beside it, measured in the same run.
`reached` says which of the two bounds holds: for the ratio where there is one, else for the median.
"""


def run_bench(
    progress: Progress, *, quick: bool, only: str | None = None, growth_to: int | None = None
) -> dict[str, Any]:
    """Run everything, one section alone, or growth to so many entries; the figures and what they were measured on."""
    started = time.monotonic()
    if only is not None:
        figures, machine = ALONE[only](progress, quick=quick), _machine("not used")
    else:
        with benchmark_site(progress, quick=quick) as site:
            figures = _measure(site) if growth_to is None else growth.measure(site, growth_to)
            machine = _machine(_postgresql(site))
        if growth_to is None:
            for section in ALONE.values():
                figures += section(progress, quick=quick)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "seconds": round(time.monotonic() - started),
        "machine": machine,
        "figures": figures,
    }


def _measure(site: Site) -> list[Figure]:
    figures = baseline.measure(site)
    books_base, payment_base = (
        next(figure for figure in figures if figure.name == name).as_base() for name in _BASES
    )
    figures += books.measure(site, books_base)
    figures += bulk.measure(site, books_base)
    figures += latency.measure(site)
    figures += payments.measure_create(site, payment_base)
    return figures + payments.measure_journey(site)


def _postgresql(site: Site) -> str:
    with site.admin() as admin:
        row = admin.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else ""


def _machine(postgresql: str) -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": postgresql,
        "fsync": "on",
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def as_json(result: dict[str, Any]) -> dict[str, Any]:
    return {**result, "ran": RAN, "figures": [figure.as_json() for figure in result["figures"]]}


def show(result: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    for section, figures in _sections(result["figures"]):
        table = Table(
            *HEADINGS, title=f"{section}\n[dim]{RAN[section]}[/dim]", title_justify="left", box=None
        )
        for figure in figures:
            table.add_row(*cells(figure))
        console.print(table)
    console.print(_facts(result))


def write_page(result: dict[str, Any], page: Path = PAGE) -> None:
    """Write the same as a page. Growth is a run of its own: it leaves the other sections alone, and they leave it."""
    known = page.read_text() if page.exists() else ""
    rest, mark, grown = known.partition(_GROWTH_HEAD)
    if result["figures"][0].section == growth.SECTION:
        grown, mark = f"\n{_facts(result)}\n\n{_tables(result)}", _GROWTH_HEAD
        rest = rest or _PAGE_HEAD + "\n"
    else:
        rest = "\n".join([_PAGE_HEAD, _facts(result) + "\n", _tables(result), ""])
    page.write_text((rest + mark + grown).rstrip("\n") + "\n")


def _tables(result: dict[str, Any]) -> str:
    parts = []
    for section, figures in _sections(result["figures"]):
        if section != growth.SECTION:
            parts.append(f"## {section[0].upper()}{section[1:]}\n")
        parts.append(f"Running: {RAN[section]}.\n")
        rows = [HEADINGS, ("---",) * len(HEADINGS), *(cells(figure) for figure in figures)]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n")
    return "\n".join(parts)


def _sections(figures: Sequence[Figure]) -> list[tuple[str, list[Figure]]]:
    return [(section, list(found)) for section, found in groupby(figures, key=lambda figure: figure.section)]


def _facts(result: dict[str, Any]) -> str:
    machine = result["machine"]
    kind = "A quick run" if result["quick"] else "A full run"
    return (
        f"{kind} of {result['seconds']} s at {result['at']}: {machine['cpus']} CPUs, {machine['system']}, "
        f"Python {machine['python']}, PostgreSQL {machine['postgresql']}, fsync {machine['fsync']}, everything on one "
        f"machine; load averages at the end {', '.join(map(str, machine['load']))}."
    )
