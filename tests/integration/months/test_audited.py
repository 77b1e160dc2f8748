"""The auditor's checks of reconciliation hold over a month with errors of every type, at its end and on the way there."""

from __future__ import annotations

import random
from contextlib import closing

import psycopg
import pytest

from tests.integration.months.whole import at_its_end, month_of, take_in_pieces
from tools.auditor.copying import queries_of
from tools.auditor.reconciliation import CHECKS
from tools.auditor.reconciliation_queries import STORED_BYTES, hashed
from tools.auditor.scratch import Scratch

pytestmark = pytest.mark.timeout(600)
BY_PEOPLE = "I26.decided_by_two"
"""What is agreed in a month stands there beforehand: nobody acted."""


def broken(url: str) -> dict[str, list[dict[str, object]]]:
    """What an audit of the service alone reports now."""
    with closing(Scratch()) as scratch, psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for table, query in queries_of("reconciliation"):
            scratch.fill(table, connection.execute(query.encode()).fetchall())
        scratch.fill("stored_files", hashed(connection.execute(STORED_BYTES)))
        scratch.finish()
        asked = [scratch.ask(check) for check in CHECKS if check.name != BY_PEOPLE]
    return {found.name: found.violations for found in asked if not found.holds}


def test_a_month_in_pieces_is_audited_on_its_way_and_at_its_end(service_database) -> None:
    urls = service_database("reconciliation")
    desk = at_its_end(urls.app)
    try:
        desk.matched = 0
        match = desk.match

        def audited(*kind):
            run = match(*kind)
            desk.matched += 1
            assert broken(urls.reader) == {}, f"after run {desk.matched}"
            return run

        desk.match = audited
        take_in_pieces(desk, month_of("audited"), random.Random("audited"))  # noqa: S311 - the same dice every time
        assert broken(urls.reader) == {}
        assert desk.matched
    finally:
        desk.close()
