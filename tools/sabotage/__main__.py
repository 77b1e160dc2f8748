"""`python -m tools.sabotage`: takes each protection out in turn and shows the test that notices."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.testing.infra import KAFKA_VARIABLE, POSTGRES_VARIABLE
from tools.sabotage.case import Case
from tools.sabotage.cases import CASES
from tools.sabotage.page import render
from tools.sabotage.run import CannotJudge, CaseResult, check_untouched, take_out_each
from tools.sabotage.scratch import REPOSITORY, scratch_copy

PAGE = REPOSITORY / "docs" / "sabotage.md"
console = Console(stderr=True, highlight=False)


def main(
    only: Annotated[list[str] | None, typer.Option(help="Run this case only; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
    at_once: Annotated[int, typer.Option(min=1, help="How many cases to try at the same time.")] = 2,
    write: Annotated[bool, typer.Option("--write", help="Write docs/sabotage.md from this run.")] = False,
) -> None:
    """Take each protection out of a scratch copy, one at a time; fail unless its named tests go red."""
    cases = _chosen(only or [])
    if write and only:
        raise typer.BadParameter("the page shows a whole run; leave out --only")
    if missing := {POSTGRES_VARIABLE, KAFKA_VARIABLE} - os.environ.keys():
        raise typer.BadParameter(f"{' and '.join(sorted(missing))} not set; run: make sabotage")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the copies are removed
    with scratch_copy() as scratch:
        console.print(f"[bold]Running the tests of {len(cases)} cases on the untouched copy[/bold]")
        try:
            tests = check_untouched(scratch, cases)
        except CannotJudge as reason:
            console.print(f"[red]{escape(str(reason))}[/red]")
            raise typer.Exit(1) from None
        console.print(f"  [green]·[/green] {tests} tests are green")
        console.print("[bold]Taking protections out[/bold]")
        results = take_out_each(scratch, cases, _tell, at_once=at_once)
    noticed = all(not result.problem for result in results)
    print(json.dumps(_document(results), indent=2)) if as_json else _print_table(results)
    if write and noticed:
        PAGE.write_text(render(results, day=datetime.now(UTC).date()))
        console.print(f"  [green]·[/green] wrote {PAGE.relative_to(REPOSITORY)}")
    raise typer.Exit(0 if noticed else 1)


def _chosen(names: Sequence[str]) -> Sequence[Case]:
    known = {case.name: case for case in CASES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise typer.BadParameter(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or CASES


def _tell(result: CaseResult) -> None:
    mark = f"[red]{escape(result.problem)}[/red]" if result.problem else "[green]noticed[/green]"
    console.print(f"  · {result.case.name} {mark} ({result.duration_s:.1f} s)")


def _print_table(results: Sequence[CaseResult]) -> None:
    table = Table("protection", "what was changed", "test that noticed", "how it failed", show_lines=True)
    for result in results:
        tests = "\n".join(seen.test.partition("::")[2] for seen in result.noticed)
        failures = "\n".join(seen.failure for seen in result.noticed)
        table.add_row(result.case.name, result.case.change, tests or "nobody", failures or result.problem)
    wide = None if sys.stdout.isatty() else 200
    Console(highlight=False, markup=False, width=wide).print(table)
    caught = sum(not result.problem for result in results)
    print(f"{caught} of {len(results)} protections were noticed")


def _document(results: Sequence[CaseResult]) -> dict[str, object]:
    return {
        "all_noticed": all(not result.problem for result in results),
        "cases": [
            {
                "name": result.case.name,
                "protection": result.case.protection,
                "change": result.case.change,
                "files": sorted({patch.file for patch in result.case.patches}),
                "noticed": [{"test": seen.test, "failure": seen.failure} for seen in result.noticed],
                "problem": result.problem,
                "duration_s": round(result.duration_s, 1),
            }
            for result in results
        ],
    }


if __name__ == "__main__":
    typer.run(main)
