"""Adjustments over HTTP and by command line: roles, keys, stable codes, four eyes."""

from __future__ import annotations

import itertools
import json

import pytest
from typer.testing import CliRunner

from services.ledger.bootstrap import build
from services.ledger.entrypoints.cli import cli
from services.ledger.settings import LedgerSettings
from services.ledger.tests.db.adjusting import AVAILABLE, MERCHANT, known
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import load_settings
from shared.testing.serving import served

pytestmark = pytest.mark.db
CREDIT = {
    "template": "merchant_credit", "amount": 500, "currency": "eur", "merchant_id": MERCHANT, "reason": "goodwill",
    "attachment": "ticket 1",
}  # fmt: skip


class Office:
    """Operators with tokens, each with keys of their own."""

    def __init__(self, server, private_key):
        self._server, self._issuer, self._numbers = server, TokenIssuer(private_key), itertools.count()

    def call(self, method, path, body=None, *, who="ada", role=OperatorRole.OPERATOR, key=None):
        headers = {
            "Authorization": f"Bearer {self._issuer.operator(who, role)}",
            "Idempotency-Key": key or f"k-{next(self._numbers)}",
        }
        return self._server.call(method, path, body, headers)

    def propose(self, key=None, **changes):
        return self.call("POST", "/adjustments", {**CREDIT, **changes}, key=key)

    def decide(self, adjustment_id, step="approve", *, who="bob", role=OperatorRole.APPROVER):
        return self.call(
            "POST", f"/adjustments/{adjustment_id}/{step}", {"reason": "seen"}, who=who, role=role
        )


@pytest.fixture
def office(ledger, ledger_urls):
    private, public = new_key_pair()
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app, "LEDGER_OPERATOR_PUBLIC_KEY": public}
    runtime = build(load_settings(LedgerSettings, environment))
    try:
        with served(runtime.make_app()) as server:
            known(ledger)
            yield Office(server, private)
    finally:
        runtime.close()


def test_a_proposal_is_answered_once_and_booked_by_somebody_else(office, ledger):
    first = office.propose(key="once")
    again = office.propose(key="once")
    assert (first.status, first.body) == (201, again.body)
    assert office.propose(key="once", amount=501).document["code"] == "idempotency_key_reused"
    adjustment_id = first.document["id"]
    assert office.decide(adjustment_id, who="ada").document["code"] == "four_eyes"
    assert office.decide(adjustment_id, role=OperatorRole.OPERATOR).document["code"] == "role_too_low"
    approved = office.decide(adjustment_id)
    assert (approved.status, approved.document["state"], approved.document["decided_by"]) == (
        200, "APPROVED", "bob",
    )  # fmt: skip
    assert ledger.balances()[AVAILABLE] == 500
    back = {"reason": "wrong", "attachment": "ticket 2"}
    reversal = office.call("POST", f"/adjustments/{adjustment_id}/reverse", back)
    assert (reversal.status, reversal.document["reverses"]) == (201, adjustment_id)
    second = office.call("POST", f"/adjustments/{adjustment_id}/reverse", back)
    assert (second.status, second.document["code"]) == (409, "adjustment_reversed_already")
    assert office.decide(reversal.document["id"]).status == 200
    assert ledger.balances() == {}
    viewer = {"role": OperatorRole.VIEWER}
    listed = office.call("GET", "/adjustments?state=APPROVED", **viewer).document["data"]
    assert [row["id"] for row in listed] == [reversal.document["id"], adjustment_id]
    assert office.call("GET", f"/adjustments/{adjustment_id}", **viewer).document == approved.document
    templates = office.call("GET", "/adjustment-templates", **viewer).document["data"]
    assert {row["template"] for row in templates if row["floor"]} == {"merchant_payout"}
    assert {row["template"]: row["takes_back"] for row in templates if row["takes_back"]} == {
        "merchant_debt_write_off": "merchant_available",
        "rounding_gain_cleared": "rounding",
        "rounding_loss_cleared": "rounding",
    }


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"template": "anything"}, 422, "template_unknown", "template"),
        ({"merchant_id": None}, 422, "parameter_missing", "merchant_id"),
        ({"clearing_key": "x"}, 422, "parameter_unknown", "clearing_key"),
        ({"amount": 0}, 422, "amount_not_positive", "amount"),
        ({"amount": 1.5}, 422, None, "amount"),
        ({"amount": "5"}, 422, None, "amount"),
        ({"currency": "zzz"}, None, None, "currency"),
        ({"reason": " "}, 422, None, "reason"),
        ({"attachment": ""}, 422, None, "attachment"),
    ],
)
def test_what_is_not_filled_in_right_is_refused_naming_the_field(office, changes, status, code, param):
    refused = office.propose(**changes)
    assert refused.document["param"] == param
    assert status is None or refused.status == status
    assert code is None or refused.document["code"] == code


def test_a_rejected_one_stays_so_and_an_unknown_one_is_not_found(office):
    adjustment_id = office.propose().document["id"]
    assert office.decide(adjustment_id, "reject", who="ada").document["state"] == "REJECTED"
    assert office.decide(adjustment_id).document["code"] == "adjustment_wrong_state"
    assert office.decide("adj_" + "0" * 26).document["code"] == "adjustment_not_found"


def test_the_same_by_command_line(ledger, ledger_urls, operators, monkeypatch):
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    monkeypatch.setenv("LEDGER_OPERATOR_PUBLIC_KEY", operators.public_key)
    ada, bob = operators("ada"), operators("bob")
    known(ledger)

    def run(*arguments):
        return CliRunner().invoke(cli, ["adjustments", *arguments])

    why = ["--reason", "goodwill", "--token-file"]
    proposed = run(
        "propose", "merchant_credit", "--amount", "500", "--currency", "EUR", "--merchant", MERCHANT,
        "--attachment", "ticket 1", "--json", *why, ada,
    )  # fmt: skip
    adjustment_id = json.loads(proposed.stdout)["id"]
    refused = run("approve", adjustment_id, *why, ada)
    assert refused.exit_code == 1
    assert "four_eyes" in refused.output
    # Another token is not another person; what the audit trail cannot take is said before anything is done.
    assert "four_eyes" in run("approve", adjustment_id, *why, operators("ada")).output
    for reason in (" ", "x\x00", "x" * 513):
        unsaid = run("approve", adjustment_id, "--token-file", bob, "--reason", reason)
        assert (unsaid.exit_code, "printable characters" in unsaid.output) == (2, True)
    assert json.loads(run("approve", adjustment_id, "--json", *why, bob).stdout)["state"] == "APPROVED"
    assert ledger.balances()[AVAILABLE] == 500
    assert adjustment_id in run("list").stdout
    assert "APPROVED" in run("show", adjustment_id).stdout
    shown = run("templates").stdout
    assert "merchant_available >= 0" in shown
    assert "rounding not past 0" in shown
    reversal = run("reverse", adjustment_id, "--attachment", "ticket 2", "--json", *why, ada)
    assert json.loads(reversal.stdout)["reverses"] == adjustment_id
    assert json.loads(run("reject", json.loads(reversal.stdout)["id"], "--json", *why, ada).stdout)[
        "state"
    ] == ("REJECTED")
