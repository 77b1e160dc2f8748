"""A fact that fits nowhere is stuck after its day, until an operator dismisses it; should it fit after all, it counts."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from services.payment.adapters.probes import _QUERIES, _reader
from services.payment.domain.facts import Fact
from services.payment.entrypoints.worker import wake_due_facts
from services.payment.tests.db.desk import Desk
from services.payment.tests.db.scenes import held
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import captured, disputed, fact, money_row, refunded
from shared.runtime.metric_names import WAITING_FACTS, WAITING_FACTS_STUCK

LATE = timedelta(days=2)
BODY = {"reason": "a charge of the old shop system"}


def elsewhere() -> Fact:
    """A charge on our account that nobody here asked for: no payment of ours, no reference of ours."""
    return fact(
        object_type="capture", object_id="cap_old", status="succeeded", parent_type="authorization",
        parent_id="auth_old",
    )  # fmt: skip


def pass_deadline(shop: Shop) -> None:
    shop.change(
        "UPDATE waiting_facts SET deadline_at = deadline_at - make_interval(secs => :late), next_check_at = now()",
        late=LATE.total_seconds(),
    )


def wake(shop: Shop) -> None:
    wake_due_facts(shop.transactions)


def rests(shop: Shop) -> bool:
    """Whether the clock alone wakes nothing any more."""
    return shop.rows("SELECT DISTINCT next_check_at > now() + interval '1000 years' FROM waiting_facts") == [
        (True,)
    ]


def gauges(shop: Shop) -> tuple[float, float]:
    """Facts that wait, and those of them that are stuck."""
    read = [
        _reader(shop.parts.common.engine, _QUERIES[metric]) for metric in (WAITING_FACTS, WAITING_FACTS_STUCK)
    ]
    return read[0]()[()], read[1]()[()]


def test_what_is_none_of_ours_is_stuck_until_somebody_dismisses_it(desk: Desk, shop: Shop) -> None:
    shop.tell(elsewhere())
    (waits,) = desk.get("/waiting-facts")
    path = f"/waiting-facts/{waits['waiting_id']}/dismiss"
    early = desk.post("olga", path, **BODY)
    assert (early.status, early.document["code"]) == (409, "fact_not_stuck")
    pass_deadline(shop)
    wake(shop)
    assert gauges(shop) == (1, 1)
    assert desk.post("vera", path, **BODY).status == 403
    assert desk.post("olga", path, reason=" ").document["param"] == "reason"
    done = desk.post("olga", path, key="k", **BODY)
    assert (done.status, done.document["dismissed_by"], done.document["payment"]) == (200, "olga", None)
    assert desk.post("olga", path, key="k", **BODY).body == done.body
    assert desk.post("olga", path, **BODY).status == 404
    assert desk.acts() == [("olga", "dismiss_fact")]
    assert desk.get("/waiting-facts") == []
    assert gauges(shop) == (0, 0)
    assert rests(shop), "nobody looks at it any more"
    shop.tell(elsewhere())
    assert gauges(shop) == (0, 0), "told again it is dismissed still"
    assert shop.count("evidence") == 1


def test_a_dismissed_fact_of_a_payment_closes_its_case_and_counts_when_its_object_comes(
    desk: Desk, shop: Shop
) -> None:
    payment_id = held(shop)
    shop.tell(refunded(shop.payment(payment_id), "succeeded", 1))
    pass_deadline(shop)
    wake(shop)
    assert [case["reason"] for case in desk.get("/cases")] == ["fact_stuck"]
    (waits,) = desk.get("/waiting-facts")
    done = desk.post("olga", f"/waiting-facts/{waits['waiting_id']}/dismiss", **BODY)
    assert (done.status, done.document["payment"]) == (200, payment_id)
    assert desk.get("/cases") == []
    assert shop.rows("SELECT closed_by, closed_reason FROM cases") == [("olga", BODY["reason"])]
    story = shop.get(f"/payments/{payment_id}/timeline").document["data"]
    (told,) = (entry for entry in story if entry["kind"] == "waiting")
    assert (told["dismissed_by"], told["dismissed_reason"]) == ("olga", BODY["reason"])
    assert not rests(shop), "its payment has changed, so it is looked at once more"
    wake(shop)
    assert rests(shop)
    assert desk.get("/cases") == []
    shop.tell(captured(shop.payment(payment_id), reference=None))
    wake(shop)
    assert shop.get(f"/payments/{payment_id}").document["amount_refunded"] == 4_000
    assert shop.count("waiting_facts") == 0


def stuck_in_two(desk: Desk, shop: Shop) -> tuple[str, list[str]]:
    """A dispute and the row of its money, of one amount, of a charge that nobody has shown: one case."""
    payment_id = held(shop)
    payment = shop.payment(payment_id)
    of_a_charge = {"parent_id": "cap_9"}
    shop.tell(disputed(payment, "opened", 1, **of_a_charge))
    shop.tell(money_row(payment, "dispute", "opened", 6_000, "row_1", **of_a_charge))
    pass_deadline(shop)
    wake(shop)
    assert [case["subject"] for case in desk.get("/cases")] == ["dsp_1"]
    return payment_id, [waits["waiting_id"] for waits in desk.get("/waiting-facts")]


def test_a_case_of_two_stuck_facts_stays_until_both_are_dismissed(desk: Desk, shop: Shop) -> None:
    _, (first, second) = stuck_in_two(desk, shop)
    assert desk.post("olga", f"/waiting-facts/{first}/dismiss", **BODY).status == 200
    assert [case["reason"] for case in desk.get("/cases")] == ["fact_stuck"], "the other is stuck still"
    assert desk.post("olga", f"/waiting-facts/{second}/dismiss", **BODY).status == 200
    assert desk.get("/cases") == []


def test_a_fact_that_is_stuck_after_another_of_its_object_was_dismissed_has_a_case_of_its_own(
    desk: Desk, shop: Shop
) -> None:
    payment_id, (first, second) = stuck_in_two(desk, shop)
    for waiting_id in (first, second):
        assert desk.post("olga", f"/waiting-facts/{waiting_id}/dismiss", **BODY).status == 200
    shop.tell(money_row(shop.payment(payment_id), "dispute", "opened", 6_000, "row_2", parent_id="cap_9"))
    shop.change(
        "UPDATE waiting_facts SET deadline_at = now(), next_check_at = now() WHERE dismissed_at IS NULL"
    )
    wake(shop)
    assert [case["reason"] for case in desk.get("/cases")] == ["fact_stuck"]
    (waits,) = desk.get("/waiting-facts")
    assert desk.post("olga", f"/waiting-facts/{waits['waiting_id']}/dismiss", **BODY).status == 200
    assert desk.get("/cases") == []


def test_a_case_of_two_stuck_facts_closes_once_both_fit(desk: Desk, shop: Shop) -> None:
    payment_id, _ = stuck_in_two(desk, shop)
    shop.tell(captured(shop.payment(payment_id), object_id="cap_9", reference=None))
    wake(shop)
    assert "fact_stuck" not in {case["reason"] for case in desk.get("/cases")}
    assert shop.count("waiting_facts") == 0


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("UPDATE waiting_facts SET dismissed_at = now(), dismissed_by = 'eve', dismissed_reason = 'r'",
         "waiting_facts_dismissed_once_stuck"),
        ("UPDATE waiting_facts SET dismissed_at = deadline_at", "waiting_facts_dismissed_by_somebody"),
    ],
)  # fmt: skip
def test_sql_lets_nothing_be_dismissed_early_or_by_nobody(shop: Shop, statement: str, name: str) -> None:
    shop.tell(elsewhere())
    refuses(shop, statement, name)


def test_who_dismissed_a_fact_and_why_stays_as_it_was_written(desk: Desk, shop: Shop) -> None:
    shop.tell(elsewhere())
    pass_deadline(shop)
    (waits,) = desk.get("/waiting-facts")
    assert desk.post("olga", f"/waiting-facts/{waits['waiting_id']}/dismiss", **BODY).status == 200
    refuses(shop, "UPDATE waiting_facts SET dismissed_by = 'eve'", "waiting_facts_dismissed_once")


def refuses(shop: Shop, statement: str, name: str) -> None:
    url = shop.parts.settings.database_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.execute(statement.encode())
    assert refused.value.diag.constraint_name == name
