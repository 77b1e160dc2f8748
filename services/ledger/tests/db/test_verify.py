"""The mutation suite: whatever a superuser changes with the guards down is found by name, given heads kept outside."""

from __future__ import annotations

import json

import psycopg
import pytest
from typer.testing import CliRunner

from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier
from services.ledger.adapters.heads import stored_heads
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.sealing import Sealer
from services.ledger.app.verify_seals import verify_seals
from services.ledger.domain.seals import GENESIS, chain_hash
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import new_key_pair

PRIVATE, PUBLIC = new_key_pair()
TEXT, NUMBER, TIME, BYTES = "x", "+ 1", "+ interval '1 microsecond'", "bytes"
JOURNAL_COLUMNS = {
    "journal_id": TEXT, "rule": TEXT, "cause_event_id": TEXT, "cause_event_type": TEXT, "fact_key": TEXT, "subject": TEXT,
    "payment_id": TEXT, "merchant_id": TEXT, "currency": "'USD'", "amount_minor": NUMBER, "from_party": TEXT,
    "to_party": TEXT, "reverses_position": "1", "entry_count": NUMBER, "effective_at": TIME, "booked_at": TIME,
}  # fmt: skip
ENTRY_COLUMNS = {
    "account_id": "(SELECT min(account_id) FROM accounts)", "side": "CASE side WHEN 'debit' THEN 'credit'::entry_side ELSE 'debit' END",
    "amount_minor": NUMBER, "currency": "'USD'", "clearing_key": "'another'", "line": "line + 7",
}  # fmt: skip
ACCOUNT_COLUMNS = {"owner": TEXT, "family": TEXT, "currency": "'USD'", "opened_at": TIME}


def set_to(column, value):
    return f"{column} = " + (
        f"'{value}'" if value == TEXT else f"{column} {value}" if value in (NUMBER, TIME) else value
    )


# Journals 1 to 6 are sealed as 1 to 6; kept heads are at 3 and 6. (statements, what is found, at which seal)
# They use the same accounts: a changed one is noticed at the first journal that does.
MUTATIONS = [
    *((f"UPDATE journals SET {set_to(c, v)} WHERE position = 2", "journal_changed", 2) for c, v in JOURNAL_COLUMNS.items()),
    *((f"UPDATE entries SET {set_to(c, v)} WHERE journal_position = 4 AND line = 1", "journal_changed", 4) for c, v in ENTRY_COLUMNS.items()),
    *((f"UPDATE accounts SET {set_to(c, v)} WHERE account_id = (SELECT account_id FROM entries WHERE journal_position = 5 AND line = 2)", "journal_changed", 1) for c, v in ACCOUNT_COLUMNS.items()),
    ("UPDATE journals SET position = 99 WHERE position = 2", "journal_missing", 2),
    ("UPDATE entries SET journal_position = 2, line = 9 WHERE journal_position = 1 AND line = 3", "journal_changed", 1),
    ("DELETE FROM journals WHERE position = 3", "journal_missing", 3),
    ("DELETE FROM entries WHERE journal_position = 3 AND line = 1", "journal_changed", 3),
    ("DELETE FROM accounts WHERE account_id = (SELECT account_id FROM entries WHERE journal_position = 5 AND line = 2)", "journal_changed", 1),
    ("INSERT INTO entries SELECT 2, 9, account_id, side, amount_minor, currency, clearing_key FROM entries WHERE journal_position = 2 AND line = 1", "journal_changed", 2),
    ("INSERT INTO entries SELECT 77, 1, account_id, side, amount_minor, currency, clearing_key FROM entries WHERE journal_position = 2 AND line = 1", "entry_inserted", None),
    ("DELETE FROM seals WHERE position = 2", "seal_missing", 2),
    ("DELETE FROM seals WHERE position = 6", "tail_cut", 6),
    ("DELETE FROM seals WHERE position > 4; DELETE FROM journals WHERE position > 4; DELETE FROM entries WHERE journal_position > 4", "tail_cut", 6),
    ("UPDATE seals SET sealed_at = sealed_at + interval '1 microsecond' WHERE position = 2", "seal_changed", 2),
    ("UPDATE seals SET digest = sha256('x') WHERE position = 2", "journal_changed", 2),
    ("UPDATE seals SET hash = sha256('x') WHERE position = 2", "seal_changed", 2),
    ("UPDATE seals SET position = 60 WHERE position = 2", "seal_missing", 2),
    ("UPDATE seals SET position = 20 WHERE position = 2; UPDATE seals SET position = 2 WHERE position = 4; UPDATE seals SET position = 4 WHERE position = 20", "seal_changed", 2),
    ("UPDATE seals SET journal_position = 98 WHERE position = 2", "journal_missing", 2),
    ("UPDATE seal_heads SET hash = repeat('0', 64) WHERE position = 3", "head_changed", 3),
    ("DELETE FROM seal_heads WHERE position = 3", "head_changed", 3),
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
    url = postgres_admin_url.rpartition("/")[0] + "/" + ledger_urls.app.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("accounts", "journals", "entries", "seals", "seal_heads", "seal_shards"):
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


def test_every_row_that_a_superuser_changes_is_found_by_name(sealed, superuser):
    ledger, kept = sealed
    missed = []
    for statements, what, position in MUTATIONS:
        with superuser.transaction():
            for statement in statements.split("; "):
                assert superuser.execute(statement).rowcount, statement
        finding = verified(ledger, kept).finding
        if finding is None or (finding.what, finding.position) != (what, position):
            missed.append((statements, what, position, finding))
        restore(superuser)
    assert not missed, "\n".join(map(str, missed))
    assert verified(ledger, kept).finding is None


TABLES = ("accounts", "journals", "entries", "seals", "seal_heads")


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
