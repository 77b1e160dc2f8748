"""Balances over HTTP: now, as of a seal or a time, by effect; and refusals that help."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from starlette.testclient import TestClient
from typer.testing import CliRunner

from services.ledger.adapters.negative_balances import SqlNegativeBalances
from services.ledger.adapters.snapshotting import Folder
from services.ledger.adapters.statements import SqlStatements
from services.ledger.app.fold_snapshots import Folding
from services.ledger.app.tell_negative import tell_negative
from services.ledger.domain.chart import AccountRef
from services.ledger.entrypoints.cli import cli
from services.ledger.entrypoints.http import application
from services.ledger.tests import report
from services.ledger.tests.db.moments import DAY, ONE, PENDING, TWO, at_several_times, seal
from services.ledger.tests.payloads import NOW, Payment
from services.ledger.tests.plain_books import PlainBooks
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, TokenVerifier, new_key_pair

OPERATORS, MERCHANTS = new_key_pair(), new_key_pair()
AVAILABLE = AccountRef("merchant_available", ONE.merchant_id, "EUR")
OPERATOR = {"Authorization": f"Bearer {TokenIssuer(OPERATORS[0]).operator('ada', OperatorRole.VIEWER)}"}
MERCHANT = {"Authorization": f"Bearer {TokenIssuer(MERCHANTS[0]).merchant_reader(ONE.merchant_id, 'test')}"}


@pytest.fixture(params=["without snapshots", "with snapshots"])
def books(ledger, request):
    return at_several_times(ledger, folded=request.param == "with snapshots")


@pytest.fixture
def client(books):
    app = application(
        books.reader,
        SqlStatements(books.engine),
        SqlNegativeBalances(books.engine),
        now=lambda: NOW + timedelta(hours=1),
        operators=TokenVerifier(OPERATORS[1]),
        merchants=TokenVerifier(MERCHANTS[1]),
    )
    with TestClient(app) as client:
        yield client


def asked(client, path, headers=OPERATOR, **params):
    return client.get(path, headers=headers, params=params)


def written(time):
    return time.isoformat().replace("+00:00", "Z")


def test_what_is_not_available_yet_is_no_part_of_it(client):
    euros, dollars = asked(client, "/balances", MERCHANT).json()["data"]
    assert (euros["pending_minor"], euros["available_minor"]) == (9_700, 0)
    assert (dollars["currency"], dollars["pending_minor"]) == ("USD", 70)
    assert euros["arriving"] == dollars["arriving"] == [], "refunds and what is given back are no captures"


def test_a_settled_capture_is_available_on_its_day(books, client):
    books.tell(report.settled(ONE, 10_000, 300))
    before, on_the_day = (
        asked(client, "/balances", MERCHANT, currency="EUR", at=written(at)).json()["data"][0]
        for at in (report.AVAILABLE_ON, report.AVAILABLE_ON + timedelta(seconds=1))
    )
    assert before["arriving"] == [{"available_on": written(report.AVAILABLE_ON), "amount_minor": 9_700}]
    assert on_the_day["arriving"] == []
    assert on_the_day["available_minor"] == before["available_minor"] + 500 + 9_700
    assert (before["pending_minor"], on_the_day["pending_minor"]) == (9_700, 0)


@pytest.mark.parametrize("folding", [None, Folding(every_seals=1, entries_min=1)])
def test_money_arrives_by_the_day_and_of_so_many_days(books, client, ledger_urls, monkeypatch, folding):
    """Captured one after another, available a day or half a day after the other; the last one is taken back."""
    monkeypatch.setattr("services.ledger.adapters.balances.ARRIVAL_DAYS_MAX", 3)
    first = datetime.now(UTC).replace(hour=6) + DAY
    for number in range(11, 21):
        payment = Payment(number, merchant=1)
        books.tell(payment.captured(1_000 + number))
        books.tell(
            replace(report.settled(payment, 1_000 + number), available_on=first + (number - 11) * DAY / 2)
        )
        seal(books)
        if folding:
            Folder(books.transactions, folding).turn()
    books.tell((payment := Payment(21, merchant=1)).captured(7))
    books.tell(replace(report.settled(payment, 7), available_on=first + DAY))
    books.tell(report.unsettled(payment, 7), time=first + DAY)
    reads = SqlStatements(books.engine)
    days = [(first + nth * DAY + DAY / 2, 2_000 + 23 + 4 * nth) for nth in range(5)]
    found = reads.arrivals(ONE.merchant_id, "EUR", datetime.now(UTC), None)["EUR"]
    assert [(arrival.available_on, arrival.amount_minor) for arrival in found] == days[:3]
    found = reads.arrivals(ONE.merchant_id, None, days[0][0] + DAY, None)["EUR"]
    assert [(arrival.available_on, arrival.amount_minor) for arrival in found] == [
        (days[1][0], 1_014),
        *days[2:4],
    ]
    done = CliRunner().invoke(
        cli, ["balances", ONE.merchant_id], env={"LEDGER_DATABASE_URL": ledger_urls.app, "COLUMNS": "400"}
    )
    assert f"2023 on {first:%Y-%m-%d}" in done.stdout, done.output


@pytest.mark.parametrize(
    ("params", "available"),
    [
        ({"by": "booked"}, 460),
        ({"at": written(NOW + DAY)}, 0),
        ({"at": written(NOW + DAY + timedelta(seconds=1))}, -40),
        ({"at": "2100-01-01T00:00:00Z"}, 460),
        ({"at": "2100-01-01T00:00:00+20:00"}, 460),
        ({"at": "9999-12-31T23:59:59Z"}, 460),
        ({"by": "booked", "as_of": 3}, 500),
        ({"at": "2100-01-01T00:00:00Z", "as_of": 2}, 0),
        ({"at": written(NOW - DAY)}, None),
    ],
)
def test_available_at_any_moment(client, params, available):
    reply = asked(client, "/balances", MERCHANT, currency="EUR", **params).json()
    found = reply["data"][0]["available_minor"] if reply["data"] else None
    assert found == available
    assert reply["as_of"] == params.get("as_of")


@pytest.mark.parametrize("beyond", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_that_is_none_in_utc_is_refused_by_its_name(client, beyond):
    refused = asked(client, "/balances", MERCHANT, at=beyond)
    assert (refused.status_code, refused.json()["param"]) == (422, "at")


def test_a_booked_time_is_a_place_in_the_chain(books, client):
    plain = PlainBooks(books.engine)
    moments = sorted({entry["sealed_at"] for entry in plain.entries})
    later = application(
        books.reader, SqlStatements(books.engine), SqlNegativeBalances(books.engine),
        now=lambda: datetime(2100, 1, 1, tzinfo=UTC), operators=TokenVerifier(OPERATORS[1]), merchants=None,
    )  # fmt: skip
    with TestClient(later) as then:
        for number, moment in enumerate(moments):
            for at, expected in ((moment, number), (moment + timedelta(microseconds=1), number + 1)):
                reply = asked(
                    then,
                    "/balance",
                    at=written(at),
                    family=PENDING.family,
                    owner=PENDING.owner,
                    currency="EUR",
                ).json()
                if expected == 0:
                    assert reply["code"] == "account_not_found"
                    continue
                assert reply["as_of"] == expected
                assert reply["account"]["balance_minor"] == plain.balance(PENDING, as_of=expected)


@pytest.mark.parametrize(
    ("path", "params", "status", "code", "param", "said"),
    [
        ("/balance", {"currency": "GBP"}, 404, "currency_not_held", "currency", "EUR, USD"),
        ("/balance", {"owner": "mer_nobody"}, 404, "account_not_found", None, "no such account"),
        ("/balance", {"family": "piggy_bank"}, 422, "field_invalid", "family", "merchant_available"),
        ("/balance", {"currency": "eur"}, 422, "field_invalid", "currency", ""),
        ("/balance", {"at": "2100-01-01T00:00:00Z"}, 422, "time_in_future", "at", "by=effective"),
        ("/balance", {"at": "2026-01-01T00:00:00"}, 422, "field_invalid", "at", "offset"),
        ("/balance", {"as_of": "6"}, 409, "not_sealed_yet", "as_of", "ends at 5"),
        ("/balance", {"as_of": "1", "at": "2026-01-01T00:00:00Z"}, 422, "field_invalid", "as_of", "One of"),
        ("/statement", {"since": "2099-01-01T00:00:00Z"}, 422, "time_in_future", "since", "by=effective"),
        ("/statement", {"currency": "GBP"}, 404, "currency_not_held", "currency", "EUR, USD"),
    ],
)  # fmt: skip
def test_refusals_say_what_there_is(client, path, params, status, code, param, said):
    usual = {"family": PENDING.family, "owner": PENDING.owner, "currency": "EUR"}
    if path == "/statement":
        usual |= {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
    reply = asked(client, path, **{**usual, **params})
    body = reply.json()
    assert (reply.status_code, body["code"], body.get("param")) == (status, code, param), body
    assert said in body["detail"]


def test_a_merchant_asks_for_its_own_account_only(client):
    own = {"family": PENDING.family, "currency": "EUR"}
    assert asked(client, "/balance", MERCHANT, **own).json()["account"]["balance_minor"] == 9_700
    assert asked(client, "/balance", MERCHANT, **own, owner=TWO.merchant_id).status_code == 404
    for path in ("/account-tree", "/negative-balances"):
        assert asked(client, path, MERCHANT).status_code == 401


@pytest.mark.parametrize(
    "params",
    [{}, {"as_of": 2}, {"by": "effective", "at": written(NOW)}, {"currency": "EUR"}, {"currency": "USD", "as_of": 5}],
)  # fmt: skip
def test_the_trial_balance_of_any_moment_is_the_sum_of_its_entries(books, client, params):
    reply = asked(client, "/trial-balance", **params).json()
    before = NOW if "at" in params else None
    expected = {}
    for account, (debit, credit) in (
        PlainBooks(books.engine).sides(as_of=params.get("as_of"), before=before).items()
    ):
        if params.get("currency") in (None, account.currency):
            sides = expected.setdefault((account.currency, account.family), [0, 0])
            sides[0] += debit
            sides[1] += credit
    found = {
        (line["currency"], line["family"]): [line["debit_minor"], line["credit_minor"]]
        for line in reply["lines"]
        if line["debit_minor"] or line["credit_minor"]
    }
    assert (found, reply["balanced"]) == (expected, True)


def test_the_tree_adds_families_up_under_whose_money_they_are(client):
    branches = asked(client, "/account-tree", currency="EUR").json()["branches"]
    assert [branch["owners"] for branch in branches] == ["merchant", "processor account", "platform"]
    assert sum(branch["net_debit_minor"] for branch in branches) == 0
    merchants = branches[0]
    assert merchants["credit_minor"] == sum(family["credit_minor"] for family in merchants["families"])
    assert merchants["accounts"] == sum(family["accounts"] for family in merchants["families"])


def test_accounts_of_a_moment(client):
    found = asked(client, "/accounts", family="merchant_pending", as_of=2).json()
    assert [account["balance_minor"] for account in found["data"]] == [9_700, 800]
    assert found["as_of"] == 2


def test_entries_of_a_payment_come_in_pages_and_each_sees_its_own(client):
    path = f"/payments/{ONE.payment_id}/entries"
    whole = asked(client, path).json()["data"]
    assert [entry["seal_position"] for entry in whole] == [1, 1, 1, 3, 3, 4, 4]
    shown, cursor = [], None
    while cursor is not None or not shown:
        page = asked(client, path, limit=2, **({"cursor": cursor} if cursor else {})).json()
        shown += page["data"]
        cursor = page["next_cursor"]
    assert shown == whole
    own = asked(client, path, MERCHANT).json()["data"]
    assert {entry["owner"] for entry in own} == {ONE.merchant_id}
    assert asked(client, f"/payments/{TWO.payment_id}/entries", MERCHANT).status_code == 404
    assert asked(client, path, cursor="x").json()["param"] == "cursor"
    journal = asked(client, f"/journals/{whole[0]['journal_id']}").json()
    assert (journal["seal_position"], journal["cause_event_type"]) == (1, "PaymentCaptured.v1")


def test_who_owes_us_since_when_without_a_break(books, client):
    assert asked(client, "/negative-balances").json()["data"] == []
    fell = []
    for amount in (500, 300):  # below zero, above again, below for good
        fell.append(books.tell(TWO.refund_requested(amount, nth=amount))[0])
        seal(books)
        if amount == 500:
            books.tell(TWO.reversal_given_back(600, 9))
            Folder(books.transactions, Folding(every_seals=1, entries_min=1)).turn()
    books.tell(TWO.refund_requested(10, nth=7))
    found = asked(client, "/negative-balances").json()
    since = books.rows("SELECT booked_at FROM journals WHERE amount_minor = 300")[0][0]
    assert found["data"] == [
        {"merchant_id": TWO.merchant_id, "currency": "EUR", "balance_minor": -210, "since": written(since)}
    ]
    assert found["totals"] == [
        {"currency": "EUR", "merchants": 1, "owed_minor": 210, "oldest": written(since)}
    ]
    told = []
    tell_negative(
        SqlNegativeBalances(books.engine), since + timedelta(minutes=3), lambda *all_: told.append(all_)
    )
    assert told == [("EUR", 210, 180.0)]


def test_every_route_and_parameter_is_described(client):
    said = {
        (method, path): route
        for path, methods in client.app.openapi()["paths"].items()
        for method, route in methods.items()
    }
    assert len(said) > 10
    assert [name for name, route in said.items() if not route.get("description")] == []
    asked = [
        (name, parameter["name"])
        for name, route in said.items()
        for parameter in route.get("parameters", [])
        if parameter["in"] == "query" and not parameter.get("description")
    ]
    assert not asked, asked
