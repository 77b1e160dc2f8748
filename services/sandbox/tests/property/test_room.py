"""Any sequence of operations: room is never overdrawn, versions only grow, the book agrees with the objects."""

import contextlib
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.sandbox.domain import authorizations, captures
from services.sandbox.domain.objects import Authorization, Capture, Origin, Refund, Status
from shared.kernel.errors import Rejected

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CARDS = [
    "pm_card_visa", "pm_card_pendingCapture", "pm_card_pendingRefund", "pm_card_refundFail",
    "pm_card_refundDeclined", "pm_card_chargeDeclined", "pm_fault_wrong_amount",
]  # fmt: skip
STEPS = st.tuples(
    st.sampled_from(["capture", "final", "void", "expire", "refund", "settle", "fail"]),
    st.one_of(st.none(), st.integers(1, 150)),
    st.integers(0, 5),
)


class World:
    """The objects of one payment and the book, as the store would keep them."""

    def __init__(self, card, capture):
        origin = Origin(account="a", payment_method=card, currency="EUR", metadata={"payment": "pay_1"})
        order = authorizations.Order(origin=origin, reference="op", amount_minor=100, capture=capture)
        self.objects, self.movements, self.subjects = {}, [], set()
        self.apply(authorizations.authorize(order, authorization_id="auth", capture_id="cap_0", now=NOW))

    def apply(self, effect):
        if effect is None:
            return
        for movement in effect.movements:
            subject = movement.subject_id, movement.subject_revision
            assert subject not in self.subjects
            self.subjects.add(subject)
        for item in effect.objects:
            before = self.objects.get(item.id)
            if before is not None:
                assert item.revision > before.revision
                assert item.version - before.version == (item.status is not before.status)
            self.objects[item.id] = item
        self.movements += effect.movements

    def step(self, what, amount, index):
        auth = self.objects["auth"]
        taken = [item for item in self.objects.values() if isinstance(item, Capture)]
        given_back = [item for item in self.objects.values() if isinstance(item, Refund)]
        number = len(self.objects)
        if what in {"capture", "final"}:
            self.apply(
                authorizations.capture(
                    auth, amount, reference="op", final=what == "final", capture_id=f"cap_{number}", now=NOW
                )
            )
        elif what == "void":
            self.apply(authorizations.void(auth, reference="op", now=NOW))
        elif what == "expire":
            self.apply(authorizations.expire(auth, now=NOW))
        elif what == "refund" and taken:
            capture = taken[index % len(taken)]
            self.apply(captures.refund(capture, amount, reference="op", refund_id=f"ref_{number}", now=NOW))
        elif what == "settle":
            for capture in taken:
                self.apply(captures.settle_capture(capture, now=NOW))
            for refund in given_back:
                self.apply(captures.settle_refund(refund, now=NOW))
        elif what == "fail" and given_back:
            refund = given_back[index % len(given_back)]
            self.apply(captures.fail_refund(refund, self.objects[refund.capture_id], now=NOW))

    def total(self, column):
        return sum(getattr(movement, column) for movement in self.movements)

    def amounts(self, kind, *statuses):
        return sum(
            item.amount_minor
            for item in self.objects.values()
            if isinstance(item, kind) and item.status in statuses
        )


@given(st.sampled_from(CARDS), st.booleans(), st.lists(STEPS, max_size=25))
def test_room_is_never_overdrawn_and_the_book_agrees(card, capture, steps):
    world = World(card, capture)
    for what, amount, index in steps:
        with contextlib.suppress(Rejected):
            world.step(what, amount, index)
        auth = world.objects["auth"]
        assert isinstance(auth, Authorization)
        taken = world.amounts(Capture, Status.SUCCEEDED, Status.PENDING)
        assert taken == auth.captured_minor <= auth.amount_minor
        assert auth.captured_minor + auth.released_minor <= auth.amount_minor
        for item in world.objects.values():
            if isinstance(item, Capture):
                assert 0 <= item.refunded_minor <= item.amount_minor
        assert world.total("held_minor") == auth.capturable_minor
        assert world.total("captured_minor") == world.amounts(Capture, Status.SUCCEEDED)
        assert world.total("refunded_minor") == world.amounts(Refund, Status.SUCCEEDED)
        assert world.total("refunded_minor") <= world.total("captured_minor") <= auth.amount_minor
