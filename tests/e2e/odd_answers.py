"""How a payment by an odd card ends, as the tests of odd answers ask for it: what is astray and sent back, what was done twice."""

from __future__ import annotations

from typing import Any, Final

from shared.testing.waiting import eventually
from tests.e2e.everybody import AMOUNT, World
from tests.e2e.shop import SETTLE_S, order

REFUND: Final = 3_000
PART: Final = 3_000


def asked(world: World, method: str, **more: object) -> str:
    """A payment by this card, whatever becomes of it."""
    told = world.shop.post("/payments", order(AMOUNT, method=method, **more), wait_s=30)
    assert told.status == 201, told
    payment_id: str = told.document["id"]
    return payment_id


def state_of(world: World, payment_id: str) -> str:
    state: str = world.shop.payment(payment_id)["operation"]["state"]
    return state


def astray(world: World, payment_id: str, kind: str) -> list[dict[str, Any]]:
    return [row for row in world.desk.of("strays", payment_id) if row["kind"] == kind]


def given_back(world: World, payment_id: str, kind: str, amount: int) -> None:
    """The one stray of this kind is found, and two people send it back, or one gives the hold back."""
    (stray,) = eventually(
        lambda: astray(world, payment_id, kind), timeout_s=SETTLE_S, describe=f"{kind} astray of {payment_id}"
    ) or [{}]
    assert (stray["amount_minor"], stray["mismatch"]) == (amount, False)
    decision = f"/strays/{stray['stray_id']}/decision"
    if kind == "money":
        world.desk.decide(decision, action="return")
    else:
        voided = world.desk.post("ann", decision, action="void", reason="nobody's hold")
        assert voided.status == 201, voided
    eventually(
        lambda: not world.desk.of("strays", payment_id),
        timeout_s=SETTLE_S,
        describe=lambda: f"nothing of {payment_id} is astray: {world.desk.of('strays', payment_id)}",
    )


def took_effect_twice(world: World, payment_id: str) -> None:
    """The processor did one of our operations twice: the oracle shall name exactly those."""
    twice = world.books.rows(
        "sandbox",
        "SELECT reference FROM (SELECT * FROM alpha_book_by_reference UNION ALL SELECT * FROM beta_book_by_reference) b"
        " WHERE payment_id = %s AND greatest(authorizations, effective_charges, effective_refunds) > 1",
        payment_id,
    )
    world.course.charged_twice.update(row["reference"] for row in twice)
