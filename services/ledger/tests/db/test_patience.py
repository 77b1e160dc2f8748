"""An operator's command over the whole books is not ended by the time limit of serving."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder
from services.ledger.app.fold_snapshots import Folding
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.payloads import Payment


@pytest.fixture
def limits():
    """Under which time limit each statement that names an account's money ran, in the order of running."""
    seen = []

    def look(connection, cursor, statement, *_):
        if any(
            each in statement
            for each in ("account_snapshots", "FROM accounts JOIN entries", "FROM clearing_keys")
        ):
            cursor.execute("SHOW statement_timeout")
            seen.append((cursor.fetchone()[0], statement))

    sa.event.listen(sa.Engine, "before_cursor_execute", look)
    yield seen
    sa.event.remove(sa.Engine, "before_cursor_execute", look)


@pytest.mark.parametrize(
    ("words", "which"),
    [
        (["trial-balance"], "FROM accounts JOIN entries"),
        (["trial-balance", "--currency", "EUR"], "account_snapshots"),
        (["tree"], "account_snapshots"),
        (["negative"], "account_snapshots"),
        (["open-items"], "FROM clearing_keys"),
        (["clearing"], "FROM clearing_keys"),
        (["snapshots", "rebuild"], "DELETE FROM account_snapshots"),
    ],
)
def test_the_command_is_given_the_time_that_it_takes(ledger, ledger_urls, limits, words, which):
    ledger.tell(Payment(1).captured(10_000, 300))
    Sealer(ledger.transactions).turn()
    Folder(ledger.transactions, Folding(every_seals=1, entries_min=1)).turn()
    limits.clear()
    done = CliRunner().invoke(cli, words, env={"LEDGER_DATABASE_URL": ledger_urls.app})
    assert done.exit_code == 0, done.output
    assert {limit for limit, statement in limits if which in statement} == {"30min"}


@pytest.mark.parametrize("command", ["trial-balance", "tree"])
def test_a_currency_that_is_not_there_is_no_balance(ledger, ledger_urls, command):
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app}
    empty = CliRunner().invoke(cli, [command, "--currency", "EUR"], env=environment)
    assert (empty.exit_code, "nothing in the books" in empty.output) == (1, True), empty.output
    ledger.tell(Payment(1).captured(10_000, 300), Payment(2, currency="USD").captured(5, 1))
    for typed in ("EUX", "eur", "GBP"):
        done = CliRunner().invoke(cli, [command, "--currency", typed], env=environment)
        assert (done.exit_code, "EUR, USD only" in done.output) == (1, True), done.output
        assert "balance." not in done.output
    assert CliRunner().invoke(cli, [command, "--currency", "USD"], env=environment).exit_code == 0
