"""``reconciliation report``: the page as a file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from shared.runtime.cli import JsonFlag, command_line, emit

if TYPE_CHECKING:
    from services.reconciliation.adapters.report_figures import ReportFigures
    from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork

_DAY: Final = ["%Y-%m-%d"]
Day = Annotated[datetime | None, typer.Option(formats=_DAY, help="A day in UTC, as 2026-11-30.")]


def add_report(cli: typer.Typer) -> None:
    """Add the command."""

    @cli.command()
    def report(
        out: Annotated[Path, typer.Option("--out", dir_okay=False, help="The file to write.")],
        first_day: Day = None,
        last_day: Day = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Write the report page of some days, by default of today alone: one HTML file that needs nothing else."""
        from services.reconciliation.adapters.report_figures import report_figures
        from services.reconciliation.adapters.report_page import report_page

        def work(uow: ReconciliationUnitOfWork) -> ReportFigures:
            last = last_day.date() if last_day else uow.now.date()
            first = first_day.date() if first_day else last
            return report_figures(uow.connection, uow.now, first, last)

        figures = command_line(cli).run(work, "report")
        page = report_page(figures).encode()
        out.write_bytes(page)
        emit({"report": str(out.resolve()), "bytes": len(page)}, as_json=as_json)
