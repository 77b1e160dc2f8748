"""What payment and the ledger answer to what breaks had them asked, heard as the consumer hears it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemas.generated import (
    AdjustmentAnsweredV1,
    StrayReturnAnsweredV1,
    StrayReturnFailedV1,
    StrayReturnSucceededV1,
)
from services.reconciliation.app.propose_adjustment import WantedAdjustment, propose_adjustment
from services.reconciliation.app.propose_return import propose_return
from services.reconciliation.entrypoints.consumer import ROUTES
from services.reconciliation.tests.deciding import approve
from services.reconciliation.tests.three_legs import ALPHA, MERCHANT, World, op, pay
from shared.kernel.operators import Actor
from shared.messaging.envelope import Event, split_type

JOURNAL: Final = "jrn_" + "1" * 26
ADJUSTMENT: Final = "adj_" + "1" * 26
OPERATION: Final = "op_" + "9" * 26
STRAY: Final = "str_" + "1" * 26
SHORT: Final = "line:alpha_report:l1"
"""The subject of what ``paid_short`` makes."""
TWICE: Final = "line:alpha_report:l2"
"""The subject of what ``charged_twice`` makes."""


def paid_short(desk: Any) -> World:
    """The processor paid 100 less than was captured."""
    made = World(desk)
    made.payout("po_1", 900)
    made.captured(1, 1_000)
    made.line("l1", 900, object_id="cap_1")
    made.match()
    return made


def charged_twice(desk: Any) -> World:
    """Charged twice by one operation; payment was told of it."""
    made = World(desk)
    made.payout("po_1", 10_000)
    made.captured(1, 10_000)
    made.line("l1", 10_000, object_id="cap_1", our_reference=op(1))
    made.line("l2", 10_000, object_id="cap_2", our_reference=op(1))
    made.match()
    desk.run(lambda uow: uow.reporting.tell(timedelta(0)))
    return made


def ask_for_return(world: World) -> str:
    """Two people have payment asked to give the second charge back; the break."""
    break_id = the_break(world, TWICE)
    ada = Actor(name="ada", role="operator")
    world.desk.run(lambda uow: propose_return(break_id, "twice", ada, uow))
    approve(world, break_id)
    return break_id


def the_break(world: World, subject: str = SHORT) -> str:
    """The id of the one break about that subject."""
    ((break_id,),) = world.rows("SELECT break_id FROM breaks WHERE subject = :subject", subject=subject)
    return str(break_id)


def asked(world: World, break_id: str) -> str:
    """The event of what was asked last about a break."""
    found = world.rows(
        "SELECT event_id FROM asked_resolutions WHERE break_id = :break_id ORDER BY told_at DESC LIMIT 1",
        break_id=break_id,
    )
    return str(found[0][0])


def ask_for_adjustment(world: World, subject: str = SHORT) -> str:
    """Two people have the ledger asked to write a break off, all of it; the break."""
    break_id = the_break(world, subject)
    wanted = WantedAdjustment(template="suspense_shortfall_write_off", parameters={"clearing_key": "k"})
    ada = Actor(name="ada", role="operator")
    world.desk.run(lambda uow: propose_adjustment(break_id, wanted, "small", ada, uow))
    approve(world, break_id)
    return break_id


def hear(world: World, topic: str, payload: Any, event_id: str | None = None) -> str:
    """One event, in a transaction of its own; its id, to be told again."""
    event_id = event_id or world.desk.ids.new("evt_")
    name, version = split_type(type(payload).__name__.removesuffix("V1") + ".v1")
    event = Event(
        event_id=event_id, event_type=name, version=version, topic=topic, key="k", stream_version=1,
        time=datetime(2026, 11, 5, tzinfo=UTC), source="/tieout/test", subject=None, cause_id="x", data_schema="x",
        traceparent=None, data=payload, payload_sha256=b"",
    )  # fmt: skip
    world.desk.run(lambda uow: ROUTES.handlers[topic, name, version](event, uow))
    return event_id


def hear_adjustment(
    world: World, break_id: str, outcome: str, *, event_id: str | None = None, **more: Any
) -> str:
    """What the ledger says of the adjustment that was asked for last."""
    said = {"adjustment_id": ADJUSTMENT} | more
    answer = AdjustmentAnsweredV1(
        break_id=break_id, proposal_event_id=asked(world, break_id), outcome=outcome, **said
    )
    return hear(world, "ledger.events", answer, event_id)


def hear_return(world: World, break_id: str, outcome: str, **more: Any) -> str:
    """What payment says of the return that was asked for last."""
    answer = StrayReturnAnsweredV1(
        payment_id=pay(1), merchant_id=MERCHANT, break_id=break_id, proposal_event_id=asked(world, break_id),
        outcome=outcome, **more,
    )  # fmt: skip
    return hear(world, "payment.events", answer)


def hear_returned(world: World, operation_id: str = OPERATION) -> str:
    """The money went back."""
    said = StrayReturnSucceededV1(
        payment_id=pay(1), merchant_id=MERCHANT, stray_id=STRAY, operation_id=operation_id, amount_minor=10_000,
        currency="EUR", object_id="re_1", fact_key="re_1:succeeded", **ALPHA,
    )  # fmt: skip
    return hear(world, "payment.events", said)


def hear_not_returned(world: World, operation_id: str = OPERATION) -> str:
    """The money did not go back, or came again."""
    said = StrayReturnFailedV1(
        payment_id=pay(1), merchant_id=MERCHANT, stray_id=STRAY, operation_id=operation_id, amount_minor=10_000,
        currency="EUR",
    )  # fmt: skip
    return hear(world, "payment.events", said)
