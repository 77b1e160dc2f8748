"""What is wrong with reports and statements themselves: planted where it is asked for, one break each, and in the key."""

import csv
import io
import json
from decimal import Decimal

import pytest

from services.sandbox.tests.db.conftest import DAY_S, SETTLEMENT, get, key, script, span
from services.sandbox.tests.db.test_reports import statements

OF_FILES = {
    "total": "payout_total_mismatch",
    "unreadable": "unreadable_lines",
    "said_before": "file_order_unknown",
    "entry_lost": "statement_total_mismatch",
    "statement_lost": "statement_missing",
}


@pytest.fixture
def traded(traded):
    """The bank has booked on two days at least: one statement may follow another."""
    for currency in ("EUR", "KWD"):
        traded.sell(f"last{currency}", amount=12_345, currency=currency)
    script(traded, "payouts", processor="alpha", everything=True, fate="arrives")
    traded.advance(10 * DAY_S)
    return traded


@pytest.fixture
def planted(traded):
    """By error; the key tells the same, also after a second planting."""
    made = script(traded, "errors", seed="7", of_files=True)["data"]
    assert script(traded, "errors", seed="7")["data"] == made == key(traded, "7")
    found = {error["error"]: error for error in made}
    assert len(found) == len(made) == 17
    assert {name: found[name]["break_type"] for name in OF_FILES} == OF_FILES
    return found


def lines(body):
    return body.decode().splitlines()


def report(traded, form="tieout_csv", **more):
    asked = {"processor": "alpha", "format": form, **span(traded)}
    return get(traded, "settlement", **asked, **more).content


def test_without_being_asked_for_there_is_none(traded):
    script(traded, "errors", seed="8")
    assert not {error["error"] for error in key(traded, "8")} & set(OF_FILES)


@pytest.mark.parametrize("form", SETTLEMENT)
def test_a_row_of_a_charge_lacks_its_last_column_and_counts_nowhere(traded, planted, form):
    head, *rows = csv.reader(io.StringIO(report(traded, form, seed="7").decode()))
    (short,) = [row for row in rows if len(row) != len(head)]
    assert len(short) == len(head) - 1
    assert planted["unreadable"]["object_id"] in short
    assert planted["unreadable"]["at_risk_minor"] == 0


def test_a_payouts_own_row_says_more_than_its_lines(traded, planted):
    sums = {}
    for row in csv.DictReader(io.StringIO(report(traded, seed="7").decode())):
        if row["balance_transaction_id"] != planted["unreadable"]["transaction_id"]:
            payout = row["automatic_payout_id"]
            sums[payout] = sums.get(payout, Decimal(0)) + Decimal(row["net"])
    off = {payout: -left for payout, left in sums.items() if left}
    error = planted["total"]
    scale = Decimal(10) ** (3 if error["currency"] == "KWD" else 2)
    assert {payout: left * scale for payout, left in off.items()} == {error["payout_id"]: error["told_minor"]}
    assert error["at_risk_minor"] == error["told_minor"] - error["true_minor"] > 0


@pytest.mark.parametrize("form", SETTLEMENT)
def test_the_first_edition_has_the_lines_alone_that_were_told_otherwise_before(traded, planted, form):
    error = planted["said_before"]
    head, only = lines(report(traded, form, seed="7", edition="first"))
    final = lines(report(traded, form, seed="7"))
    (told,) = [row for row in final if error["object_id"] in row and row != only]
    assert final[0] == head
    assert only not in final
    assert (told in lines(report(traded, form)), error["object_id"] in only) == (True, True)
    assert lines(report(traded, form, edition="first")) == [head]


def test_the_first_edition_is_one_of_two(alpha):
    asked = {"processor": "alpha", "format": "tieout_csv", "edition": "second"}
    reply = get(alpha, "settlement", **asked)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "edition")


@pytest.mark.parametrize("form", ["camt053", "mt940", "bai2"])
def test_statements_lose_an_entry_and_a_whole_statement_and_nothing_else(traded, planted, form):
    lost, jumps = {}, {}
    for currency in ("EUR", "KWD"):
        at = None
        scale = 1 if form == "bai2" else Decimal(10) ** (3 if currency == "KWD" else 2)
        body = get(traded, "bank", currency=currency, format=form, **span(traded), seed="7").content
        for opening, entries, closing in statements(form, body):
            lost[currency] = lost.get(currency, 0) + (closing - opening - sum(entries)) * scale
            jumps[currency] = jumps.get(currency, 0) + (opening - (opening if at is None else at)) * scale
            at = closing
    for found, name in ((lost, "entry_lost"), (jumps, "statement_lost")):
        error = planted[name]
        assert {currency: minor for currency, minor in found.items() if minor} == {
            error["currency"]: error["at_risk_minor"]
        }
        assert error["bank_reference"]


def test_files_with_errors_are_asked_for_by_command_too(traded, commands):
    made = json.loads(commands("plant-errors", "--seed", "cmd", "--of-files", "--json").out)
    assert set(OF_FILES) <= {error["error"] for error in made}
    words = ["report", "settlement", "--processor", "alpha", "--format", "tieout_csv", "--seed", "cmd"]
    asked = [word for name, value in span(traded).items() for word in (f"--{name}", value)]
    first = commands(*words, *asked, "--edition", "first").out
    assert first == report(traded, seed="cmd", edition="first")
