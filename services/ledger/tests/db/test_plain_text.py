"""The export is read by another program, which adds it up anew: Beancount finds no error and our balances."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from beancount import loader
from beancount.core.data import Transaction
from typer.testing import CliRunner

from services.ledger.adapters.plain_text import PAGE_SEALS, account_name, plain_text
from services.ledger.adapters.sealing import Sealer
from services.ledger.domain.chart import FAMILIES, Side
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.payloads import Payment
from shared.kernel.money import currency_scale


@pytest.fixture
def books(ledger):
    first, second = Payment(1, merchant=1), Payment(2, merchant=2)
    ledger.tell(first.captured(10_000, 300), first.refund_requested(4_000), second.captured(500))
    ledger.tell(first.refund_failed(4_000), first.stray_found(70))
    ledger.tell(Payment(5, merchant=1, currency="JPY").captured(7_000, 10))
    ledger.tell(*(Payment(number, merchant=3).captured(number, 1) for number in range(10, 40)))
    Sealer(ledger.transactions).turn()
    return ledger


def added_up(text):
    entries, errors, _ = loader.load_string(text)
    assert errors == []
    sums = defaultdict(Decimal)
    transactions = [entry for entry in entries if isinstance(entry, Transaction)]
    for entry in transactions:
        for posting in entry.postings:
            sums[posting.account, posting.units.currency] += posting.units.number
    return transactions, {key: value for key, value in sums.items() if value}


def expected(ledger):
    found = {}
    for (family, owner, currency), balance_minor in ledger.balances().items():
        sign = 1 if FAMILIES[family].normal_side is Side.DEBIT else -1
        key = (account_name(family, owner), currency)
        found[key] = Decimal(sign * balance_minor).scaleb(-currency_scale(currency))
    return found


def test_beancount_reads_it_and_comes_to_our_balances(books, ledger_urls, monkeypatch):
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    done = CliRunner().invoke(cli, ["export"])
    assert done.exit_code == 0
    transactions, sums = added_up(done.stdout)
    assert sums == expected(books)
    journals = books.rows("SELECT journal_id FROM journals")
    assert {entry.meta["journal_id"] for entry in transactions} == {row[0] for row in journals}
    (reversal,) = [entry for entry in transactions if "reverses" in entry.meta]
    assert reversal.narration.endswith("reversed")


def test_it_is_not_cut_behind_the_chain(books, ledger_urls, monkeypatch):
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    done = CliRunner().invoke(cli, ["export", "--as-of", "1000"])
    assert (done.exit_code, "not_sealed_yet" in done.output) == (1, True)


def test_it_is_cut_at_a_seal_and_the_same_in_pages_of_any_size(books, monkeypatch):
    whole = list(plain_text(books.engine, PAGE_SEALS))
    monkeypatch.setattr("services.ledger.adapters.plain_text.PAGE_SEALS", 3)
    assert list(plain_text(books.engine, PAGE_SEALS)) == whole
    transactions, sums = added_up("\n".join(plain_text(books.engine, 1)))
    assert [entry.narration for entry in transactions] == ["capture"]
    assert sum(sums.values()) == 0


def test_accounts_of_different_owners_have_different_names(books):
    names = [
        account_name(family, owner)
        for family, owner in books.rows("SELECT DISTINCT family, owner FROM accounts")
    ]
    assert len(set(names)) == len(names)
