"""Balances in the terminal: the same as over HTTP, and refusals of one line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from services.ledger.entrypoints.cli import cli
from services.ledger.tests.db.moments import ONE, PENDING, at_several_times


@pytest.fixture(params=["without snapshots", "with snapshots"])
def books(ledger, request):
    return at_several_times(ledger, folded=request.param == "with snapshots")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["balances", ONE.merchant_id, "--by", "booked"], "460"),
        (["balances", ONE.merchant_id, "--at", "2026-11-23"], "9700"),
        (["balance", *PENDING], "9700"),
        (["balance", *PENDING, "--as-of", "1", "--json"], '"balance_minor": 9700'),
        (["trial-balance", "--as-of", "2"], "The books balance."),
        (["trial-balance", "--by", "effective", "--at", "2026-11-20"], "800"),
        (["tree", "--currency", "EUR"], "processor account"),
        (["tree", "--json"], '"owners": "merchant"'),
        (["tree", "--as-of", "2", "--json"], '{"as_of": 2, "branches": '),
        (["balance", *PENDING, "--as-of", "2", "--json"], '{"as_of": 2, "account": '),
        (["balance", *PENDING, "--json"], '{"as_of": null, "account": '),
        (["balances", ONE.merchant_id, "--as-of", "2", "--by", "booked", "--json"], '{"as_of": 2, "data": '),
        (["negative"], "EUR: 0 merchants owe 0"),
        (["negative", "--json"], '"totals"'),
        (["entries", ONE.payment_id], "merchant_pending"),
    ],
)
def test_the_same_in_the_terminal(books, ledger_urls, words, shown):
    done = CliRunner().invoke(cli, words, env={"LEDGER_DATABASE_URL": ledger_urls.app})
    assert (done.exit_code, shown in done.stdout) == (0, True), done.output


def test_one_journal_in_the_terminal(books, ledger_urls):
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app}
    journal_id = books.rows("SELECT journal_id FROM journals ORDER BY position LIMIT 1")[0][0]
    assert "PaymentCaptured.v1" in CliRunner().invoke(cli, ["journal", journal_id], env=environment).stdout
    done = CliRunner().invoke(cli, ["journal", journal_id, "--json"], env=environment)
    assert json.loads(done.stdout)["seal_position"] == 1
    refused = CliRunner().invoke(cli, ["journal", "jrn_none"], env=environment)
    assert (refused.exit_code, "no journal jrn_none" in refused.output) == (1, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["balance", "merchant_pending", ONE.merchant_id, "GBP"], "EUR, USD only"),
        (["balance", *PENDING, "--at", "2100-01-01"], "time that has come"),
        (["balance", *PENDING, "--as-of", "99"], "ends at 5"),
    ],
)
def test_refusals_in_the_terminal_are_one_line(books, ledger_urls, words, code):
    done = CliRunner().invoke(cli, words, env={"LEDGER_DATABASE_URL": ledger_urls.app})
    assert (done.exit_code, code in done.output) == (1, True), done.output
