"""Closing months over HTTP and by command line: roles, keys, stable codes, four eyes, and what is shown."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from services.ledger.bootstrap import build
from services.ledger.entrypoints.cli import cli
from services.ledger.settings import LedgerSettings
from services.ledger.tests.db.closing import seal
from services.ledger.tests.payloads import Payment
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import load_settings
from shared.testing.serving import served

pytestmark = pytest.mark.db
JULY = datetime(2024, 7, 15, tzinfo=UTC)
VIEWER = {"role": OperatorRole.VIEWER}


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

    def propose(self, period, key=None):
        return self.call("POST", "/period-closes", {"period": period, "reason": "it is over"}, key=key)

    def decide(self, close_id, step="approve", *, who="bob", role=OperatorRole.APPROVER):
        return self.call("POST", f"/period-closes/{close_id}/{step}", {"reason": "seen"}, who=who, role=role)


@pytest.fixture
def office(ledger_urls):
    private, public = new_key_pair()
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app, "LEDGER_OPERATOR_PUBLIC_KEY": public}
    runtime = build(load_settings(LedgerSettings, environment))
    try:
        with served(runtime.make_app()) as server:
            yield Office(server, private)
    finally:
        runtime.close()


def test_a_month_is_proposed_once_and_closed_by_somebody_else(office, ledger, app_sql):
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    assert office.call("GET", "/periods", **VIEWER).document == {"opens_at": None, "data": []}
    first = office.propose("2024-07", key="once")
    assert (first.status, first.body) == (201, office.propose("2024-07", key="once").body)
    assert office.propose("2024-08", key="once").document["code"] == "idempotency_key_reused"
    close_id = first.document["id"]
    assert office.decide(close_id, who="ada").document["code"] == "four_eyes"
    assert office.decide(close_id, role=OperatorRole.OPERATOR).document["code"] == "role_too_low"
    app_sql.execute("SELECT first_open_at()")
    busy = office.decide(close_id)
    assert (busy.status, busy.document["code"]) == (409, "period_busy")
    app_sql.rollback()
    closed = office.decide(close_id)
    assert (closed.status, closed.document["state"], closed.document["decided_by"]) == (
        200,
        "APPROVED",
        "bob",
    )
    periods = office.call("GET", "/periods", **VIEWER).document
    assert periods["opens_at"] == "2024-08-01T00:00:00Z"
    assert [(row["period"], row["position"], row["signature"]) for row in periods["data"]] == [
        ("2024-07", 1, None)
    ]
    assert office.call("GET", f"/period-closes/{close_id}", **VIEWER).document == closed.document
    assert office.propose("2024-07").document["code"] == "period_closed"
    assert office.propose("2024-10").document["code"] == "period_out_of_order"
    late = Payment(2)
    ledger.tell(late.captured(10_000, 300), time=JULY)
    (journal,) = office.call("GET", f"/payments/{late.payment_id}/journals", **VIEWER).document["data"]
    assert (journal["effective_at"], journal["told_effective_at"]) == (
        "2024-08-01T00:00:00Z",
        "2024-07-15T00:00:00Z",
    )


def test_what_is_no_month_or_no_close_is_refused_naming_the_field(office):
    told = office.propose("July")
    assert (told.status, told.document["code"], told.document["param"]) == (422, "period_invalid", "period")
    assert office.propose("2999-01").document["code"] == "period_not_over"
    assert office.decide("cls_" + "0" * 26).document["code"] == "period_close_not_found"
    close_id = office.propose("2024-07").document["id"]
    assert office.propose("2024-07").document["code"] == "period_proposed_already"
    assert office.decide(close_id, "reject", who="ada").document["state"] == "REJECTED"
    assert office.decide(close_id).document["code"] == "period_close_wrong_state"


def test_the_same_by_command_line(ledger, ledger_urls, operators, monkeypatch):
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    monkeypatch.setenv("LEDGER_OPERATOR_PUBLIC_KEY", operators.public_key)
    ada, bob = operators("ada"), operators("bob")
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    seal(ledger)

    def run(*arguments):
        return CliRunner().invoke(cli, ["periods", *arguments])

    why = ["--reason", "it is over", "--token-file"]
    close_id = json.loads(run("propose", "2024-07", "--json", *why, ada).stdout)["id"]
    refused = run("approve", close_id, *why, ada)
    assert (refused.exit_code, "four_eyes" in refused.output) == (1, True)
    assert json.loads(run("approve", close_id, "--json", *why, bob).stdout)["state"] == "APPROVED"
    assert [row["period"] for row in json.loads(run("list", "--json").stdout)] == ["2024-07"]
    assert "2024-07" in run("list").stdout
    assert close_id in run("closes").stdout
    assert "APPROVED" in run("show", close_id).stdout
    second = json.loads(run("propose", "2024-08", "--json", *why, ada).stdout)["id"]
    assert json.loads(run("reject", second, "--json", *why, ada).stdout)["state"] == "REJECTED"
    ledger.tell(Payment(2).captured(10_000, 300), time=JULY)
    shown = CliRunner().invoke(cli, ["entries", Payment(2).payment_id])
    assert "2024-07-15" in shown.stdout
    shown = CliRunner().invoke(cli, ["journals", Payment(2).payment_id])
    assert "2024-07-15" in shown.stdout
    verified = CliRunner().invoke(cli, ["verify"])
    assert (verified.exit_code, "1 closed periods stand" in verified.stdout) == (0, True), verified.output
