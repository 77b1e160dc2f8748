"""A snapshot that does not say what the entries say is found by name, whatever of it was changed, and made anew."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from services.ledger.adapters.snapshotting import rebuild
from services.ledger.app.moments import EVERYTHING
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.db.tampering import changed_columns, columns_of, superuser_of
from services.ledger.tests.db.test_snapshots import DAY, EAGER, FIRST_DAY, book, finding, fold, seal, sides
from services.ledger.tests.payloads import Payment
from services.ledger.tests.plain_books import PlainBooks

DAMAGE = [
    "debit_minor = debit_minor + 1",
    "credit_minor = credit_minor + 1",
    "entries = entries + 1",
    "position = position - 1",
    "settled_position = settled_position + 2",
    "reached_position = reached_position + 1",
    "effective_at_max = effective_at_max - interval '1 day'",
    "account_id = 77",
]
#: Of another shard it is read by nobody: the snapshot before it is, and what stands behind that.
NOT_READ = {("account_snapshots", "shard")}


@pytest.fixture
def superuser(ledger_urls, postgres_admin_url):
    with superuser_of(ledger_urls, postgres_admin_url) as connection:
        yield connection


AHEAD_DAMAGE = [
    "UPDATE snapshots_ahead SET credit_minor = credit_minor + 1",
    "UPDATE snapshots_ahead SET debit_minor = debit_minor + 1",
    "UPDATE snapshots_ahead SET entries = entries + 1",
    "UPDATE snapshots_ahead SET effective_at = effective_at + interval '1 day'",
    "UPDATE snapshots_ahead SET rule = 'no_rule'",
    "UPDATE snapshots_ahead SET shard = 1",
    "UPDATE snapshots_ahead SET account_id = account_id + 70",
    "UPDATE snapshots_ahead SET position = 4",
    "DELETE FROM snapshots_ahead",
    "INSERT INTO snapshots_ahead SELECT account_id, shard, effective_at, position, 'no_rule', 1, 1, 1 FROM snapshots_ahead",
]


def test_every_column_of_a_snapshot_is_tried_below(ledger):
    damaged = changed_columns(
        [*(f"UPDATE account_snapshots SET {damage}" for damage in DAMAGE), *AHEAD_DAMAGE]
    )
    assert damaged | NOT_READ == columns_of(ledger, "account_snapshots", "snapshots_ahead")


@pytest.mark.parametrize("damage", AHEAD_DAMAGE)
def test_what_is_damaged_of_what_is_ahead_is_found_and_made_anew(ledger, superuser, damage):
    book(ledger, 1, 2)
    ledger.tell(Payment(3).captured(10_000), time=FIRST_DAY + 9 * DAY)
    seal(ledger)
    fold(ledger)
    assert finding(ledger) is None
    assert superuser.execute(damage).rowcount
    found = finding(ledger)
    assert (found.what, found.position) == ("snapshot_wrong", 3)
    assert "of what takes effect at" in found.detail
    rebuild(ledger.transactions, EAGER)
    assert finding(ledger) is None


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_snapshot_is_found_named_and_made_anew(ledger, superuser, ledger_urls, monkeypatch, damage):
    book(ledger, *range(1, 5))
    seal(ledger)
    fold(ledger)
    book(ledger, 5, 6, 7)
    seal(ledger)
    fold(ledger)
    assert finding(ledger) is None
    chosen = "(account_id, position) = (SELECT account_id, position FROM account_snapshots ORDER BY position, account_id LIMIT 1)"
    where = f"{chosen} RETURNING position, (SELECT concat_ws(' ', family, owner, currency) FROM accounts a WHERE a.account_id = account_snapshots.account_id)"
    position, name = superuser.execute(f"UPDATE account_snapshots SET {damage} WHERE {where}").fetchone()
    found = finding(ledger)
    assert found is not None
    assert (found.what, found.position) == ("snapshot_wrong", position)
    assert f"snapshot of {name or 'account 77'}" in found.detail
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    assert CliRunner().invoke(cli, ["verify"]).exit_code == 1
    rebuild(ledger.transactions, EAGER)
    assert finding(ledger) is None


def test_reads_do_begin_at_snapshots(ledger, superuser):
    """If they did not, a wrong one would not show, and all the tests above would say nothing."""
    book(ledger, *range(1, 5))
    seal(ledger)
    fold(ledger)
    superuser.execute(
        "UPDATE account_snapshots SET credit_minor = credit_minor + 1, debit_minor = debit_minor + 1"
    )
    book(ledger, 5)
    plain = PlainBooks(ledger.engine).sides()
    assert sides(ledger, EVERYTHING) == {account: (d + 1, c + 1) for account, (d, c) in plain.items()}
