"""Sealing notes on a real PostgreSQL: in a chain of their own, before their journals, and nothing else by plain SQL."""

from __future__ import annotations

import psycopg
import pytest

from services.ledger.adapters.sealing import Sealer
from services.ledger.tests import report
from services.ledger.tests.db.adjusting import MERCHANT, book
from services.ledger.tests.db.closing import propose_closing, seal
from services.ledger.tests.db.noting import JULY, NOTED, Noted
from services.ledger.tests.payloads import Payment

pytestmark = pytest.mark.db


@pytest.fixture
def noted(ledger, ledger_urls, tmp_path):
    return Noted(ledger, ledger_urls, tmp_path / "old.jsonl")


REFUSED = psycopg.errors.InsufficientPrivilege
BROKEN = psycopg.errors.IntegrityConstraintViolation
BY_THE_APPLICATION = [
    *((f"{verb} {table}", REFUSED) for verb in ("DELETE FROM", "TRUNCATE") for table in NOTED),
    ("UPDATE line_matches SET clearing_key = 'x'", REFUSED),
    ("UPDATE late_journals SET told_effective_at = now()", REFUSED),
    ("UPDATE exchange_rates SET rate = '1'", REFUSED),
    ("INSERT INTO exchange_rates SELECT 1, '1.5', 'EUR', 'USD'", BROKEN),
    ("UPDATE adjustments SET reason = 'x'", REFUSED),
    ("UPDATE imports SET reason = 'x'", REFUSED),
    ("UPDATE import_proposals SET reason = 'x'", REFUSED),
    ("UPDATE import_proposals SET decision_reason = 'x'", psycopg.errors.CheckViolation),
    ("UPDATE period_closes SET reason = 'x'", REFUSED),
    ("UPDATE withdrawn_proposals SET reason = 'x'", REFUSED),
    ("UPDATE told_journals SET amount_minor = 8", REFUSED),
    ("UPDATE told_closes SET ends_at = now()", REFUSED),
    ("UPDATE former_seal_keys SET key_id = 'x'", REFUSED),
    ("UPDATE adjustments SET decision_reason = 'x' WHERE state <> 'PROPOSED'", psycopg.errors.CheckViolation),
    ("UPDATE imports SET finished_at = now()", psycopg.errors.CheckViolation),
    (
        "UPDATE period_closes SET decision_reason = 'x' WHERE state <> 'PROPOSED'",
        psycopg.errors.CheckViolation,
    ),
    *((f"{verb} note_seals", REFUSED) for verb in ("DELETE FROM", "TRUNCATE")),
    ("UPDATE note_seals SET behind = behind", REFUSED),
    ("INSERT INTO notes_unsealed (kind, key) VALUES ('line_match', 'evt_x')", REFUSED),
    ("UPDATE notes_unsealed SET key = 'x'", REFUSED),
    ("TRUNCATE notes_unsealed", REFUSED),
    ("DELETE FROM notes_unsealed", BROKEN),
    ("UPDATE seal_heads SET notes = 0, notes_hash = NULL", REFUSED),
]


def test_the_application_is_refused(noted, app_sql):
    noted.ledger.tell(report.matched("3", Payment(1), "cap", 10_000))
    missed = []
    for statement, wanted in BY_THE_APPLICATION:
        try:
            app_sql.execute(statement)
            missed.append((statement, "done"))
        except psycopg.Error as refused:
            if not isinstance(refused, wanted):
                missed.append((statement, refused))
        app_sql.rollback()
    assert not missed, "\n".join(map(str, missed))


SEALED = (
    "INSERT INTO note_seals SELECT 0, {position}, {kind}, {key}, {behind}, {at}, sha256('x'),"
    " sha256('tieout-note-seal-1'::bytea || int2send(0::smallint) || int8send({position}) || int8send({behind})"
    " || int8send((extract(epoch FROM {at}) * 1000000)::bigint)"
    " || (SELECT hash FROM note_seals ORDER BY position DESC LIMIT 1) || {digest})"
)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {"position": "{end} + 2"},
        {"kind": "'line_match'", "key": "'evt_x'"},
        {"behind": "0::bigint"},
        {"at": "timestamptz '2000-01-01Z'"},
        {"digest": "sha256('y')"},
    ],
    ids=["right", "gap", "not queued", "another end of the journals", "earlier", "another hash"],
)
def test_a_note_seal_that_does_not_continue_the_chain_is_refused(noted, app_sql, wrong):
    (told,) = noted.ledger.tell(report.matched("3", Payment(1), "cap", 10_000))
    right = {
        "position": "{end} + 1", "kind": "'line_match'", "key": f"'{told.event_id}'", "digest": "sha256('x')",
        "behind": "(SELECT max(position) FROM seals)", "at": "timestamptz '2100-01-01Z'",
    }  # fmt: skip
    values = {**right, **(wrong or {})}
    values["position"] = f"({values['position'].format(**noted.words)})::bigint"
    if wrong is None:
        app_sql.execute(SEALED.format(**values))
        app_sql.execute("DELETE FROM notes_unsealed")
        return
    with pytest.raises(BROKEN, match="does not continue the chain"):
        app_sql.execute(SEALED.format(**values))


@pytest.mark.parametrize("of", ["late", "adjustment"])
def test_no_journal_is_sealed_before_its_note(noted, monkeypatch, of):
    """As a sealer of the release before would."""
    if of == "late":
        noted.ledger.tell(Payment(8).captured(10_000, 300), time=JULY)
    else:
        book(noted.ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    with monkeypatch.context() as patched:
        patched.setattr("services.ledger.adapters.notes.NoteStore.unsealed", lambda *_: [])
        with pytest.raises(Exception, match="is sealed before it"):
            Sealer(noted.ledger.transactions).turn()
    seal(noted.ledger)
    assert noted.found().finding is None


def test_a_head_that_says_other_notes_than_the_chain_is_refused(noted, app_sql):
    columns = (
        "shard, journal_id, hash, settled_position, key_id, signature, signed_at, position, notes, notes_hash"
    )
    said = (
        f"INSERT INTO seal_heads ({columns}) SELECT shard, journal_id, hash, settled_position, key_id, signature,"
        " signed_at, position, 2, {hash} FROM seal_heads ORDER BY position DESC, notes DESC LIMIT 1"
    )
    with pytest.raises(BROKEN, match="is not the note seal 2"):
        app_sql.execute(said.format(hash="repeat('0', 64)"))
    app_sql.rollback()
    app_sql.execute(said.format(hash="(SELECT encode(n.hash, 'hex') FROM note_seals n WHERE n.position = 2)"))


def test_proposals_and_matches_that_are_rolled_back_leave_no_note(noted):
    with pytest.raises(ConnectionError):
        noted.ledger.tell(report.matched("3", Payment(1), "cap", 10_000), lose_after_flush=True)
    propose_closing(noted.ledger, "2024-08")
    assert noted.ledger.rows("SELECT kind FROM notes_unsealed") == [("close_proposed",)]
    seal(noted.ledger)
    assert noted.found().finding is None
