"""Whatever a superuser does to closed months with the guards down is found by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier
from services.ledger.adapters.periods import closed_periods
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.app.verify_seals import verify_seals
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.db.closing import close, seal
from services.ledger.tests.db.tampering import changed_columns, columns_of, drop_constraints, superuser_of
from services.ledger.tests.payloads import Payment
from shared.runtime.operator_tokens import new_key_pair

pytestmark = pytest.mark.db
PRIVATE, PUBLIC = new_key_pair()
JULY, AUGUST = datetime(2024, 7, 15, tzinfo=UTC), datetime(2024, 8, 15, tzinfo=UTC)
UNGUARDED = ("journals", "entries", "seals", "closed_periods", "close_signatures", "late_journals")
INSIDE = (
    "INSERT INTO journals SELECT 77, 'jrn_x', 'x', 'evt_x', cause_event_type, 'x', subject, payment_id, merchant_id,"
    " currency, amount_minor, from_party, to_party, NULL, entry_count, effective_at, booked_at FROM journals"
    " WHERE position = 1;"
    " INSERT INTO entries SELECT 77, line, account_id, side, amount_minor, currency, clearing_key FROM entries"
    " WHERE journal_position = 1"
)
#: (what is done, what is found without a trusted key, and with one); journal 1 takes effect in July, which is closed at
#: seal 1, and 2 comes late.
CHANGES = [
    (INSIDE, "period_changed", "period_changed"),
    ("UPDATE closed_periods SET hash = repeat('0', 64)", "close_changed", "close_not_genuine"),
    ("UPDATE closed_periods SET position = 9", "close_changed", "close_not_genuine"),
    ("UPDATE closed_periods SET position = 0", "close_changed", "close_changed"),
    ("UPDATE closed_periods SET ends_at = ends_at + interval '1 day'", "close_changed", "close_changed"),
    ("UPDATE closed_periods SET starts_at = starts_at - interval '1 day'", "close_changed", "close_changed"),
    ("UPDATE closed_periods SET shard = 1", "close_changed", "close_changed"),
    ("UPDATE closed_periods SET period = '2024-06'", "close_changed", "close_changed"),
    ("UPDATE closed_periods SET period = 'never'", "close_changed", "close_changed"),
    ("UPDATE closed_periods SET closed_at = closed_at + interval '1 second'", None, "close_not_genuine"),
    ("UPDATE closed_periods SET close_id = 'cls_x'", None, "close_not_genuine"),
    ("UPDATE close_signatures SET signature = repeat('0', 128)", None, "close_not_genuine"),
    (
        "UPDATE close_signatures SET signed_at = signed_at + interval '1 microsecond'",
        None,
        "close_not_genuine",
    ),
    ("UPDATE close_signatures SET key_id = 'another'", None, "close_not_genuine"),
    # That of another month, or none, is an unsigned close: whoever kept it misses it.
    ("UPDATE close_signatures SET period = '2024-08'", None, None),
    ("UPDATE late_journals SET told_effective_at = '2024-09-01Z'", "late_changed", "late_changed"),
    ("UPDATE late_journals SET journal_position = 99", "late_changed", "late_changed"),
]


@pytest.fixture
def closed(ledger):
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    close(ledger, "2024-07")
    ledger.tell(Payment(2).captured(10_000, 300), time=JULY)
    ledger.tell(Payment(3).captured(10_000, 300), time=AUGUST)
    seal(ledger, HeadSigner(PRIVATE))
    seal(ledger, HeadSigner(PRIVATE))
    return ledger


@pytest.fixture
def superuser(closed, ledger_urls, postgres_admin_url):
    """Somebody who owns the server and has taken every guard down."""
    with superuser_of(ledger_urls, postgres_admin_url) as connection:
        for table in UNGUARDED:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for table in ("closed_periods", "close_signatures"):
            drop_constraints(connection, table, "cf")
        yield connection


def finding(ledger, keys=(PUBLIC,), kept=()):
    with sealed_books(ledger.engine) as books:
        return verify_seals(books, [], HeadVerifier(list(keys)), kept_closes=kept)


def test_closed_months_that_nobody_touched_stand(closed):
    found = finding(closed)
    assert (found.finding, found.closes, found.sealed_to) == (None, 1, 3)
    assert finding(closed, []).finding is None


def kept_closes(ledger):
    with ledger.engine.connect() as connection:
        return [close.signed for close in closed_periods(connection)]


def test_a_close_that_was_removed_is_found_by_whoever_kept_it(
    closed, superuser, ledger_urls, tmp_path, monkeypatch
):
    kept = kept_closes(closed)
    assert finding(closed, kept=kept).finding is None
    assert finding(closed, [new_key_pair()[1]], kept).finding.what == "close_not_genuine"
    for table in ("close_signatures", "closed_periods", "late_journals"):
        superuser.execute(f"DELETE FROM {table}")
    # The late journal's note alone is missed, and not the close.
    assert finding(closed).finding.what == "note_missing"
    found = finding(closed, kept=kept).finding
    assert found is not None
    assert (found.what, "not there" in found.detail) == ("close_changed", True)
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    closes, key = tmp_path / "closes.jsonl", tmp_path / "key.pem"
    closes.write_text("".join(json.dumps(close.fields()) + "\n" for close in kept))
    key.write_text(PUBLIC)
    words = ["verify", "--closes", str(closes)]
    done = CliRunner().invoke(cli, [*words, "--public-key", str(key)])
    assert (done.exit_code, "close_changed" in done.output) == (1, True), done.output
    assert "--public-key" in CliRunner().invoke(cli, words).output


@pytest.mark.parametrize(
    ("change", "without", "with_key"), CHANGES, ids=[change[:50] for change, *_ in CHANGES]
)
def test_every_change_is_found_by_name(closed, superuser, change, without, with_key):
    kept = kept_closes(closed)
    for statement in change.split("; "):
        assert superuser.execute(statement).rowcount, statement
    for keys, what in (((), without), ((PUBLIC,), with_key)):
        found = finding(closed, keys).finding
        assert (None if found is None else found.what) == what, found
    if not change.startswith(("INSERT", "UPDATE late_journals")):
        found = finding(closed, kept=kept).finding
        assert found is not None
        assert found.what in ("close_changed", "close_not_genuine")


def test_every_column_of_a_close_is_tried_above(closed):
    changed = changed_columns(change for change, *_ in CHANGES)
    assert changed == columns_of(closed, "closed_periods", "close_signatures", "late_journals")


def test_a_journal_sealed_behind_the_close_of_its_month_is_found(closed, superuser):
    """The sealer seals whatever stands there: the chain is whole, and the month is not."""
    for statement in INSIDE.split("; "):
        superuser.execute(statement)
    superuser.execute("SELECT setval('journal_positions', 80)")
    seal(closed)
    found = finding(closed).finding
    assert found is not None
    assert (found.what, found.journal, found.position) == ("period_changed", "jrn_x", 4)


def test_months_that_do_not_follow_each_other_are_found(closed, superuser):
    superuser.execute(
        "INSERT INTO closed_periods SELECT '2024-09', 'cls_x', '2024-09-01Z', '2024-10-01Z', 0, 3, encode(hash, 'hex'),"
        " now() FROM seals WHERE position = 3"
    )
    found = finding(closed).finding
    assert found is not None
    assert (found.what, "does not follow" in found.detail) == ("close_changed", True)
