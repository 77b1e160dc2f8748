"""The operator API on a real socket and database: roles, four eyes, idempotency, errors that name the field; the CLI."""

from __future__ import annotations

import itertools
import json

import pytest
from typer.testing import CliRunner

from services.risk.bootstrap import build
from services.risk.entrypoints.cli import cli
from services.risk.settings import RiskSettings
from services.risk.tests.attempts import MERCHANT
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import load_settings
from shared.testing.serving import served

pytestmark = pytest.mark.db
RULES = {"limits": [{"name": "large", "max_minor": 100, "currency": "eur", "decision": "review"}]}


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

    def propose(self, rules=RULES, **more):
        return self.call("POST", "/rule-sets", {"rules": rules, "reason": "a test"}, **more)

    def approve(self, version, who="bob", role=OperatorRole.APPROVER, **more):
        return self.call(
            "POST", f"/rule-sets/{version}/approve", {"reason": "seen"}, who=who, role=role, **more
        )


@pytest.fixture
def office(risk_urls):
    private, public = new_key_pair()
    environment = {"RISK_DATABASE_URL": risk_urls.app, "RISK_OPERATOR_PUBLIC_KEY": public}
    runtime = build(load_settings(RiskSettings, environment))
    try:
        with served(runtime.app()) as server:
            yield Office(server, private)
    finally:
        runtime.close()


def test_rules_take_effect_when_a_second_person_approves_them(office, desk):
    proposed = office.propose()
    assert (proposed.status, proposed.document["state"], proposed.document["version"]) == (201, "PROPOSED", 2)
    assert office.approve(2, who="ada").document["code"] == "four_eyes"
    approved = office.approve(2)
    assert (approved.status, approved.document["state"], approved.document["approved_by"]) == (
        200,
        "ACTIVE",
        "bob",
    )
    listed = office.call("GET", "/rule-sets", role=OperatorRole.VIEWER).document["data"]
    assert [(row["version"], row["state"]) for row in listed] == [(2, "ACTIVE"), (1, "RETIRED")]
    acts = desk.rows("SELECT convert_from(payload, 'UTF8')::jsonb ->> 'action' FROM outbox ORDER BY position")
    assert acts == [("rule_set_proposed",), ("rule_set_approved",)]


def test_rules_longer_than_a_reply_that_is_kept_are_decided_over_http(
    office, desk, risk, tmp_path, operators
):
    """A terminal takes more than a body holds: whoever proposes so must not be out of the approver's reach."""
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"blocked": {"payment_methods": [f"pm_{nth:030}x" for nth in range(10_000)]}}))
    for _ in range(2):
        risk("rules", "propose", str(file), "--reason", "many", "--json", "--token-file", operators("ada"))
    approved = office.approve(2, key="once")
    assert (approved.status, approved.document.get("state")) == (200, "ACTIVE")
    assert "rules" not in approved.document
    assert office.approve(2, key="once").body == approved.body
    rejected = office.call("POST", "/rule-sets/3/reject", {"reason": "once is enough"})
    assert (rejected.status, rejected.document["state"]) == (200, "REJECTED")
    whole = office.call("GET", "/rule-sets/2").document
    assert {**approved.document, "rules": whole["rules"]} == whole
    assert len(whole["rules"]["blocked"]["payment_methods"]) == 10_000


def test_roles_are_held(office):
    assert office.propose(role=OperatorRole.VIEWER).document["code"] == "role_too_low"
    office.propose()
    assert office.approve(2, role=OperatorRole.OPERATOR).document["code"] == "role_too_low"


def test_parked_keys_are_shown_and_released_like_everywhere(office):
    listed = office.call("GET", "/operator/parked-keys", role=OperatorRole.VIEWER)
    assert listed.document == {"data": [], "next_cursor": None}
    body = {"topic": "payment.events", "key": "pay_1", "reason": "looked at it"}
    refused = office.call("POST", "/operator/parked-keys/redrive", body, role=OperatorRole.VIEWER)
    assert refused.document["code"] == "role_too_low"
    asked = office.call("POST", "/operator/parked-keys/redrive", body)
    assert (asked.status, asked.document["requested"]) == (200, False)


def test_every_loop_of_the_worker_is_there(risk_urls):
    runtime = build(load_settings(RiskSettings, {"RISK_DATABASE_URL": risk_urls.app}))
    try:
        loops = {name for name in runtime.roles if name.startswith("work")}
        assert loops == {"work.forget", "work.completer", "work.keys"}
        assert runtime.roles["work.keys"]().turn() is False
    finally:
        runtime.close()


def test_a_proposal_sent_again_is_answered_and_not_made_again(office, desk):
    first = office.propose(key="once")
    again = office.propose(key="once")
    assert (again.status, again.body) == (first.status, first.body)
    assert office.propose({}, key="once").document["code"] == "idempotency_key_reused"
    assert desk.rows("SELECT count(*) FROM rule_sets") == [(2,)]


def test_rules_that_mean_nothing_are_refused_naming_the_field(office):
    wrong = office.propose({"limits": [{**RULES["limits"][0], "max_minor": "100"}]})
    assert (wrong.status, wrong.document["param"]) == (422, "rules.limits.0.max_minor")
    assert office.approve(99).document["code"] == "rule_set_not_found"
    assert office.call("GET", "/decisions?payment=x").document["param"] == "payment"


def test_a_rule_set_is_tried_before_it_holds_and_nothing_is_kept(office, desk):
    office.propose()
    payment = {"merchant": MERCHANT, "amount": 101, "currency": "EUR"}
    said = office.call("POST", "/rule-sets/2/try", payment)
    assert (said.document["decision"], said.document["reasons"]) == ("review", ["limit:large"])
    assert office.call("POST", "/rule-sets/1/try", payment).document["decision"] == "allow"
    assert desk.rows("SELECT (SELECT count(*) FROM attempts) + (SELECT count(*) FROM decisions)") == [(0,)]


@pytest.fixture
def risk(risk_urls, operators, monkeypatch):
    monkeypatch.setenv("RISK_DATABASE_URL", risk_urls.app)
    monkeypatch.setenv("RISK_OPERATOR_PUBLIC_KEY", operators.public_key)

    def run(*words):
        done = CliRunner().invoke(cli, [*words])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run


def test_the_command_line_does_the_same(risk, operators, tmp_path):
    ada, bob = operators("ada"), operators("bob")
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(RULES))
    by = ("--reason", "a test", "--json", "--token-file")
    assert risk("rules", "propose", str(file), *by, ada)["state"] == "PROPOSED"
    said = risk("rules", "try", "2", "--merchant", MERCHANT, "--amount", "101", "--currency", "eur", "--json")
    assert said == {"decision": "review", "reasons": ["limit:large"]}
    refused = CliRunner().invoke(cli, ["rules", "approve", "2", *by, ada])
    assert (refused.exit_code, "four_eyes" in refused.stderr) == (1, True)
    assert risk("rules", "approve", "2", *by, bob)["state"] == "ACTIVE"
    assert [row["version"] for row in risk("rules", "list", "--json")] == [2, 1]
    assert risk("rules", "show", "2", "--json")["rules"]["limits"][0]["currency"] == "EUR"
    assert risk("rules", "propose", str(file), *by, ada)["version"] == 3
    assert risk("rules", "reject", "3", *by, ada)["state"] == "REJECTED"
    assert risk("decisions", "pay_" + "0" * 26, "--json") == []
