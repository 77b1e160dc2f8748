"""The mutation suite: whatever a superuser changes with the guards down is found by name, given heads kept outside."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier
from services.ledger.adapters.heads import stored_heads
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.sealing import Sealer
from services.ledger.app.verify_seals import verify_seals
from services.ledger.domain.seals import GENESIS, chain_hash
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.db.noting import NOTED
from services.ledger.tests.db.tampering import (
    NOT_BOOKS,
    changed_columns,
    columns_of,
    drop_constraints,
    superuser_of,
    tables_of,
)
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import new_key_pair

PRIVATE, PUBLIC = new_key_pair()
TABLES = ("accounts", "journals", "entries", "seals", "seal_heads")
TEXT, NUMBER, TIME, BYTES = "x", "+ 1", "+ interval '1 microsecond'", "bytes"
JOURNAL_COLUMNS = {
    "journal_id": TEXT, "rule": TEXT, "cause_event_id": TEXT, "cause_event_type": TEXT, "fact_key": TEXT, "subject": TEXT,
    "payment_id": TEXT, "merchant_id": TEXT, "currency": "'USD'", "amount_minor": NUMBER, "from_party": TEXT,
    "to_party": TEXT, "reverses_position": "1", "entry_count": NUMBER, "effective_at": TIME, "booked_at": TIME,
}  # fmt: skip
OTHER_SIDE = "CASE {0} WHEN 'debit' THEN 'credit'::entry_side ELSE 'debit' END"
ENTRY_COLUMNS = {
    "account_id": "(SELECT min(account_id) FROM accounts)", "side": OTHER_SIDE.format("side"),
    "amount_minor": NUMBER, "currency": "'USD'", "clearing_key": "'another'", "line": "line + 7",
}  # fmt: skip
ACCOUNT_COLUMNS = {
    "owner": TEXT, "family": TEXT, "currency": "'USD'", "opened_at": TIME, "account_id": "DEFAULT",
    "normal_side": OTHER_SIDE.format("normal_side"), "transitional": "NOT transitional",
    "scale": NUMBER,
}  # fmt: skip
HEAD_COLUMNS = {
    "shard": "1", "position": "2", "journal_id": TEXT, "hash": "repeat('0', 64)", "settled_position": NUMBER,
    "signed_at": TIME, "key_id": TEXT, "signature": "repeat('0', 128)", "notes": NUMBER, "notes_hash": "repeat('0', 64)",
}  # fmt: skip


def set_to(column, value):
    return f"{column} = " + (
        f"'{value}'" if value == TEXT else f"{column} {value}" if value in (NUMBER, TIME) else value
    )


def test_a_kept_head_of_a_shard_that_is_not_there_is_told(sealed):
    ledger, kept = sealed
    found = verified(ledger, [*kept, replace(kept[0], shard=1)]).finding
    assert (found.what, found.shard) == ("head_of_unknown_shard", 1)


USED = "(SELECT account_id FROM entries WHERE journal_position = 5 AND line = 2)"
SWAP = "UPDATE {0} SET {1} = 99 WHERE {1} = 2; UPDATE {0} SET {1} = 2 WHERE {1} = 4; UPDATE {0} SET {1} = 4 WHERE {1} = 99"
ENTRY = "account_id, side, amount_minor, currency, clearing_key"
JOURNAL = "cause_event_type, fact_key || 'x', subject, payment_id, merchant_id, currency, amount_minor, from_party, to_party, reverses_position, entry_count, effective_at, booked_at"
HEAD = "journal_id, hash, settled_position, signed_at, key_id, signature, notes, notes_hash FROM seal_heads WHERE position = 3"

# Journals 1 to 6 are sealed as 1 to 6; kept heads are at 3 and 6. (statements, what is found, at which seal)
# They use the same accounts: a changed one is noticed at the first journal that does.
MUTATIONS = [
    *((f"UPDATE journals SET {set_to(c, v)} WHERE position = 2", "journal_changed", 2) for c, v in JOURNAL_COLUMNS.items()),
    *((f"UPDATE entries SET {set_to(c, v)} WHERE journal_position = 4 AND line = 1", "journal_changed", 4) for c, v in ENTRY_COLUMNS.items()),
    *((f"UPDATE accounts SET {set_to(c, v)} WHERE account_id = {USED}", "journal_changed", 1) for c, v in ACCOUNT_COLUMNS.items()),
    *((f"UPDATE seal_heads SET {set_to(c, v)} WHERE position = 3", "head_changed", 3) for c, v in HEAD_COLUMNS.items()),
    ("UPDATE journals SET position = 99 WHERE position = 2", "journal_missing", 2),
    (SWAP.format("journals", "position"), "journal_changed", 2),
    (SWAP.format("entries", "journal_position"), "journal_changed", 2),
    (SWAP.format("journals", "position") + "; " + SWAP.format("entries", "journal_position"), "journal_changed", 2),
    ("UPDATE entries SET line = 9 WHERE journal_position = 4 AND line = 1; UPDATE entries SET line = 1 WHERE journal_position = 4 AND line = 2; UPDATE entries SET line = 2 WHERE journal_position = 4 AND line = 9", "journal_changed", 4),
    ("UPDATE entries SET journal_position = 99 WHERE journal_position = 2 AND line = 1; UPDATE entries SET journal_position = 2 WHERE journal_position = 4 AND line = 1; UPDATE entries SET journal_position = 4 WHERE journal_position = 99", "journal_changed", 2),
    ("UPDATE entries SET journal_position = 2, line = 9 WHERE journal_position = 1 AND line = 3", "journal_changed", 1),
    ("DELETE FROM journals WHERE position = 3", "journal_missing", 3),
    ("DELETE FROM entries WHERE journal_position = 3 AND line = 1", "journal_changed", 3),
    (f"DELETE FROM accounts WHERE account_id = {USED}", "journal_changed", 1),
    (f"INSERT INTO entries SELECT 2, 9, {ENTRY} FROM entries WHERE journal_position = 2 AND line = 1", "journal_changed", 2),
    (f"INSERT INTO entries SELECT 77, 1, {ENTRY} FROM entries WHERE journal_position = 2 AND line = 1", "entry_inserted", None),
    ("INSERT INTO accounts (family, owner, currency, normal_side, transitional, scale) VALUES ('suspense', 'platform', 'CHF', 'credit', true, 2)", "account_inserted", None),
    ("DELETE FROM seals WHERE position = 2", "seal_missing", 2),
    ("DELETE FROM seals WHERE position = 6", "tail_cut", 6),
    ("DELETE FROM seals WHERE position > 4; DELETE FROM journals WHERE position > 4; DELETE FROM entries WHERE journal_position > 4", "tail_cut", 6),
    ("UPDATE seals SET sealed_at = sealed_at + interval '1 microsecond' WHERE position = 2", "seal_changed", 2),
    ("UPDATE seals SET digest = sha256('x') WHERE position = 2", "journal_changed", 2),
    ("UPDATE seals SET hash = sha256('x') WHERE position = 2", "seal_changed", 2),
    ("UPDATE seals SET position = 60 WHERE position = 2", "seal_missing", 2),
    (SWAP.format("seals", "position"), "seal_changed", 2),
    ("UPDATE seals SET journal_position = 98 WHERE position = 2", "journal_missing", 2),
    ("UPDATE seals SET shard = 1 WHERE position = 2", "seal_missing", 2),
    ("INSERT INTO seals SELECT 0, 7, 77, sealed_at, digest, hash FROM seals WHERE position = 6", "journal_missing", 7),
    ("INSERT INTO seals SELECT 0, 9, 77, sealed_at, digest, hash FROM seals WHERE position = 6", "seal_missing", 7),
    ("INSERT INTO seals SELECT 1, 1, 77, sealed_at, digest, hash FROM seals WHERE position = 6", "seal_inserted", 1),
    ("DELETE FROM seal_heads WHERE position = 3", "head_changed", 3),
    (f"INSERT INTO seal_heads SELECT 0, 999, {HEAD}", "head_changed", 999),
    (f"INSERT INTO seal_heads SELECT 1, 3, {HEAD}", "head_changed", 3),
    ("INSERT INTO seal_heads SELECT 0, 5, j.journal_id, encode(s.hash, 'hex'), 5, s.sealed_at, h.key_id, h.signature, h.notes, h.notes_hash FROM seals s JOIN journals j ON j.position = s.journal_position, seal_heads h WHERE s.position = 5 AND h.position = 3", "head_not_genuine", 5),
]  # fmt: skip
#: With the constraints gone as well: what a table holds twice, or where nobody looks.
DOUBLES = [
    ("INSERT INTO journals SELECT * FROM journals WHERE position = 2", "journal_changed", 2),
    (f"INSERT INTO journals SELECT position, journal_id, rule, cause_event_id, {JOURNAL} FROM journals WHERE position = 2", "journal_changed", 2),
    ("INSERT INTO entries SELECT * FROM entries WHERE journal_position = 2 AND line = 1", "journal_changed", 2),
    (f"INSERT INTO accounts OVERRIDING SYSTEM VALUE SELECT * FROM accounts WHERE account_id = {USED}", "journal_changed", 1),
    ("INSERT INTO seals SELECT * FROM seals WHERE position = 2", "seal_inserted", 2),
    ("INSERT INTO seals SELECT 0, 0, 77, sealed_at, digest, hash FROM seals WHERE position = 6", "seal_inserted", 0),
    ("INSERT INTO seals SELECT 0, 6, 77, sealed_at, digest, hash FROM seals WHERE position = 6", "seal_inserted", 6),
    ("UPDATE seal_heads SET notes = 0 WHERE position = 3", "head_changed", 3),
    ("UPDATE seal_heads SET notes_hash = NULL WHERE position = 3", "head_changed", 3),
]  # fmt: skip


@pytest.fixture
def sealed(ledger):
    """Six journals sealed one by one, and the heads at 3 and 6 as somebody outside keeps them."""
    signer = HeadSigner(PRIVATE)
    for number in range(1, 7):
        ledger.tell(Payment(number).captured(10_000 + number, 300))
        Sealer(ledger.transactions, signer if number % 3 == 0 else None).turn()
    with ledger.engine.connect() as connection:
        kept = stored_heads(connection, 0)
    assert [head.position for head in kept] == [3, 6]
    return ledger, kept


@pytest.fixture
def superuser(ledger_urls, postgres_admin_url):
    """Somebody who owns the server and has taken every guard down."""
    with superuser_of(ledger_urls, postgres_admin_url) as connection:
        for table in (*TABLES, "seal_shards"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        connection.execute("SET session_replication_role = replica")
        yield connection


def verified(ledger, kept, after=0):
    with sealed_books(ledger.engine) as books:
        return verify_seals(books, kept, HeadVerifier([PUBLIC]), after=after)


def test_books_that_nobody_touched_are_whole(sealed):
    ledger, kept = sealed
    found = verified(ledger, kept)
    assert (found.finding, found.sealed_to, found.heads, found.hash) == (None, 6, 2, kept[-1].hash)
    assert verified(ledger, []).finding is None


def missed(sealed, superuser, mutations):
    """Those that are not found, or by another name or elsewhere."""
    ledger, kept = sealed
    found = []
    for statements, what, position in mutations:
        with superuser.transaction():
            for statement in statements.split("; "):
                assert superuser.execute(statement).rowcount, statement
        finding = verified(ledger, kept).finding
        if finding is None or (finding.what, finding.position) != (what, position):
            found.append((statements, what, position, finding))
        restore(superuser)
    assert verified(ledger, kept).finding is None
    return found


def test_every_row_that_a_superuser_changes_is_found_by_name(sealed, superuser):
    wrong = missed(sealed, superuser, MUTATIONS)
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("page", [1, 1_000])
def test_what_stands_twice_once_the_constraints_are_gone_is_found_by_name(
    sealed, superuser, monkeypatch, page
):
    monkeypatch.setattr("services.ledger.app.verify_seals.PAGE_SEALS", page)
    for table in TABLES:
        drop_constraints(superuser, table, "cfpu")
    wrong = missed(sealed, superuser, DOUBLES)
    assert not wrong, "\n".join(map(str, wrong))


def test_every_column_of_every_table_is_tried_or_is_no_part_of_the_books(ledger):
    """A table or a column that is added belongs to one of the suites, or on the list with its reason."""
    elsewhere = {
        *NOTED,
        "note_seals",
        "closed_periods",
        "close_signatures",
        "account_snapshots",
        "snapshots_ahead",
    }
    assert tables_of(ledger) == {*TABLES, *elsewhere, *NOT_BOOKS}
    assert changed_columns(statements for statements, *_ in MUTATIONS) == columns_of(ledger, *TABLES)


@pytest.fixture(autouse=True)
def _copies(request):
    if "superuser" in request.fixturenames:
        request.getfixturevalue("sealed")
        connection = request.getfixturevalue("superuser")
        for table in TABLES:
            connection.execute(f"CREATE TABLE copy_of_{table} AS TABLE {table}")


def restore(connection):
    for table in TABLES:
        connection.execute(f"DELETE FROM {table}")
        connection.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE copy_of_{table}")


def test_a_journal_put_into_the_past_is_found(sealed, superuser):
    ledger, kept = sealed
    superuser.execute("DELETE FROM seals WHERE position = 6")
    superuser.execute("DELETE FROM journals WHERE position = 6")
    superuser.execute("UPDATE seal_shards SET settled_position = 6")
    cut = [kept[0]]
    assert verified(ledger, cut).finding.what == "entry_inserted"
    superuser.execute("INSERT INTO journals TABLE copy_of_journals ON CONFLICT DO NOTHING")
    finding = verified(ledger, cut).finding
    assert (finding.what, finding.journal_position, finding.journal) == (
        "journal_inserted",
        6,
        kept[1].journal_id,
    )


def test_a_chain_that_is_rewritten_as_a_whole_contradicts_the_kept_heads_only(sealed, superuser):
    ledger, kept = sealed
    superuser.execute("UPDATE journals SET merchant_id = 'mer_thief' WHERE position = 5")
    with sealed_books(ledger.engine) as books:
        seals = books.seals_after(0, 0, 10)
        journals = books.journals_at([seal.journal_position for seal in seals])
    before = GENESIS
    for seal in seals:
        digest = journals[seal.journal_position].digest()
        before = chain_hash(
            shard=0, position=seal.position, journal_position=seal.journal_position, sealed_at_us=seal.sealed_at_us,
            before=before, digest=digest,
        )  # fmt: skip
        superuser.execute(
            "UPDATE seals SET digest = %s, hash = %s WHERE position = %s", [digest, before, seal.position]
        )
    assert verified(ledger, []).finding.what == "head_changed"
    superuser.execute("DELETE FROM seal_heads WHERE position = 6")
    assert verified(ledger, []).finding is None
    finding = verified(ledger, kept).finding
    assert (finding.what, finding.position) == ("chain_rewritten", 6)
    assert "between 4 and 6" in finding.detail
    behind = verified(ledger, kept, after=3)
    assert (behind.finding.what, behind.finding.position, behind.heads) == ("chain_rewritten", 6, 1)


def test_a_head_that_no_trusted_key_signed_proves_nothing(sealed):
    ledger, kept = sealed
    with sealed_books(ledger.engine) as books:
        found = verify_seals(books, kept, HeadVerifier([new_key_pair()[1]]))
    assert (found.finding.what, found.finding.position) == ("head_not_genuine", 3)


def test_it_begins_behind_a_kept_head_and_nowhere_else(sealed, superuser):
    ledger, kept = sealed
    superuser.execute("UPDATE journals SET rule = 'x' WHERE position = 2")
    assert verified(ledger, kept, after=3).finding is None
    superuser.execute("UPDATE journals SET rule = 'x' WHERE position = 5")
    finding = verified(ledger, kept, after=3).finding
    assert (finding.what, finding.position) == ("journal_changed", 5)
    with pytest.raises(Rejected, match="No kept head is at position 4"):
        verified(ledger, kept, after=4)


def test_the_command_exits_1_and_names_the_row(sealed, superuser, ledger_urls, tmp_path, monkeypatch):
    _, kept = sealed
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    heads, key = tmp_path / "heads.jsonl", tmp_path / "key.pem"
    heads.write_text("".join(json.dumps(head.fields()) + "\n" for head in kept))
    key.write_text(PUBLIC)
    words = ["verify", "--heads", str(heads), "--public-key", str(key)]
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code, "2 heads agree" in done.output) == (0, True), done.output
    superuser.execute("UPDATE entries SET amount_minor = 1 WHERE journal_position = 4 AND line = 1")
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["finding"]["journal_position"] == 4
    heads.write_text("{}\n")
    assert "line 1" in CliRunner().invoke(cli, words).output
