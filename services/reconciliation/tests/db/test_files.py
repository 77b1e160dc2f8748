"""Files on a real database: kept byte for byte, once, streamed both ways, staged or refused for good."""

from __future__ import annotations

import dataclasses
import hashlib

import psycopg
import pytest

from services.reconciliation.adapters.files import list_files
from services.reconciliation.domain.files import CHUNK_BYTES, FileState
from services.reconciliation.tests.reports import ALPHA, declare, payout, receive, report, take_in
from services.reconciliation.tests.writers import tieout_row
from shared.kernel.errors import Rejected

pytestmark = pytest.mark.db
ONE = report(payout("po_1", (1, {}), (2, {"minor": 500, "fee_minor": 20})))


def test_a_file_is_kept_byte_for_byte_in_chunks(desk):
    declare(desk)
    content = bytes(range(256)) * 4096 + b"end"
    file = receive(desk, content).file
    kept = desk.run(lambda uow: uow.files.content(file.file_id).read())
    assert kept == content
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    chunks = desk.rows("SELECT length(content) FROM report_file_chunks ORDER BY chunk_number")
    assert [size for (size,) in chunks] == [CHUNK_BYTES] * 4 + [3]


def test_the_same_bytes_again_are_the_same_file(desk):
    declare(desk)
    first = receive(desk, ONE)
    again = receive(desk, ONE, name="another name.csv")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.file == first.file
    assert desk.rows("SELECT count(*) FROM report_file_chunks") == [(1,)]
    told = desk.rows(
        "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'action' FROM outbox WHERE key LIKE 'file:%'"
    )
    assert told == [("file_received",)]


def test_a_file_of_nobody_is_refused_and_not_kept(desk):
    with pytest.raises(Rejected) as refused:
        receive(desk, ONE)
    assert refused.value.code == "source_not_found"
    assert desk.rows("SELECT count(*) FROM report_files") == [(0,)]


def test_a_file_is_staged_with_its_lines_period_and_totals(desk):
    declare(desk)
    file = take_in(desk, ONE)
    assert (file.state, file.line_count, file.quarantined_count) == (FileState.STAGED, 3, 0)
    assert file.period_from.isoformat() == "2026-11-24T10:00:00+00:00"
    assert desk.rows("SELECT line_number, line_id, net_minor FROM report_lines ORDER BY 1") == [
        (2, "txn_1", 9_830), (3, "txn_2", 480), (4, "txn_po_1_total", -10_310),
    ]  # fmt: skip
    assert desk.rows("SELECT bool_and(stated_minor = counted_minor) FROM control_totals") == [(True,)]
    assert desk.rows("SELECT payout_id, stated_net_minor, whole FROM stated_payouts") == [
        ("po_1", 10_310, True)
    ]


def test_bad_lines_go_to_quarantine_and_the_rest_goes_on(desk):
    declare(desk)
    file = take_in(desk, report(tieout_row(1), tieout_row(2, gross="12.345"), tieout_row(3)))
    assert (file.state, file.line_count, file.quarantined_count) == (FileState.STAGED, 2, 1)
    ((number, field),) = desk.rows("SELECT line_number, field FROM quarantined_lines")
    assert (number, field) == (3, "gross")
    assert desk.rows("SELECT line_id FROM settlement_lines ORDER BY 1") == [("txn_1",), ("txn_3",)]


def test_an_unreadable_file_is_refused_whole_and_says_why(desk):
    declare(desk)
    cut = report(*[tieout_row(number) for number in range(6_000)])[:-20]
    file = take_in(desk, cut)
    assert file.state is FileState.REFUSED
    assert all((file.refusal.code, file.refusal.field, file.refusal.expected))
    assert desk.rows("SELECT count(*) FROM report_lines") == [(0,)]
    assert desk.rows("SELECT count(*) FROM settlement_lines") == [(0,)]
    assert take_in(desk, ONE).state is FileState.STAGED


def test_a_refused_file_is_read_again_once_its_source_is_declared_right(desk):
    declare(desk)
    content = report(payout("po_1", (1, {}))).replace(b",", b";")
    assert take_in(desk, content).state is FileState.REFUSED
    assert take_in(desk, content).state is FileState.REFUSED
    declare(desk, dataclasses.replace(ALPHA, options={"delimiter": ";"}))
    assert take_in(desk, content).state is FileState.STAGED
    assert desk.rows("SELECT count(*) FROM report_files") == [(1,)]


def test_what_was_said_and_decided_cannot_be_changed_in_sql(desk, app_sql):
    declare(desk)
    take_in(desk, ONE)
    for statement in (
        "UPDATE report_lines SET net_minor = 0",
        "DELETE FROM report_file_chunks",
        "DELETE FROM report_files",
        "UPDATE report_files SET sha256 = '\\x00'",
        "UPDATE stated_payouts SET whole = false",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app_sql.execute(statement)
        app_sql.rollback()
    with pytest.raises(psycopg.errors.CheckViolation):
        app_sql.execute("UPDATE report_files SET state = 'RECEIVED', closed_at = NULL")


def test_files_are_listed_newest_first_and_by_state(desk):
    declare(desk)
    first, second = receive(desk, ONE).file, receive(desk, b"nothing that a reader knows\n").file
    listed = desk.run(lambda uow: list_files(uow.connection, source=None, state=None, limit=10))
    assert [file.file_id for file in listed] == [second.file_id, first.file_id]
    take_in(desk, ONE)
    states = desk.run(lambda uow: list_files(uow.connection, source="alpha", state="REFUSED", limit=10))
    assert [file.file_id for file in states] == [second.file_id]
