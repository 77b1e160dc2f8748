"""Waiting for risk on a real database: stored, ended by a decision, the worker or people; and what plain SQL is refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest
from typer.testing import CliRunner

from services.payment.adapters.probes import _QUERIES, _reader
from services.payment.adapters.risk_waits import risk_left_s
from services.payment.domain.risk_states import NEXT, RiskState
from services.payment.entrypoints.cli import cli
from services.payment.entrypoints.worker import end_due_risk_checks, end_risk_checks_if_due
from services.payment.tests.db.desk import Desk
from services.payment.tests.db.risk_scenes import commands, decide, end_waits
from services.payment.tests.db.shop import PEPPER, Shop, open_shop
from shared.persistence.provision import ServiceUrls
from shared.runtime.metric_names import RISK_REVIEWS, RISK_REVIEWS_OLDEST_S
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.operators import TokenFiles

pytestmark = pytest.mark.db
_numbers = itertools.count()


@pytest.fixture
def urls(service_database: Any) -> ServiceUrls:
    found: ServiceUrls = service_database("payment")
    return found


@pytest.fixture
def shop(urls: ServiceUrls) -> Iterator[Shop]:
    with open_shop(
        urls,
        PAYMENT_RISK_MODE="required",
        PAYMENT_RISK_DEADLINE_MS="1",
        PAYMENT_RISK_SMALL_MINOR="sale=500",
    ) as shop:
        yield shop


def say(
    shop: Shop, operation_id: str, word: str, who: str, role: OperatorRole, key: str | None = None
) -> Any:
    token = TokenIssuer(shop.operator_private_key).operator(who, role)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key or f"o-{next(_numbers)}"}
    path = f"/operator/risk-reviews/{operation_id}/{word}"
    return shop.server.call("POST", path, {"reason": "looked at it"}, headers)


def reviewed(shop: Shop) -> tuple[str, str]:
    payment = shop.create()
    end_waits(shop)
    shown = shop.get(f"/payments/{payment['id']}").document
    assert (shown["status"], shown["hold"], shown["certainty"]) == ("CREATED", "risk_review", "pending")
    return payment["id"], shown["operation"]["id"]


def test_a_payment_waits_and_its_command_goes_out_with_the_decision(shop: Shop) -> None:
    payment = shop.create()
    assert (payment["status"], payment["certainty"]) == ("CREATED", "pending")
    assert commands(shop, payment["id"]) == []
    assert decide(shop, payment["id"], "allow")
    assert not decide(shop, payment["id"], "allow")
    assert commands(shop, payment["id"]) == ["AuthorizePayment.v1"]


def test_the_worker_ends_a_wait_by_amount_and_says_so(shop: Shop) -> None:
    small, large = shop.create(amount=500), shop.create(amount=501)
    end_waits(shop)
    assert [len(commands(shop, each["id"])) for each in (small, large)] == [1, 0]
    kinds = "SELECT payment_id, kind, result FROM payment_notes ORDER BY result"
    assert shop.rows(kinds) == [
        (small["id"], "risk_undecided", "allowed"), (large["id"], "risk_undecided", "review"),
    ]  # fmt: skip
    end_due_risk_checks(shop.transactions, 1.0)
    assert len(commands(shop, small["id"])) == 1


def test_the_timer_looks_again_when_the_next_wait_is_over(urls: ServiceUrls) -> None:
    with open_shop(urls, PAYMENT_RISK_MODE="required", PAYMENT_RISK_DEADLINE_MS="600000") as shop:
        assert end_due_risk_checks(shop.transactions, 0.3) == 0.3
        shop.create()
        assert end_due_risk_checks(shop.transactions, 0.3) == 0.3
        assert 500 < end_due_risk_checks(shop.transactions, 1_000.0) <= 600
        assert shop.rows("SELECT risk FROM operations") == [("WAITING",)]


def test_an_idle_timer_asks_and_begins_no_transaction(urls: ServiceUrls) -> None:
    with open_shop(urls, PAYMENT_RISK_MODE="required", PAYMENT_RISK_DEADLINE_MS="600000") as shop:
        transactions = Mock(wraps=shop.transactions)

        def look(look_s: float) -> bool | float:
            left_s = partial(risk_left_s, shop.parts.reading, shop.parts.common.clock)
            return end_risk_checks_if_due(left_s, transactions, look_s)

        assert look(0.3) == 0.3
        shop.create()
        assert look(0.3) == 0.3
        assert 500 < look(1_000.0) <= 600
        assert not transactions.run.called
        shop.parts.common.clock = Mock(now=lambda: datetime.now(UTC) + timedelta(seconds=601))
        look(0.3)
        assert transactions.run.called


def test_a_merchant_who_waits_is_answered_when_a_person_has_to_decide(shop: Shop) -> None:
    payment = shop.create()
    end_waits(shop)
    reply = shop.post(f"/payments/{payment['id']}/confirm", {"payment_method": "pm_card_visa"}, wait_s=0)
    assert (reply.status, reply.document["code"]) == (409, "operation_in_doubt")
    assert list(shop.parts._find_decided([payment["operation"]["id"]])) == [payment["operation"]["id"]]


def test_a_review_that_moves_money_takes_two_people_and_each_word_counts_once(shop: Shop) -> None:
    payment_id, operation_id = reviewed(shop)
    assert say(shop, operation_id, "approve", "eve", OperatorRole.VIEWER).document["code"] == "role_too_low"
    first = say(shop, operation_id, "approve", "ada", OperatorRole.OPERATOR, key="once")
    assert (first.status, first.document["awaits_second_person"]) == (200, True)
    assert say(shop, operation_id, "approve", "ada", OperatorRole.OPERATOR, key="once").body == first.body
    assert say(shop, operation_id, "approve", "ada", OperatorRole.APPROVER).document["code"] == "four_eyes"
    assert say(shop, operation_id, "approve", "bob", OperatorRole.OPERATOR).document["code"] == "role_too_low"
    assert commands(shop, payment_id) == []
    second = say(shop, operation_id, "approve", "bob", OperatorRole.APPROVER)
    assert (second.document["risk"], second.document["hold"]) == ("ALLOWED", None)
    assert commands(shop, payment_id) == ["AuthorizePayment.v1"]
    acts = shop.rows(
        "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'actor' FROM outbox WHERE key = :id", id=operation_id
    )
    assert acts == [("ada",), ("bob",)]
    assert (
        say(shop, operation_id, "refuse", "ada", OperatorRole.OPERATOR).document["code"]
        == "not_in_risk_review"
    )


def test_what_waits_for_a_person_is_counted_with_its_age(shop: Shop) -> None:
    def read() -> tuple[float, float]:
        metrics = (RISK_REVIEWS, RISK_REVIEWS_OLDEST_S)
        samples = [_reader(shop.parts.common.engine, _QUERIES[metric])() for metric in metrics]
        return samples[0][()], samples[1][()]

    assert read() == (0, 0)
    _, operation_id = reviewed(shop)
    shop.change("UPDATE operations SET created_at = created_at - interval '1 hour'")
    waiting, oldest_s = read()
    assert waiting == 1
    assert 3_600 <= oldest_s < 3_700
    (review,) = Desk(shop).get("/risk-reviews")
    assert review["operation_id"] == operation_id
    assert 3_600 <= review["age_s"] < 3_700


def test_reviews_come_in_pages_and_of_one_payment_alone(shop: Shop) -> None:
    desk = Desk(shop)
    payment_ids = [reviewed(shop)[0] for _ in range(3)]
    shop.change("UPDATE operations SET created_at = '2026-01-01T00:00:00.000001Z'")
    walked, behind = [], ""
    for _ in payment_ids:
        page = desk.page(f"/risk-reviews?limit=1{behind}")
        walked += [row["payment_id"] for row in page["data"]]
        behind = f"&cursor={page['next_cursor']}"
    assert sorted(walked) == sorted(payment_ids)
    assert desk.page(f"/risk-reviews?limit=1{behind}") == {"data": [], "next_cursor": None}
    assert [row["payment_id"] for row in desk.get(f"/risk-reviews?payment={walked[1]}")] == walked[1:2]


def test_a_refused_review_fails_the_payment(shop: Shop) -> None:
    payment_id, operation_id = reviewed(shop)
    assert say(shop, operation_id, "refuse", "ada", OperatorRole.OPERATOR).document["status"] == "FAILED"
    shown = shop.get(f"/payments/{payment_id}").document
    assert (shown["status"], shown["hold"], shown["last_error"]["code"]) == (
        "FAILED",
        None,
        "refused_by_risk",
    )
    assert commands(shop, payment_id) == []
    assert say(shop, "op_" + "0" * 26, "refuse", "ada", OperatorRole.OPERATOR).status == 404


def test_a_denied_hold_that_was_in_doubt_is_given_back_when_it_is_found(urls: ServiceUrls) -> None:
    # What decides the authorization asks for its void in the same transaction: one undecided operation at a time.
    terms = {"PAYMENT_RISK_DEADLINE_MS": "1", "PAYMENT_RISK_SMALL_MINOR": "authorize=100000000"}
    with open_shop(urls, PAYMENT_RISK_MODE="required", **terms) as shop:
        payment_id = shop.create(capture_method="manual")["id"]
        end_waits(shop)
        shop.answer(payment_id, "unknown")
        assert decide(shop, payment_id, "block")
        shop.authorize(payment_id)
        assert "CancelPayment.v1" in commands(shop, payment_id)
        states = "SELECT type, state FROM operations ORDER BY number"
        assert shop.rows(states) == [("authorize", "SUCCEEDED"), ("cancel", "REQUESTED")]


def test_the_command_line_lists_and_resolves(
    shop: Shop, urls: ServiceUrls, operators: TokenFiles, monkeypatch: Any
) -> None:
    payment_id, operation_id = reviewed(shop)
    monkeypatch.setenv("PAYMENT_DATABASE_URL", urls.app)
    monkeypatch.setenv("PAYMENT_API_KEY_PEPPER", PEPPER)
    monkeypatch.setenv("PAYMENT_OPERATOR_PUBLIC_KEY", operators.public_key)
    ada, bob = operators("ada", OperatorRole.OPERATOR), operators("bob")

    def run(*words: str) -> Any:
        done = CliRunner().invoke(cli, ["risk-reviews", *words, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert run("list", "--payment", f"pay_{'0' * 26}") == []
    (row,) = run("list", "--limit", "1")
    assert (row["payment_id"], row["operation_id"], row["asked_by"]) == (payment_id, operation_id, "deadline")
    by = ("--reason", "a test", "--token-file")
    assert run("approve", operation_id, *by, ada)["awaits_second_person"]
    refused = CliRunner().invoke(cli, ["risk-reviews", "approve", operation_id, *by, ada])
    assert (refused.exit_code, "four_eyes" in refused.stderr) == (1, True)
    weak = CliRunner().invoke(
        cli, ["risk-reviews", "approve", operation_id, *by, operators("eve", OperatorRole.OPERATOR)]
    )
    assert (weak.exit_code, "this needs approver; `tieout" in weak.stderr) == (1, True)
    assert run("approve", operation_id, *by, bob)["risk"] == "ALLOWED"
    assert run("list") == []


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'SENT', state_path = '{SENT}'", "operations_risk_gate"),
        ("risk = 'DENIED'", "risk_transition_legal"),
        ("risk = NULL", "risk_transition_legal"),
        ("risk = 'ALLOWED', risk_by = 'operator'", "operations_risk_two_people"),
        ("risk_proposed_by = 'ada', risk_approved_by = 'ada'", "operations_risk_four_eyes"),
    ],
)
def test_plain_sql_is_refused_what_python_refuses(
    shop: Shop, urls: ServiceUrls, change: str, constraint: str
) -> None:
    shop.create()
    with psycopg.connect(urls.app) as connection, pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.execute(f"UPDATE operations SET {change}")
    assert refused.value.diag.constraint_name == constraint


def test_sql_takes_exactly_the_steps_of_the_table(shop: Shop, urls: ServiceUrls) -> None:
    shop.create()
    taken: dict[RiskState, set[RiskState]] = {source: set() for source in RiskState}
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        for source in RiskState:
            for target in set(RiskState) - {source}:
                connection.execute("ALTER TABLE operations DISABLE TRIGGER operations_risk_step")
                connection.execute(f"UPDATE operations SET risk = '{source}'")
                connection.execute("ALTER TABLE operations ENABLE TRIGGER operations_risk_step")
                try:
                    connection.execute(f"UPDATE operations SET risk = '{target}'")
                except psycopg.errors.CheckViolation:
                    continue
                taken[source].add(target)
    assert taken == {source: set(targets) for source, targets in NEXT.items()}


def test_settings_that_name_no_operation_are_refused(urls: ServiceUrls) -> None:
    from services.payment.settings import PaymentSettings
    from shared.runtime.settings import load_settings
    from shared.runtime.startup import StartupRefused

    given = {"PAYMENT_DATABASE_URL": urls.app, "PAYMENT_API_KEY_PEPPER": PEPPER}
    with pytest.raises(StartupRefused, match="PAYMENT_RISK_SMALL_MINOR"):
        load_settings(PaymentSettings, given | {"PAYMENT_RISK_SMALL_MINOR": "sail=1"})
