"""The page of a run: docs/sabotage.md, written by ``--write`` and never by hand."""

from collections.abc import Sequence
from datetime import date

from tools.sabotage.run import CaseResult

_HEAD = """# What happens when a protection is taken out

Written as a whole by `make sabotage ARGS=--write` on {day}; rows of cases added or changed since then come from runs of
those alone. `make sabotage` does the same run without writing, `make sabotage ARGS="--only inbox-check"` one case.

Each row is one run on real PostgreSQL and Kafka: a scratch copy of the tree loses exactly one protection, by an exact
text patch of `tools/sabotage/cases`, and every test named in the row must then fail in its own body; a fixture that
breaks or a tree that cannot be imported does not count. The row's tests were green on the untouched copy just before.
{count} of {count} protections were noticed.

| protection | taken out by | noticed by | how it failed |
|---|---|---|---|
"""


def render(results: Sequence[CaseResult], *, day: date) -> str:
    """Return the page of a run in which everything was noticed."""
    rows = [_row(result) for result in results]
    return _HEAD.format(day=day.isoformat(), count=len(results)) + "\n".join(rows) + "\n"


def _row(result: CaseResult) -> str:
    case = result.case
    tests = "<br>".join(_link(seen.test) for seen in result.noticed)
    failures = "<br>".join(f"`{_cell(seen.failure)}`" for seen in result.noticed)
    return f"| **{case.name}**: {_cell(case.protection)} | {_cell(case.change)} | {tests} | {failures} |"


def _link(test: str) -> str:
    file, _, rest = test.partition("::")
    name = rest.rpartition("::")[2].partition("[")[0]
    return f"[{name}](../{file})"


def _cell(text: str) -> str:
    return text.replace("`", "'").replace("|", "\\|").replace("\n", " ")
