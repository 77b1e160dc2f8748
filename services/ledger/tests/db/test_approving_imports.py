"""A file of journals is booked once two people want exactly its bytes, on a real PostgreSQL: in Python and in SQL."""

from __future__ import annotations

import hashlib
import threading

import psycopg
import pytest

from services.ledger.adapters.import_files import ImportFile
from services.ledger.adapters.importing import book_file
from services.ledger.tests.bringing import (
    APPROVE,
    BEGIN,
    CAROL,
    DAVE,
    PROPOSE,
    agreed,
    approve_in_sql,
    decide,
    propose,
    reject,
)
from services.ledger.tests.import_lines import entry, line, write
from shared.kernel.errors import Rejected


def book(ledger, path, *, who=CAROL):
    return book_file(ledger.transactions, ImportFile(path, 10), actor=who, reason="moving")


@pytest.fixture
def path(tmp_path):
    yen = [
        entry("fx", "debit", 9, currency="JPY", scale=0),
        entry("suspense", "credit", 9, currency="JPY", scale=0, key="k"),
    ]
    return write(tmp_path / "old.jsonl", [line(1), line(2), line(2), line(3, entries=yen)])  # fmt: skip


def test_what_was_checked_is_kept_with_its_digest_counts_and_totals(ledger, path):
    said = propose(ledger, path)
    assert (said.state, said.checked.totals, said.booked) == ("proposed", {"EUR": 2_000, "JPY": 9}, 0)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert ledger.rows(
        "SELECT import_id, encode(file_sha256, 'hex'), file_name, lines, journals, totals, state, proposed_by, reason"
        " FROM import_proposals"
    ) == [
        (said.import_id, digest, "old.jsonl", 4, 3, {"EUR": 2_000, "JPY": 9}, "PROPOSED", "carol", "moving")
    ]
    assert ledger.rows("SELECT count(*) FROM journals") == [(0,)]


def test_nothing_is_booked_before_somebody_else_approved_exactly_these_bytes(ledger, path, tmp_path):
    def refused(work):
        with pytest.raises(Rejected) as found:
            work()
        return found.value.code

    assert refused(lambda: book(ledger, path)) == "import_not_proposed"
    proposed = propose(ledger, path)
    assert refused(lambda: book(ledger, path)) == "import_not_approved"
    assert refused(lambda: decide(ledger, proposed.sha256, who=CAROL)) == "four_eyes"
    assert refused(lambda: book(ledger, path)) == "import_not_approved"
    approved = decide(ledger, proposed.sha256)
    assert (approved.state, approved.proposed_by, approved.decided_by) == ("APPROVED", "carol", "dave")
    other = write(tmp_path / "old.jsonl.changed", [line(1, amount=7)])
    assert refused(lambda: book(ledger, other)) == "import_not_proposed"
    assert ledger.rows("SELECT count(*) FROM journals") == [(0,)]
    done = book(ledger, path)
    assert (done.state, done.booked, done.import_id) == ("imported", 3, proposed.import_id)


def test_a_proposal_is_decided_once_and_a_rejected_file_may_be_proposed_anew(ledger, path):
    first = propose(ledger, path)
    assert propose(ledger, path, who=DAVE).proposed_by == "carol"
    assert reject(ledger, first.sha256, who=CAROL).state == "REJECTED"
    with pytest.raises(Rejected, match="import_wrong_state"):
        decide(ledger, first.sha256)
    with pytest.raises(Rejected, match="import_not_proposed"):
        book(ledger, path)
    second = propose(ledger, path, who=DAVE)
    assert (second.state, second.proposed_by, second.import_id != first.import_id) == (
        "proposed",
        "dave",
        True,
    )
    decide(ledger, second.sha256, who=CAROL)
    assert propose(ledger, path).state == "approved"
    with pytest.raises(Rejected, match="import_wrong_state"):
        reject(ledger, second.sha256)
    assert book(ledger, path).booked == 3


def test_what_was_approved_is_checked_once_more_against_the_books_of_then(ledger, path, tmp_path):
    agreed(ledger, path)
    beside = write(tmp_path / "beside.jsonl", [line(2, amount=8)])
    agreed(ledger, beside)
    book(ledger, beside)
    late = book(ledger, path)
    assert (late.state, [each.code for each in late.checked.refused]) == (
        "refused", ["already_booked_otherwise", "already_booked_otherwise"],
    )  # fmt: skip
    assert ledger.rows("SELECT count(*) FROM journals") == [(1,)]


def test_of_many_who_propose_the_same_file_at_once_one_does(ledger, path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(propose(ledger, path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.import_id for each in found}) == 1
    assert ledger.rows("SELECT count(*) FROM import_proposals") == [(1,)]


def test_what_one_person_began_before_two_had_to_goes_on_and_is_known_as_such(ledger, ledger_urls, path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with psycopg.connect(ledger_urls.owner) as owner:
        owner.execute("ALTER TABLE imports DISABLE TRIGGER import_approved")
        owner.execute(
            "INSERT INTO imports (import_id, file_sha256, file_name, journals, begun_by, reason, begun_at, two_people)"
            " VALUES ('imp_0', decode(%s, 'hex'), 'old.jsonl', 3, 'carol', 'why', now(), false)",
            [digest],
        )
        owner.execute("ALTER TABLE imports ENABLE TRIGGER import_approved")
    assert book(ledger, path).booked == 3
    assert ledger.rows("SELECT two_people, booked FROM imports") == [(False, 3)]


DECIDED = "state = '{state}', decided_by = '{by}', decided_at = now(), decision_reason = 'seen'"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (
            f"UPDATE import_proposals SET {DECIDED.format(state='APPROVED', by='me')}",
            psycopg.errors.CheckViolation,
        ),
        ("UPDATE import_proposals SET state = 'APPROVED'", psycopg.errors.CheckViolation),
        ("UPDATE import_proposals SET decided_by = 'you'", psycopg.errors.CheckViolation),
        (PROPOSE.replace("imp_2", "imp_3"), psycopg.errors.UniqueViolation),
        ("UPDATE import_proposals SET journals = 4", psycopg.errors.InsufficientPrivilege),
        ("UPDATE import_proposals SET proposed_by = 'eve'", psycopg.errors.InsufficientPrivilege),
        ("DELETE FROM import_proposals", psycopg.errors.InsufficientPrivilege),
        ("TRUNCATE import_proposals", psycopg.errors.InsufficientPrivilege),
        (BEGIN, psycopg.errors.IntegrityConstraintViolation),
    ],
)
def test_sql_refuses_a_proposal_that_one_person_decides_and_an_import_without_two(app_sql, statement, error):
    app_sql.execute(PROPOSE)
    with pytest.raises(error):
        app_sql.execute(statement)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (
            f"UPDATE import_proposals SET {DECIDED.format(state='REJECTED', by='you')}",
            psycopg.errors.CheckViolation,
        ),
        (BEGIN.replace("3, 'me'", "4, 'me'"), psycopg.errors.IntegrityConstraintViolation),
        (BEGIN.replace("imp_2", "imp_3"), psycopg.errors.IntegrityConstraintViolation),
        (BEGIN.replace("'00'", "'01'"), psycopg.errors.IntegrityConstraintViolation),
        (BEGIN.replace("now())", "now(), NULL, NULL, false)"), psycopg.errors.IntegrityConstraintViolation),
    ],
)
def test_sql_refuses_to_decide_again_and_to_begin_something_else_than_was_approved(app_sql, statement, error):
    approve_in_sql(app_sql)
    with pytest.raises(error):
        app_sql.execute(statement)


def test_sql_lets_what_two_people_want_begin_and_takes_no_proposal_that_is_born_decided(app_sql):
    with pytest.raises(psycopg.errors.CheckViolation), app_sql.transaction():
        app_sql.execute(PROPOSE.replace("'PROPOSED'", "'REJECTED'"))
    for statement in (PROPOSE, APPROVE, BEGIN):
        app_sql.execute(statement)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("UPDATE imports SET two_people = false")
