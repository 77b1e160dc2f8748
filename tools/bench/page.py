"""What a benchmark run found: tables for a terminal, and docs/benchmarks.md, where each section writes its own part."""

import re
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tools.bench.bench import Measured, Run
from tools.bench.figures import HEADINGS, cells
from tools.bench.sections import SECTIONS
from tools.local_stack.layout import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "benchmarks.md"
_HEAD: Final = """# Benchmarks

Written by `tieout bench --write`, each section for itself; do not edit by hand. What the figures say, and what is
missing to the aims, is in [benchmark notes](benchmark-notes.md). A ratio is the median over that of the base beside it,
shown in brackets: both are of the same run, and sections may be of different ones. `reached` says which of the two
bounds holds: for the ratio where there is one, else for the median.
"""
_HEADING: Final = re.compile(r"^## (.*)$", re.MULTILINE)


def show(run: Run, console: Console) -> None:
    """Print the tables, and what could not be measured."""
    for part in run.parts:
        title = f"{part.section.title}\n[dim]{part.section.ran}[/dim]"
        table = Table(*HEADINGS, title=title, title_justify="left", box=None)
        for figure in part.figures:
            table.add_row(*cells(figure))
        console.print(table)
        console.print(f"[dim]{_facts(part)}[/dim]\n")
    for word, why in run.failed.items():
        console.print(f"not measured: {word}: {why}")


def write(part: Measured, page: Path = PAGE) -> None:
    """Write one section, in the order of a run, and leave the others as they are."""
    _, *found = _HEADING.split(page.read_text() if page.exists() else "")
    known = dict(zip(found[::2], found[1::2], strict=True))
    known[_heading(part.section.title)] = (
        f"\n\n{_facts(part)}\n\nRunning: {part.section.ran}.\n\n{_table(part)}"
    )
    ordered = [_heading(section.title) for section in SECTIONS if _heading(section.title) in known]
    sections = [f"## {heading}\n\n{known[heading].strip()}\n" for heading in ordered]
    page.write_text("\n".join([_HEAD, *sections]))


def _heading(title: str) -> str:
    return title[0].upper() + title[1:]


def _table(part: Measured) -> str:
    rows = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, part.figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _facts(part: Measured) -> str:
    machine, kind = part.machine, "A quick run" if part.quick else "A run"
    return (
        f"{kind} of {part.seconds} s at {part.at.isoformat(timespec='seconds')}: {machine['cpus']} CPUs, "
        f"{machine['system']}, Python {machine['python']}, PostgreSQL {machine['postgresql']}, "
        f"fsync {machine['fsync']}, on one machine; load averages at its end {', '.join(map(str, machine['load']))}."
    )
