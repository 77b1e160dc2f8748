"""``reconciliation read``: what a file says, without a database and without taking it in, for people in a terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from shared.runtime.cli import JsonFlag, emit

SHOWN_MAX: Final = 20
"""So many lines in quarantine are shown; all are counted."""
_STATUS: Final = Path("/proc/self/status")


def add_reading(cli: typer.Typer) -> None:
    """Add the command."""

    @cli.command()
    def read(
        file_format: Annotated[str, typer.Argument(metavar="FORMAT", help="The format that it should have.")],
        file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The report or statement.")],
        option: Annotated[
            list[str] | None, typer.Option(help="name=value, once per option that its source would declare.")
        ] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Try a file: count its lines, check its totals, show what cannot be read. Exit 1: not all of it holds."""
        from services.reconciliation.adapters.readers import READERS

        if file_format not in READERS:
            raise typer.BadParameter(f"one of {', '.join(sorted(READERS))}", param_hint="FORMAT")
        options = dict(_pair(each) for each in option or ())
        for name in sorted(options.keys() - READERS[file_format].options.keys()):
            known = ", ".join(sorted(READERS[file_format].options)) or "none"
            raise typer.BadParameter(f"{name}: one of {known}", param_hint="--option")
        found = _read(READERS[file_format], file, options)
        emit(found, as_json=as_json)
        raise typer.Exit(0 if found["holds"] else 1)


def _read(reader: Any, file: Path, options: dict[str, str]) -> dict[str, Any]:
    from services.reconciliation.domain.lines import (
        BankLine,
        ControlTotal,
        QuarantinedLine,
        SettlementLine,
        UnreadableFileError,
    )
    from services.reconciliation.domain.readers import ReadingContext

    context = ReadingContext(
        source="try",
        time_zone=options.get("time_zone"),
        decimal_separator=options.get("decimal_separator"),
        options=options,
    )
    lines, totals, bad_count, refused = 0, 0, 0, None
    unequal: list[str] = []
    bad: list[str] = []
    started, started_cpu = time.perf_counter(), time.process_time()
    with file.open("rb") as content:
        try:
            for record in reader.read(content, context):
                if isinstance(record, QuarantinedLine):
                    bad_count += 1
                    if len(bad) < SHOWN_MAX:
                        bad.append(
                            f"line {record.line_number}: {record.code}: {record.field}: {record.expected}"
                        )
                elif isinstance(record, ControlTotal):
                    totals += 1
                    if record.stated_minor != record.counted_minor:
                        unequal.append(
                            f"{record.subject}: {record.name}: {record.stated_minor}, {record.counted_minor}"
                        )
                elif isinstance(record, BankLine | SettlementLine):
                    lines += 1
        except UnreadableFileError as unreadable:
            refused = str(unreadable)
    return {
        "format": reader.name,
        "holds": refused is None and not bad_count and not unequal,
        "refused": refused,
        "line_count": lines,
        "quarantined_count": bad_count,
        "quarantined": bad,
        "control_total_count": totals,
        "control_totals_unequal": unequal[:SHOWN_MAX],
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_s": round(time.process_time() - started_cpu, 3),
        "peak_memory_kib": _peak_kib(),
    }


def _pair(option: str) -> tuple[str, str]:
    name, separator, value = option.partition("=")
    if not name or not separator:
        raise typer.BadParameter("name=value", param_hint="--option")
    return name, value


def _peak_kib() -> int | None:
    """The most that this process held at once, where the system tells."""
    if not _STATUS.exists():
        return None
    peaks = [line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) if peaks else None
