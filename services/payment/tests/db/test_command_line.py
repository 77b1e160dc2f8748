"""The commands that set a merchant up, as the local stack and people call them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.payment.adapters.routes import find_terms
from services.payment.entrypoints.cli import cli
from services.payment.tests.db.scenes import exhaust, held, told
from services.payment.tests.db.shop import PEPPER, open_shop
from services.payment.tests.world import fact
from shared.kernel.money import all_currencies
from shared.persistence.engine import make_engine
from shared.persistence.provision import ServiceUrls
from shared.runtime.operator_tokens import OperatorRole
from shared.testing.infra import ServiceDatabase
from shared.testing.operators import TokenFiles

Run = Callable[..., Any]


@pytest.fixture
def urls(service_database: ServiceDatabase) -> ServiceUrls:
    return service_database("payment")


@pytest.fixture
def run(urls: ServiceUrls, operators: TokenFiles, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PAYMENT_OPERATOR_PUBLIC_KEY", operators.public_key)
    monkeypatch.setenv("PAYMENT_DATABASE_URL", urls.app)
    monkeypatch.setenv("PAYMENT_API_KEY_PEPPER", PEPPER)

    def run(*words: str, fails: bool = False) -> Any:
        result = CliRunner().invoke(cli, [*words, "--json"])
        assert (result.exit_code != 0) is fails, result.output
        return {} if fails else json.loads(result.stdout)

    return run


@pytest.fixture
def admin(operators: TokenFiles) -> tuple[str, ...]:
    """What root's commands say besides what they are about."""
    return ("--token-file", operators("root", OperatorRole.ADMIN), "--reason", "a test")


def test_a_merchant_is_set_up_by_three_commands_of_an_admin(
    run: Run, urls: ServiceUrls, admin: tuple[str, ...]
) -> None:
    merchant_id = run("merchants", "add", "--name", "Demo shop", *admin)["merchant_id"]
    price = run("prices", "set", merchant_id, "--percent", "2.9", "--fixed-minor", "30", *admin)
    assert (price["percent_ppm"], price["fixed_minor"]) == (29_000, 30)
    issued = run("keys", "issue", merchant_id, "--mode", "test", *admin)
    with open_shop(urls) as shop:
        assert shop.get("/payments", api_key=issued["api_key"]).status == 200
        priced = {
            row[0] for row in shop.rows("SELECT currency FROM prices WHERE merchant_id = :m", m=merchant_id)
        }
        assert priced == set(all_currencies())
        run("keys", "revoke", issued["key_id"], *admin)
        assert shop.get("/payments", api_key=issued["api_key"]).status == 401
        acts = told(shop, "OperatorActed.v1")
        (payloads,) = shop.rows("SELECT string_agg(convert_from(payload, 'UTF8'), ' ') FROM outbox")
    (listed,) = run("keys", "list", merchant_id)
    assert issued["api_key"] not in json.dumps(listed)
    assert [(act["action"], act["target"]) for act in acts] == [
        ("add_merchant", merchant_id),
        ("set_prices", merchant_id),
        ("issue_test_key", issued["key_id"]),
        ("revoke_key", issued["key_id"]),
    ]
    assert {(act["actor"], act["role"], act["reason"]) for act in acts} == {("root", "admin", "a test")}
    assert issued["api_key"] not in payloads[0]


def test_nonsense_is_refused_in_one_line_and_told_nowhere(
    run: Run, urls: ServiceUrls, admin: tuple[str, ...]
) -> None:
    merchant_id = run("merchants", "add", "--name", "Shop", *admin)["merchant_id"]
    run("prices", "set", merchant_id, "--percent", "101", *admin, fails=True)
    run("prices", "set", merchant_id, "--percent", "1", "--currency", "ABC", *admin, fails=True)
    run("keys", "issue", "mer_unknown", *admin, fails=True)
    run("keys", "revoke", "key_unknown", *admin, fails=True)
    with open_shop(urls) as shop:
        assert [act["action"] for act in told(shop, "OperatorActed.v1")] == ["add_merchant"]


def test_two_people_decide_in_the_terminal_what_is_in_review(
    run: Run, urls: ServiceUrls, operators: TokenFiles
) -> None:
    ann, bob = operators("ann"), operators("bob")
    with open_shop(urls) as shop:
        payment_id = held(shop)
        shop.post(f"/payments/{payment_id}/capture", {})
        operation_id = exhaust(shop, payment_id)
        (doubt,) = run("waiting", "doubts")
        assert doubt["operation_id"] == operation_id
        (exposed,) = run("exposure")
        assert (exposed["amount_minor"], exposed["operations"]) == (10_000, 1)
        words = (
            "decide",
            "operation",
            operation_id,
            "--outcome",
            "declined",
            "--evidence",
            "ticket 1",
            "--reason",
            "r",
        )
        decision = run(*words, "--token-file", ann)["decision_id"]
        assert run(*words, "--token-file", ann)["decision_id"] == decision
        run("decide", "approve", decision, "--token-file", ann, "--reason", "r", fails=True)
        assert run("decide", "approve", decision, "--token-file", bob, "--reason", "r")["state"] == "applied"
        assert shop.payment(payment_id).operations[operation_id].state == "DECLINED"
        assert run("waiting", "cases") == []


def test_a_fact_that_is_none_of_ours_is_dismissed_by_a_command(
    run: Run, urls: ServiceUrls, operators: TokenFiles
) -> None:
    olga = operators("olga", OperatorRole.OPERATOR)
    with open_shop(urls) as shop:
        shop.tell(fact(object_type="capture", object_id="cap_old", status="succeeded", parent_id="auth_old"))
        (waits,) = run("waiting", "waiting-facts")
        more = CliRunner().invoke(cli, ["waiting", "waiting-facts", "--limit", "1", "--json"])
        assert "--cursor" in more.stderr
        assert run("waiting", "waiting-facts", "--cursor", more.stderr.split()[-1]) == []
        words = ("decide", "dismiss-fact", waits["waiting_id"], "--token-file", olga, "--reason", "not ours")
        run(*words, fails=True)
        shop.change("UPDATE waiting_facts SET deadline_at = now() - interval '1 second'")
        assert run(*words)["dismissed_by"] == "olga"
        assert run("waiting", "waiting-facts") == []


def test_a_route_holds_from_its_command_on_and_the_most_special_one_counts(
    run: Run, urls: ServiceUrls, operators: TokenFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_OPERATOR_TOKEN", Path(operators("root", OperatorRole.ADMIN)).read_text())
    monkeypatch.setenv("PAYMENT_BETA_ACCOUNT", "acct_beta")
    merchant_id = run("merchants", "add", "--name", "Shop", "--reason", "a test")["merchant_id"]

    def set_route(processor: str, *words: str, fails: bool = False) -> None:
        run("routes", "set", "--processor", processor, "--reason", "a test", *words, fails=fails)

    def goes_to(currency: str) -> str | None:
        engine = make_engine(urls.app, application_name="test", pool_size=1)
        try:
            with engine.connect() as connection:
                return find_terms(connection, merchant_id, currency, datetime.now(UTC)).processor
        finally:
            engine.dispose()

    assert goes_to("EUR") is None
    set_route("beta", "--currency", "eur")
    assert (goes_to("EUR"), goes_to("USD")) == ("beta", None)
    set_route("alpha", "--merchant", merchant_id)
    assert (goes_to("EUR"), goes_to("USD")) == ("alpha", "alpha")
    set_route("beta", "--merchant", merchant_id, "--currency", "USD")
    assert (goes_to("EUR"), goes_to("USD")) == ("alpha", "beta")
    set_route("none", "--merchant", merchant_id)
    assert (goes_to("EUR"), goes_to("USD"), goes_to("JPY")) == ("beta", "beta", None)
    listed: Any = run("routes", "list")
    assert [(rule["merchant_id"], rule["currency"], rule["processor"]) for rule in listed] == [
        (merchant_id, "USD", "beta"),
        ("", "EUR", "beta"),
    ]
    set_route("gamma", fails=True)
    set_route("beta", "--merchant", "mer_unknown", fails=True)
    set_route("beta", "--currency", "ABC", fails=True)
