"""The export is read by another program, which adds it up anew: Beancount finds no error and our balances."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal

import pytest
from beancount import loader
from beancount.core.data import Transaction
from typer.testing import CliRunner

from services.ledger.adapters.plain_text import PAGE_SEALS, plain_text
from services.ledger.adapters.plain_text_names import Language, account_name
from services.ledger.adapters.sealing import Sealer
from services.ledger.domain.chart import FAMILIES, Side
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.db.test_books_refuse import ENTRY, write_journal
from services.ledger.tests.payloads import Payment
from shared.kernel.money import currency_scale


@pytest.fixture
def books(ledger):
    first, second = Payment(1, merchant=1), Payment(2, merchant=2)
    ledger.tell(first.captured(10_000, 300), first.refund_requested(4_000), second.captured(500))
    ledger.tell(first.refund_failed(4_000), first.stray_found(70))
    for number, currency in enumerate(("JPY", "KWD", "CLF"), start=5):
        ledger.tell(Payment(number, merchant=1, currency=currency).captured(7_000, 1))
        ledger.tell(Payment(number, merchant=1, currency=currency).refund_adopted(6_995))
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


#: What hledger's journal format allows of what we write; every other line is a mistake of ours.
HLEDGER = {
    "comment": re.compile(r"(    )?; \S.*"),
    "decimal-mark": re.compile(r"decimal-mark \."),
    "commodity": re.compile(r"commodity 1000\.0{0,4} (?P<currency>[A-Z]{3})"),
    "account": re.compile(r"account (?P<name>[A-Z][A-Za-z0-9-]*(:[A-Z0-9][A-Za-z0-9-]*)+)"),
    "empty": re.compile(r""),
    "transaction": re.compile(r"\d{4}-\d{2}-\d{2} \* [a-z_:]+"),
    "posting": re.compile(
        r"    (?P<name>[A-Z]\S*)  (?P<amount>-?(0|[1-9]\d*)(\.\d+)?) (?P<currency>[A-Z]{3})"
    ),
}


def added_up_strictly(lines):
    """The sums of a file for hledger, whose every transaction balances and which declares its accounts and currencies."""
    declared, sums, nets = set(), defaultdict(Decimal), []
    for line in lines:
        (kind,) = [name for name, pattern in HLEDGER.items() if pattern.fullmatch(line)]
        found = HLEDGER[kind].fullmatch(line)
        if kind in {"account", "commodity"}:
            declared.add(found["name" if kind == "account" else "currency"])
        elif kind == "transaction":
            nets.append(defaultdict(Decimal))
        elif kind == "posting":
            assert {found["name"], found["currency"]} <= declared
            nets[-1][found["currency"]] += Decimal(found["amount"])
            sums[found["name"], found["currency"]] += Decimal(found["amount"])
    assert not [net for net in nets if any(net.values())]
    return len(nets), {key: value for key, value in sums.items() if value}


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


def test_hledger_is_given_what_its_grammar_allows_and_the_same_sums(books, ledger_urls, monkeypatch):
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    done = CliRunner().invoke(cli, ["export", "--language", "hledger"])
    assert done.exit_code == 0
    transactions, sums = added_up_strictly(done.stdout.splitlines())
    assert sums == expected(books)
    assert (transactions,) == books.rows("SELECT count(*) FROM journals")[0]
    assert {str(sums[key]) for key in sums if "Merchant-available" in key[0] and key[1] != "EUR"} == {
        "6995", "6.995", "0.6995",
    }  # fmt: skip


def test_a_currency_that_nobody_can_count_any_more_is_shown_in_minor_units(
    ledger, app_sql, ledger_urls, monkeypatch
):
    app_sql.execute(
        "INSERT INTO accounts (family, owner, currency, normal_side, transitional) VALUES"
        " ('merchant_pending', 'mer_1', 'ZZZ', 'credit', false), ('fee_revenue', 'platform', 'ZZZ', 'credit', false)"
    )
    write_journal(app_sql, 1)
    app_sql.execute(ENTRY + "(1, 1, 1, 'debit', 12345, 'ZZZ', NULL), (1, 2, 2, 'credit', 12345, 'ZZZ', NULL)")
    app_sql.commit()
    Sealer(ledger.transactions).turn()
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    for language, read in ((Language.BEANCOUNT, added_up), (Language.HLEDGER, added_up_strictly)):
        lines = list(plain_text(ledger.engine, PAGE_SEALS, language))
        assert "; amounts of ZZZ are in minor units" in lines
        _, sums = read("\n".join(lines) if language is Language.BEANCOUNT else lines)
        assert sums["Income:Fee-revenue:Platform", "ZZZ"] == -12_345
    words = ["statement", "fee_revenue", "platform", "ZZZ", "--since", "2020-01-01", "--until", "2099-01-01"]
    shown = CliRunner().invoke(cli, words)
    assert (shown.exit_code, "12345 (minor units)" in shown.stdout) == (0, True), shown.output


@pytest.mark.parametrize(
    "owners",
    [
        ("alpha_x:acct", "alpha:x_acct"),
        ("alpha:a.b", "alpha:a-b", "alpha:a_b", "alpha:a:b"),
        ("mer_1", "Mer_1", "mer__1", "mer:1", "mer-1"),
        ("a", "A", "_a", "-a", "ä"),
    ],
)
def test_owners_that_are_alike_have_accounts_of_their_own(owners):
    names = {account_name("bank_cash", owner) for owner in owners}
    assert len(names) == len(owners)
    assert all(HLEDGER["account"].fullmatch(f"account {name}") for name in names)
