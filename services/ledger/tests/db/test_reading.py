"""The reads over HTTP and in the terminal: who may see what, and that it is what the books hold."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from services.ledger.adapters.negative_balances import SqlNegativeBalances
from services.ledger.adapters.statements import SqlStatements
from services.ledger.entrypoints.cli import cli
from services.ledger.entrypoints.http import application
from services.ledger.tests.payloads import Payment, ident
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, TokenVerifier, new_key_pair

OPERATORS, MERCHANTS = new_key_pair(), new_key_pair()
PAYMENT, FOREIGN = Payment(1, merchant=1), Payment(2, merchant=2)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


OPERATOR = bearer(TokenIssuer(OPERATORS[0]).operator("ada", OperatorRole.VIEWER))
MERCHANT = bearer(TokenIssuer(MERCHANTS[0]).merchant_reader(PAYMENT.merchant_id, "test"))
FORGED = bearer(TokenIssuer(new_key_pair()[0]).operator("eve", OperatorRole.ADMIN))


@pytest.fixture
def told(ledger):
    ledger.tell(PAYMENT.captured(10_000, 300), PAYMENT.refund_requested(4_000), FOREIGN.captured(500))
    ledger.tell(PAYMENT.refund_failed(4_000), PAYMENT.stray_found(70))
    return ledger


@pytest.fixture
def client(told):
    app = application(
        told.reader,
        SqlStatements(told.engine),
        SqlNegativeBalances(told.engine),
        operators=TokenVerifier(OPERATORS[1]),
        merchants=TokenVerifier(MERCHANTS[1]),
    )
    with TestClient(app) as client:
        yield client


OPERATOR_ONLY = ["/accounts", "/trial-balance", "/open-items"]
SHARED = ["/balances", f"/payments/{PAYMENT.payment_id}/journals", f"/journals/{ident('jrn', 1)}"]


@pytest.mark.parametrize("path", OPERATOR_ONLY + SHARED)
@pytest.mark.parametrize("headers", [{}, FORGED, bearer("x"), {"Authorization": "Basic x"}])
def test_nobody_reads_without_a_good_token(client, path, headers):
    assert client.get(path, headers=headers).status_code == 401


@pytest.mark.parametrize("path", OPERATOR_ONLY)
def test_a_merchant_does_not_see_the_platforms_books(client, path):
    assert client.get(path, headers=MERCHANT).status_code == 401


def test_a_merchant_sees_its_own_balance(client):
    expected = [
        {
            "merchant_id": PAYMENT.merchant_id, "currency": "EUR", "pending_minor": 9_700, "available_minor": 0,
            "arriving": [],
        }
    ]  # fmt: skip
    assert client.get("/balances", headers=MERCHANT).json() == {"as_of": None, "data": expected}
    named = {"merchant": PAYMENT.merchant_id}
    assert client.get("/balances", headers=OPERATOR, params=named).json()["data"] == expected
    assert client.get("/balances", headers=MERCHANT, params={"currency": "USD"}).json()["data"] == []


def test_an_operator_must_name_the_merchant(client):
    reply = client.get("/balances", headers=OPERATOR)
    assert (reply.status_code, reply.json()["param"]) == (422, "merchant")


@pytest.mark.parametrize(
    "path",
    [
        f"/balances?merchant={FOREIGN.merchant_id}",
        f"/payments/{FOREIGN.payment_id}/journals",
        "/journals/jrn_unknown",
    ],
)
def test_what_is_somebody_elses_does_not_exist_for_a_merchant(client, path):
    assert client.get(path, headers=MERCHANT).status_code == 404


def test_a_foreign_journal_does_not_exist_for_a_merchant(client):
    journals = client.get(f"/payments/{FOREIGN.payment_id}/journals", headers=OPERATOR).json()["data"]
    path = f"/journals/{journals[0]['journal_id']}"
    assert client.get(path, headers=OPERATOR).status_code == 200
    assert client.get(path, headers=MERCHANT).status_code == 404


def test_journals_show_their_cause_their_parties_and_their_reversal(client):
    journals = client.get(f"/payments/{PAYMENT.payment_id}/journals", headers=OPERATOR).json()["data"]
    by_rule = {journal["rule"]: journal for journal in journals}
    assert list(by_rule) == ["capture", "refund_requested", "refund_requested_reversed", "stray_found"]
    asked, reversal = by_rule["refund_requested"], by_rule["refund_requested_reversed"]
    assert asked["reversed_by_journal_id"] == reversal["journal_id"]
    assert reversal["reverses_journal_id"] == asked["journal_id"]
    assert by_rule["capture"]["cause_event_type"] == "PaymentCaptured.v1"
    assert (by_rule["capture"]["from_party"], by_rule["capture"]["to_party"]) == ("customer", "merchant")
    assert client.get(f"/journals/{asked['journal_id']}", headers=OPERATOR).json() == asked


def test_a_merchant_sees_the_entries_on_its_own_accounts_only(client):
    journals = client.get(f"/payments/{PAYMENT.payment_id}/journals", headers=MERCHANT).json()["data"]
    owners = {entry["owner"] for journal in journals for entry in journal["entries"]}
    assert owners == {PAYMENT.merchant_id}


def test_the_trial_balance_sums_to_zero(client):
    found = client.get("/trial-balance", headers=OPERATOR).json()
    assert (found["balanced"], found["imbalance_minor"]) == (True, {"EUR": 0})
    assert {line["family"]: line["balance_minor"] for line in found["lines"]} == {
        "fee_revenue": 300,
        "merchant_available": 0,
        "merchant_pending": 10_200,
        "processor_receivable": 10_570,
        "refunds_in_flight": 0,
        "suspense": 70,
    }


def test_accounts_come_in_pages(client):
    first = client.get("/accounts", headers=OPERATOR, params={"limit": 4}).json()
    rest = client.get(
        "/accounts", headers=OPERATOR, params={"limit": 100, "after": first["next_after"]}
    ).json()
    assert (len(first["data"]), len(rest["data"]), rest["next_after"]) == (4, 3, None)
    only = client.get("/accounts", headers=OPERATOR, params={"family": "suspense"}).json()["data"]
    assert [(account["owner"], account["balance_minor"]) for account in only] == [("platform", 70)]


def test_open_items_name_what_has_not_returned_to_zero(client):
    items = client.get("/open-items", headers=OPERATOR, params={"family": "suspense"}).json()["data"]
    assert [(item["clearing_key"], item["balance_minor"]) for item in items] == [(PAYMENT.id("str", 0), 70)]


@pytest.mark.parametrize("query", ["currency=eur", "limit=0", "limit=100000", "after=-1"])
def test_a_bad_question_is_refused_with_its_field(client, query):
    reply = client.get(f"/accounts?{query}", headers=OPERATOR)
    assert (reply.status_code, reply.json()["param"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize(
    "path", ["/accounts?family=petty_cash", "/open-items?family=petty_cash", "/open-items?family=fee_revenue"]
)
def test_a_family_of_which_nothing_can_be_found_is_refused_and_those_there_are_named(client, path):
    """An empty list would say that all has returned to zero."""
    reply = client.get(path, headers=OPERATOR)
    assert (reply.status_code, reply.json()["code"], reply.json()["param"]) == (
        422,
        "field_invalid",
        "family",
    )
    assert "suspense" in reply.json()["detail"]


def run(ledger_urls, *words):
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app}
    return CliRunner().invoke(cli, list(words), env=environment)


def test_the_command_line_shows_the_same_books(told, ledger_urls):
    balance = run(ledger_urls, "balances", PAYMENT.merchant_id, "--json")
    assert json.loads(balance.stdout)["data"][0]["pending_minor"] == 9_700
    trial = run(ledger_urls, "trial-balance", "--json")
    assert (trial.exit_code, json.loads(trial.stdout)["balanced"]) == (0, True)
    journals = json.loads(run(ledger_urls, "journals", PAYMENT.payment_id, "--json").stdout)
    assert [journal["rule"] for journal in journals][:2] == ["capture", "refund_requested"]
    assert (
        json.loads(run(ledger_urls, "open-items", "--family", "suspense", "--json").stdout)[0][
            "balance_minor"
        ]
        == 70
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["balances", PAYMENT.merchant_id], "9700"),
        (["trial-balance"], "The books balance."),
        (["journals", PAYMENT.payment_id], "refund_requested"),
        (["open-items"], "suspense"),
    ],
)
def test_the_command_line_draws_tables_for_people(told, ledger_urls, words, shown):
    result = run(ledger_urls, *words)
    assert result.exit_code == 0, result.output
    assert shown in result.stdout


NOBODYS = "pay_" + "9" * 26


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["journals", NOBODYS], 1, f"Nothing is booked of a payment {NOBODYS}."),
        (["entries", NOBODYS, "--json"], 1, f"Nothing is booked of a payment {NOBODYS}."),
        (["journal", "jrn_nobodys"], 1, "There is no journal jrn_nobodys."),
        (["open-items", "--family", "fee_revenue"], 1, "Only these return to zero"),
        (["adjustments", "list", "--state", "BOOKED"], 2, "APPROVED"),
    ],
)
def test_the_command_line_says_what_there_is_not(told, ledger_urls, words, status, says):
    result = run(ledger_urls, *words)
    assert (result.exit_code, result.stdout) == (status, "")
    assert says in result.stderr
