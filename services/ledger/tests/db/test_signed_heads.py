"""Signed heads on a real PostgreSQL: what outsiders get is what the chain is, signed, once per interval."""

from __future__ import annotations

import json

import psycopg
import pytest

from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier, public_pem
from services.ledger.adapters.heads import stored_heads
from services.ledger.adapters.sealing import Sealer
from services.ledger.domain.heads import Head
from services.ledger.tests.payloads import Payment
from shared.runtime.operator_tokens import new_key_pair

PRIVATE, PUBLIC = new_key_pair()


def book(ledger, *numbers):
    ledger.tell(*(Payment(number).captured(10_000 + number, 300) for number in numbers))


def signing(ledger, interval_s=0.0):
    return Sealer(ledger.transactions, HeadSigner(PRIVATE), interval_s)


def published(ledger):
    rows = ledger.rows(
        "SELECT key, stream_version, payload FROM outbox WHERE event_type = 'LedgerHeadSigned.v1' ORDER BY position"
    )
    return [(key, version, Head.read(json.loads(bytes(payload)))) for key, version, payload in rows]


def test_a_head_is_published_as_it_was_signed_and_kept(ledger):
    book(ledger, 1, 2)
    signing(ledger).turn()
    ((key, version, head),) = published(ledger)
    assert (key, version, head.shard, head.position, head.settled_position) == ("seals:0", 1, 0, 2, 2)
    assert ledger.rows("SELECT encode(hash, 'hex') FROM seals WHERE position = 2") == [(head.hash,)]
    assert ledger.rows("SELECT position, encode(hash, 'hex') FROM note_seals") == [
        (head.notes, head.notes_hash)
    ]
    assert ledger.rows("SELECT journal_id FROM journals WHERE position = 2") == [(head.journal_id,)]
    assert HeadVerifier([PUBLIC]).is_genuine(head)
    with ledger.engine.connect() as connection:
        assert stored_heads(connection, 0) == [head]


@pytest.mark.parametrize(
    "field",
    [
        "shard",
        "position",
        "journal_id",
        "hash",
        "settled_position",
        "signed_at",
        "key_id",
        "signature",
        "notes",
        "notes_hash",
    ],
)
def test_a_head_with_any_other_field_is_not_genuine(ledger, field):
    book(ledger, 1)
    signing(ledger).turn()
    ((_, _, head),) = published(ledger)
    value = head.fields()[field]
    other = value + 1 if isinstance(value, int) else ("0" if value[0] != "0" else "1") + value[1:]
    assert not HeadVerifier([PUBLIC]).is_genuine(Head.read({**head.fields(), field: other}))


def test_a_head_is_genuine_under_any_trusted_key_and_no_other(ledger):
    book(ledger, 1)
    signing(ledger).turn()
    ((_, _, head),) = published(ledger)
    other = new_key_pair()[1]
    assert not HeadVerifier([other]).is_genuine(head)
    assert HeadVerifier([other, PUBLIC]).is_genuine(head)
    assert public_pem(PRIVATE) == PUBLIC


def test_an_idle_ledger_signs_nothing_and_a_busy_one_once_per_interval(ledger):
    often, seldom = signing(ledger), signing(ledger, 3_600.0)
    seldom.turn()
    assert published(ledger) == []
    book(ledger, 1)
    seldom.turn()
    book(ledger, 2)
    seldom.turn()
    seldom.turn()
    assert [head.position for _, _, head in published(ledger)] == [1]
    often.turn()
    often.turn()
    assert [(version, head.position) for _, version, head in published(ledger)] == [(1, 1), (2, 2)]


def test_without_a_key_journals_are_sealed_and_no_head_is_signed(ledger):
    book(ledger, 1)
    Sealer(ledger.transactions).turn()
    assert ledger.rows("SELECT count(*) FROM seals") == [(1,)]
    assert published(ledger) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE seal_heads SET hash = hash", "DELETE FROM seal_heads", "TRUNCATE seal_heads"]
)
def test_nobody_changes_a_head(ledger, ledger_urls, app_sql, statement):
    book(ledger, 1)
    signing(ledger).turn()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute(statement)
    with (
        psycopg.connect(ledger_urls.owner) as owner,
        pytest.raises(psycopg.errors.RestrictViolation, match="never changed"),
    ):
        owner.execute(statement)


@pytest.mark.parametrize("changed", ["hash = repeat('0', 64)", "journal_id = 'jrn_other'", "position = 9"])
def test_a_head_that_is_not_the_seal_there_is_refused(ledger, app_sql, changed):
    book(ledger, 1)
    Sealer(ledger.transactions).turn()
    column, _, value = changed.partition(" = ")
    columns = {
        "shard": "0", "position": "1", "journal_id": "(SELECT journal_id FROM journals)",
        "hash": "(SELECT encode(hash, 'hex') FROM seals)", "settled_position": "1", "signed_at": "now()", "key_id": "'k'",
        "signature": "repeat('0', 128)",
    }  # fmt: skip

    def insert(values):
        app_sql.execute(f"INSERT INTO seal_heads ({', '.join(values)}) VALUES ({', '.join(values.values())})")

    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="is not the seal there"):
        insert(columns | {column: value})
    app_sql.rollback()
    insert(columns)
