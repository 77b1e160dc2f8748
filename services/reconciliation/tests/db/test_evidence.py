"""What lines prove of objects that payments hold in doubt, otherwise, or not at all is told, each object once."""

from __future__ import annotations

import threading
from datetime import timedelta

import psycopg
import pytest

from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.tests.three_legs import World, op, pay

pytestmark = pytest.mark.db
NOW = timedelta(0)


@pytest.fixture
def world(desk):
    made = World(desk)
    made.payout("po_1", 10_000)
    return made


def report(world, after=NOW):
    world.match()
    while world.desk.run(lambda uow: uow.reporting.tell(after)):
        pass


def told(world):
    report(world)
    return [
        (
            said["object_type"],
            said["object_id"],
            said["status"],
            said["amount_minor"],
            said.get("operation_id"),
        )
        for said in world.events("ObjectReported.v1")
    ]


def refunded(world, number, object_id="ref_1"):
    world.told("RefundSucceeded", number, 4_000, object_id=object_id, refund_id=f"re_{number:026d}")


def in_doubt(world):
    world.told("OperationUncertain", 1, 10_000, direction="in", object_id=None)
    world.line("l1", 10_000, object_id="cap_1", our_reference=op(1))
    return [("capture", "cap_1", "succeeded", 10_000, op(1))]


def refund_in_doubt(world):
    world.told("OperationUncertain", 1, 4_000, direction="out", object_id=None)
    world.line("l1", -4_000, object_id="ref_1", our_reference=op(1), category="refund")
    return [("refund", "ref_1", "succeeded", 4_000, op(1))]


def failed_refund(world):
    refunded(world, 1)
    world.line("l1", -4_000, object_id="ref_1", category="refund")
    world.line("l2", 4_000, object_id="ref_1", category="refund_failure")
    return [("refund", "ref_1", "failed", 4_000, None)]


def charged_twice(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1", our_reference=op(1))
    world.line("l2", 10_000, object_id="cap_2", our_reference=op(1))
    return [("capture", "cap_2", "succeeded", 10_000, op(1))]


def charged_twice_by_payment(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1", our_reference=pay(1))
    world.line("l2", 10_000, object_id="cap_2", our_reference=pay(1))
    return [("capture", "cap_2", "succeeded", 10_000, None)]


def in_doubt_and_other_money(world):
    world.told("OperationUncertain", 1, 10_000, direction="in", object_id=None)
    world.line("l1", 9_000, object_id="cap_1", our_reference=op(1))
    return [("capture", "cap_1", "succeeded", 9_000, op(1))]


def given_up(world):
    """A charge under an operation that was declined, as we heard."""
    world.told("PaymentMethodDeclined", 1, 0)
    world.line("l1", 10_000, object_id="cap_1", our_reference=op(1))
    return [("capture", "cap_1", "succeeded", 10_000, op(1))]


PROOFS = (
    given_up,
    in_doubt, refund_in_doubt, failed_refund, charged_twice, charged_twice_by_payment, in_doubt_and_other_money,
)  # fmt: skip


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.__name__)
def test_what_a_line_proves_is_told_once_on_the_payments_stream(world, proof):
    expected = proof(world)
    assert told(world) == expected
    assert world.rows("SELECT DISTINCT key FROM outbox WHERE event_type = 'ObjectReported.v1'") == [(pay(1),)]
    world.match(RunKind.FULL)
    assert told(world) == expected


def nobody_knows_it(world):
    world.line("l1", 10_000, object_id="cap_9", our_reference=op(9))


def matched(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1")


def other_money_of_a_known_object(world):
    world.captured(1, 10_000)
    world.line("l1", 9_000, object_id="cap_1")


def no_object(world):
    world.told("OperationUncertain", 1, 10_000, direction="in", object_id=None)
    world.line("l1", 10_000, our_reference=op(1))


def two_lines_of_one_object(world):
    world.told("OperationUncertain", 1, 10_000, direction="in", object_id=None)
    for name in ("l1", "l2"):
        world.line(name, 10_000, object_id="cap_1", our_reference=op(1))


def the_wrong_way(world):
    world.told("OperationUncertain", 1, 10_000, direction="in", object_id=None)
    world.line("l1", -10_000, object_id="cap_1", our_reference=op(1))


def a_dispute(world):
    world.captured(1, 10_000)
    world.line("l1", -6_000, object_id="dsp_1", our_reference=op(1), category="dispute")


def not_announced(world):
    world.told("OperationUncertain", 1, 10_000, direction="in", object_id=None)
    world.line("l1", 10_000, object_id="cap_1", our_reference=op(1), announced=False)


NOTHING = (
    nobody_knows_it, matched, other_money_of_a_known_object, no_object, two_lines_of_one_object, the_wrong_way,
    a_dispute, not_announced,
)  # fmt: skip


@pytest.mark.parametrize("story", NOTHING, ids=lambda story: story.__name__)
def test_what_proves_nothing_of_one_payment_is_not_told(world, story):
    story(world)
    assert told(world) == []


def test_what_may_be_on_its_way_is_waited_for(world):
    in_doubt(world)
    report(world, after=timedelta(hours=1))
    assert world.events("ObjectReported.v1") == []
    assert len(told(world)) == 1


def test_the_break_closes_itself_when_the_payment_follows(world):
    in_doubt(world)
    told(world)
    world.told("OperationResolved", 1, 10_000, direction="in", object_id=None)
    world.captured(1, 10_000)
    world.match()
    assert world.breaks() == {}
    assert world.breaks("SELF_CLOSED") == {"line:alpha_report:l1": ("status_conflict", 10_000)}


def test_many_who_look_at_once_tell_once(world):
    charged_twice(world)
    world.match()
    ready = threading.Barrier(4)

    def look():
        ready.wait(30)
        world.desk.run(lambda uow: uow.reporting.tell(NOW))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(told(world)) == 1


def test_an_object_is_told_once_whoever_writes_and_stays_told(world, app_sql):
    charged_twice(world)
    told(world)
    with pytest.raises(psycopg.errors.UniqueViolation):
        app_sql.execute(
            "INSERT INTO told_objects SELECT processor, account, object_id, category, payment_id, source, line_id,"
            " revision, 'evt_other', told_at FROM told_objects"
        )
    app_sql.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("DELETE FROM told_objects")
