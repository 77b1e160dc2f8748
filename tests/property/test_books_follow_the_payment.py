"""Whatever a payment goes through, the books that follow its events say exactly what its amounts say.

The payment machine's random lives, with facts that are odder still (other currencies, nothing at all, words nobody
knows); after each step every account of the books is compared with what the payment itself holds.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from schemas import catalogue
from services.ledger.domain.posting_rules import POSTING_EVENT_TYPES
from services.ledger.tests.memory_books import MemoryBooks
from services.payment.adapters.publishing import _EVENTS
from services.payment.app.apply_fact import apply_fact
from services.payment.app.apply_settlement_line import apply_settlement_line
from services.payment.app.create_payment import create_payment
from services.payment.domain.events import PaymentCaptured
from services.payment.domain.pricing import Price, RefundPolicy
from services.payment.domain.status import CaptureMethod
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.property.test_payment_machine import BEGINNINGS, PaymentMachine
from services.payment.tests.settlement import line_of
from services.payment.tests.world import fact, told, wish
from tests.property.expected_books import books_of

PARENTS = {"capture": ("authorization", "auth"), "refund": ("capture", "cap")}


class StrictBooks(MemoryBooks):
    """As the stored books: one fact told with other money is a contradiction."""

    def post(self, event_type, fields):
        posted = super().post(event_type, fields)
        for journal in posted:
            kept = self.find(journal.payment_id, journal.rule, journal.subject)
            assert kept is not None, journal
            assert (kept.amount_minor, kept.currency) == (journal.amount_minor, journal.currency), journal
        return posted

    def by_account(self):
        total = Counter()
        for journal in self.journals:
            single = MemoryBooks()
            single.journals = [journal]
            for family, minor in single.balances().items():
                total[family, journal.currency] += minor
        return {account: minor for account, minor in total.items() if minor}


class BooksMachine(PaymentMachine):
    """One payment with its books beside it."""

    @initialize(
        method=st.sampled_from(CaptureMethod),
        attempts=st.integers(1, 3),
        policy=st.sampled_from(RefundPolicy),
        percent=st.sampled_from((0, 29_000, 333_333, 1_000_000)),
        fixed=st.sampled_from((0, 30, 7_000)),
        begin=st.sampled_from(BEGINNINGS),
    )
    def create(self, method, attempts, policy, percent, fixed, begin):
        self.unit, self.books, self.booked = MemoryUnit(), StrictBooks(), 0
        self.unit.payments.agreed = Price(
            percent_ppm=percent, fixed_minor=fixed, refund_policy=policy, dispute_fee_minor=fixed // 2
        )
        self.payment = create_payment(wish(capture_method=method, max_attempts=attempts), self.unit)
        self.unit.commit()
        self.come_some_way(method, begin)

    @rule(
        what=st.sampled_from(
            [
                ("authorization", "authorized"),
                ("authorization", "disputed"),
                ("capture", "succeeded"),
                ("capture", "held_back"),
                ("refund", "succeeded"),
                ("refund", "failed"),
                ("refund", "requires_action"),
            ]
        ),
        number=st.integers(1, 3),
        parent=st.integers(1, 3),
        version=st.integers(1, 4),
        pick=st.integers(0, 5),
        amount=st.sampled_from((0, 1, 4_000, 10_000)),
        currency=st.sampled_from(("EUR", "USD")),
    )
    def tell_odd(self, what, number, parent, version, pick, amount, currency):
        kind, status = what
        known = sorted(self.payment.operations.values(), key=lambda operation: operation.number)
        parent_type, prefix = PARENTS.get(kind, (None, None))
        said = fact(
            object_type=kind,
            object_id=f"{kind[:4] if kind == 'authorization' else kind[:3]}_{number}",
            status=status,
            object_version=version,
            amount_minor=amount,
            currency=currency,
            payment_id=self.payment.payment_id,
            reference=known[pick].operation_id if pick < len(known) else None,
            parent_type=parent_type,
            parent_id=f"{prefix}_{parent}" if prefix else None,
        )
        apply_fact(told(said), self.unit)
        self.unit.commit()

    @rule(
        line=st.integers(1, 2),
        older=st.integers(-2, 3),
        pick=st.integers(0, 2),
        category=st.sampled_from(("charge", "charge", "charge", "refund")),
        part_minor=st.sampled_from((0, 0, -1, -4_000, 6_000)),
    )
    def tell_line(self, line, older, pick, category, part_minor):
        """A line of a report about a capture: the next revision mostly, sometimes one that comes late."""
        known = sorted(key for key, thing in self.payment.objects.items() if thing.object_type == "capture")
        key = known[pick % len(known)] if known else ("alpha", "acct_alpha", "cap_1")
        whole_minor = self.payment.objects[key].amount_minor if known else 10_000
        stands = self.unit.settlement.get(("alpha_payouts", str(line)))
        said = {
            "revision": max(1, (stands.revision if stands else 0) + (1 if older > 0 else older)),
            "object_id": key[2],
            "category": category,
            "gross_minor": whole_minor + part_minor,
        }
        apply_settlement_line(line_of(self.payment, str(line), **said), "evt_line", self.unit)
        self.unit.commit()

    def settled_minor(self):
        """The merchant's part of the captures that are settled, each with the fee that it was announced with."""
        fees = {
            (event.processor, event.account, event.object_id): event.fee_minor
            for _, event in self.unit.events
            if isinstance(event, PaymentCaptured)
        }
        return sum(
            thing.counted_minor - fees[thing.key] for thing in self.payment.objects.values() if thing.settled
        )

    @invariant()
    def the_books_say_what_the_payment_says(self):
        for payment_id, event in self.unit.events[self.booked :]:
            fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
            whole = fields | {"payment_id": payment_id, "merchant_id": self.payment.merchant_id}
            catalogue.encode("payment.events", _EVENTS[type(event)](**whole))
            if type(event).__name__ in POSTING_EVENT_TYPES:
                self.books.post(type(event).__name__, whole)
        self.booked = len(self.unit.events)
        due = Counter(books_of(self.payment))
        due["merchant_pending", self.payment.currency] -= self.settled_minor()
        due["merchant_available", self.payment.currency] += self.settled_minor()
        assert self.books.by_account() == {account: minor for account, minor in due.items() if minor}


TestBooksFollowThePayment = BooksMachine.TestCase
TestBooksFollowThePayment.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
