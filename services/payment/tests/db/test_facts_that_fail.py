"""A fact whose taking in fails whenever it is tried: the others are applied, it rests, and people are told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.payment.app import wake_waiting_facts
from services.payment.domain.absorbing import Verdict, absorb
from services.payment.domain.changes import Moment
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.entrypoints.worker import POLL_S, WAITING, wake_due_facts
from services.payment.tests.db.desk import Desk
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import authorized, captured, refunded
from shared.kernel.errors import InvariantViolation
from shared.runtime.metric_names import WORK_FAILED
from shared.runtime.metrics import value_of
from shared.runtime.roles import PeriodicRole

Harm = Callable[[Payment], None]


def break_a_promise(_payment: Payment) -> None:
    raise InvariantViolation("planted", "it holds no more")


def make_a_mistake(_payment: Payment) -> None:
    raise KeyError("a mistake of ours")


def be_refused_by_the_database(payment: Payment) -> None:
    payment.amounts.captured_minor = -1


def paid_up_to(shop: Shop, number: int) -> str:
    """A payment that is held, and a refund of its capture that waits for that."""
    payment_id = str(shop.create(capture_method="manual")["id"])
    shop.tell(authorized(shop.payment(payment_id), object_id=f"auth_{number}"))
    named = {"object_id": f"ref_{number}", "parent_id": f"cap_{number}"}
    shop.tell(refunded(shop.payment(payment_id), "succeeded", 1, **named))
    return payment_id


def capture(shop: Shop, payment_id: str, number: int) -> None:
    named = {"object_id": f"cap_{number}", "parent_id": f"auth_{number}", "reference": None}
    shop.tell(captured(shop.payment(payment_id), **named))


def refunds(shop: Shop, payment_ids: list[str]) -> list[int]:
    return [shop.get(f"/payments/{payment_id}").document["amount_refunded"] for payment_id in payment_ids]


def stuck(desk: Desk) -> list[str]:
    return [case["subject"] for case in desk.get("/cases") if case["reason"] == "fact_stuck"]


@pytest.fixture
def role(shop: Shop) -> PeriodicRole:
    return PeriodicRole(WAITING, POLL_S, lambda: wake_due_facts(shop.transactions))


@pytest.mark.parametrize("harm", [break_a_promise, make_a_mistake, be_refused_by_the_database])
def test_one_that_fails_among_good_ones_rests_and_the_others_are_applied(
    shop: Shop,
    desk: Desk,
    role: PeriodicRole,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    harm: Harm,
) -> None:
    payment_ids = [paid_up_to(shop, number) for number in range(3)]
    for number, payment_id in enumerate(payment_ids):
        capture(shop, payment_id, number)
    # The one that fails is due before the others.
    shop.change(
        "UPDATE waiting_facts SET next_check_at = now() - make_interval(secs => (fact ->> 'object_id' = 'ref_0')::int)"
    )

    def harmed(payment: Payment, fact: Fact, moment: Moment) -> Verdict:
        if fact.object_id == "ref_0":
            harm(payment)
        return absorb(payment, fact, moment)

    monkeypatch.setattr(wake_waiting_facts, "absorb", harmed)
    failed_before = value_of(WORK_FAILED, WAITING)
    assert role.turn() is False, "it goes on living"
    assert refunds(shop, payment_ids) == [0, 4_000, 4_000]
    rest = "SELECT checks, next_check_at > now() FROM waiting_facts"
    assert shop.rows(rest) == [(1, True)]
    assert value_of(WORK_FAILED, WAITING) == failed_before + 1
    (waiting_id,) = shop.rows("SELECT waiting_id FROM waiting_facts")[0]
    told = capsys.readouterr()
    (line,) = [line for line in (told.out + told.err).splitlines() if "work_failed" in line]
    assert waiting_id in line
    role.turn()
    assert value_of(WORK_FAILED, WAITING) == failed_before + 1, "it is not tried before its time"
    assert stuck(desk) == []
    shop.change(
        "UPDATE waiting_facts SET next_check_at = now(), deadline_at = now() - make_interval(secs => 1)"
    )
    role.turn()
    assert stuck(desk) == ["ref_0"]
    role.turn()
    assert shop.rows(rest) == [(3, True)], (
        "its payment had changed, by the case: looked at once more it rests"
    )
    monkeypatch.undo()
    shop.change("UPDATE waiting_facts SET next_check_at = now()")
    role.turn()
    assert refunds(shop, payment_ids) == [4_000, 4_000, 4_000]
    assert stuck(desk) == []


def test_where_all_goes_well_all_of_a_batch_is_one_transaction(shop: Shop, role: PeriodicRole) -> None:
    payment_ids = [paid_up_to(shop, number) for number in range(3)]
    for number, payment_id in enumerate(payment_ids):
        capture(shop, payment_id, number)
    role.turn()
    assert refunds(shop, payment_ids) == [4_000] * 3
    written = "SELECT count(DISTINCT xmin::text) FROM outbox WHERE event_type = 'RefundAdopted.v1'"
    assert shop.rows(written) == [(1,)]


def test_one_that_was_dismissed_and_fails_once_more_rests_on(
    shop: Shop, desk: Desk, role: PeriodicRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = paid_up_to(shop, 0)
    late = timedelta(days=2)
    shop.change(
        "UPDATE waiting_facts SET deadline_at = deadline_at - make_interval(secs => :late)",
        late=late.total_seconds(),
    )
    (waits,) = desk.get("/waiting-facts")
    assert desk.post("olga", f"/waiting-facts/{waits['waiting_id']}/dismiss", reason="r").status == 200
    capture(shop, payment_id, 0)

    def harmed(payment: Payment, _fact: Fact, _moment: Moment) -> Verdict:
        break_a_promise(payment)
        return Verdict.WAITS

    monkeypatch.setattr(wake_waiting_facts, "absorb", harmed)
    role.turn()
    rests = "SELECT DISTINCT next_check_at > now() + interval '1000 years' FROM waiting_facts"
    assert shop.rows(rests) == [(True,)]
    assert stuck(desk) == []
