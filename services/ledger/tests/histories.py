"""Legal histories of payments, and a plain model of what the books must then say: signed sums, no journals.

The model is written from the design's sentences, not from the posting table: what the merchant is owed, what the
processor owes us, what is under way; whose each account is, what each fact comes to, and what it has to clear.
"""

from __future__ import annotations

from collections import Counter

from services.ledger.tests import report
from services.ledger.tests.expected import KEYED_BY, OF_MERCHANT, OF_PROCESSOR, PROCESSOR, Line
from services.ledger.tests.payloads import Payment

#: Of two, no and three decimals.
CURRENCIES = ("EUR", "JPY", "KWD")


class History:
    """Draws the next legal event from a number, and keeps the expected balances on their normal sides."""

    def __init__(self, payment):
        self.payment = payment
        self.expected = Counter()
        self.told = []
        self.counts = Counter()
        self.captures = {}
        self.refunds = {}
        self.doubts = {}
        self.strays = {}
        self.odd_refunds = {}
        self.disputes = {}
        self.reversals = {}

    def step(self, choice, amount_minor):
        """Tell one legal event; the same two numbers on the same history give the same event."""
        moves = sorted(self._moves())
        name, key = moves[choice % len(moves)]
        event = getattr(self, f"_{name}")(key, amount_minor)
        self.told.append(event)
        return event

    def _moves(self):
        yield from [("capture", -1), ("doubt", -1), ("stray", -1), ("odd_refund", -1)]
        yield from (
            (move, nth) for nth in self.odd_refunds for move in ("odd_refund_fails", "accept_odd_refund")
        )
        for nth, (_amount, _fee, settled, _times) in self.captures.items():
            yield ("unsettle" if settled else "settle", nth)
        if self.captures:
            yield from [("ask_refund", -1), ("adopt", -1), ("dispute", -1), ("reverse", -1)]
        for nth, (state, _amount) in self.refunds.items():
            yield from {
                "asked": [("refund_done", nth), ("refund_fails", nth)],
                "done": [("refund_fails", nth)],
                "adopted": [("refund_fails", nth)],
            }.get(state, [])
        yield from (("resolve", nth) for nth in self.doubts)
        for nth, (state, _amount) in self.strays.items():
            yield from {
                "found": [("return", nth), ("accept", nth)],
                "returning": [("returned", nth), ("return_fails", nth)],
            }.get(state, [])

        for nth, (held, lost) in self.disputes.items():
            yield from [("write_off", nth), ("reinstate", nth)] if held else []
            yield from [("take_loss_back", nth), ("reinstate_after_loss", nth)] if lost else []
        yield from (("give_back", nth) for nth in self.reversals)

    def _book(self, fact, ids, **families):
        """What a fact does to each family, on its normal side; ``ids`` names what is to be cleared."""
        base = self.payment.base
        for family, amount in families.items():
            owner = (
                base["merchant_id"]
                if family in OF_MERCHANT
                else PROCESSOR
                if family in OF_PROCESSOR
                else "platform"
            )
            key = ids[KEYED_BY[family]] if family in KEYED_BY else None
            self.expected[Line(fact, family, owner, base["currency"], key)] += amount

    def _object(self, kind, nth):
        return {"object": f"{PROCESSOR}:{self.payment.object(kind, nth)['object_id']}"}

    def _dispute(self, _key, amount):
        nth, fee = self._next("dispute"), amount % 1_501
        self.disputes[nth] = (amount, 0)
        told = self.payment.dispute_withdrawn(amount, self._next("row"), nth, fee_minor=fee)
        self._book(
            told.fact_key, self._object("dsp", nth), disputed=amount, merchant_held=amount,
            processor_receivable=-amount, merchant_available=-amount - fee, dispute_fees=fee,
        )  # fmt: skip
        return told

    def _write_off(self, nth, _amount):
        held, lost = self.disputes[nth]
        self.disputes[nth] = (0, lost + held)
        told = self.payment.dispute_written_off(held, self._next("row"), nth)
        self._book(told.fact_key, self._object("dsp", nth), disputed=-held, merchant_held=-held)
        return told

    def _take_loss_back(self, nth, _amount):
        held, lost = self.disputes[nth]
        self.disputes[nth] = (held + lost, 0)
        told = self.payment.write_off_reversed(lost, self._next("row"), nth)
        self._book(told.fact_key, self._object("dsp", nth), disputed=lost, merchant_held=lost)
        return told

    def _reinstate(self, nth, amount):
        held, lost = self.disputes[nth]
        back = min(amount, held)
        self.disputes[nth] = (held - back, lost)
        told = self.payment.dispute_reinstated(back, back, self._next("row"), nth)
        self._book(
            told.fact_key, self._object("dsp", nth), disputed=-back, merchant_held=-back,
            processor_receivable=back, merchant_available=back,
        )  # fmt: skip
        return told

    def _reinstate_after_loss(self, nth, amount):
        held, lost = self.disputes[nth]
        back = min(amount, lost)
        self.disputes[nth] = (held, lost - back)
        told = self.payment.dispute_reinstated(back, 0, self._next("row"), nth)
        self._book(
            told.fact_key, self._object("dsp", nth), processor_receivable=back, merchant_available=back
        )
        return told

    def _reverse(self, _key, amount):
        nth = self._next("reversal")
        self.reversals[nth] = amount
        told = self.payment.reversal_received(amount, self._next("row"), nth)
        self._book(
            told.fact_key, self._object("rvl", nth), processor_receivable=-amount, merchant_available=-amount
        )
        return told

    def _give_back(self, nth, _amount):
        amount = self.reversals.pop(nth)
        told = self.payment.reversal_given_back(amount, self._next("row"), nth)
        self._book(
            told.fact_key, self._object("rvl", nth), processor_receivable=amount, merchant_available=amount
        )
        return told

    def _next(self, kind):
        self.counts[kind] += 1
        return self.counts[kind] - 1

    def _capture(self, _key, amount):
        fee, nth = amount * 3 % 101, self._next("capture")
        self.captures[nth] = (amount, fee, False, 0)
        told = self.payment.captured(amount, fee, nth=nth)
        self._book(
            told.fact_key, self._object("cap", nth), processor_receivable=amount,
            merchant_pending=amount - fee, fee_revenue=fee,
        )  # fmt: skip
        return told

    def _settle(self, nth, _amount):
        """Its lines have come to its amount: what is left of it after our fee can be had."""
        amount, fee, _settled, times = self.captures[nth]
        self.captures[nth] = (amount, fee, True, times + 1)
        told = report.settled(self.payment, amount, fee, nth=nth, number=times + 1)
        self._available(told.fact_key, amount - fee)
        return told

    def _unsettle(self, nth, _amount):
        """A file was amended, and they do no more."""
        amount, fee, _settled, times = self.captures[nth]
        self.captures[nth] = (amount, fee, False, times)
        told = report.unsettled(self.payment, amount, fee, nth=nth, number=times)
        self._available(told.settled_fact_key, fee - amount)
        return told

    def _available(self, fact, amount):
        self._book(fact, {}, merchant_pending=-amount, merchant_available=amount)

    def _ask_refund(self, _key, amount):
        nth, returned = self._next("refund"), amount % 7
        self.refunds[nth] = ("asked", (amount, returned))
        self._asked(nth, amount, returned)
        return self.payment.refund_requested(amount, nth, fee_returned_minor=returned)

    def _asked(self, nth, amount, returned):
        refund = self.payment.id("re", nth)
        self._book(
            refund, {"refund": refund}, merchant_available=returned - amount, refunds_in_flight=amount,
            fee_revenue=-returned,
        )  # fmt: skip

    def _refund_done(self, nth, _amount):
        amount, _returned = self.refunds[nth][1]
        self.refunds[nth] = ("done", self.refunds[nth][1])
        self._done(nth, amount)
        return self.payment.refund_succeeded(amount, nth)

    def _done(self, nth, amount):
        ids = {"refund": self.payment.id("re", nth), **self._object("ref", nth)}
        self._book(self._refund_fact(nth), ids, refunds_in_flight=-amount, processor_receivable=-amount)

    def _refund_fact(self, nth):
        return self.payment.object("ref", nth)["fact_key"]

    def _refund_fails(self, nth, _amount):
        """Whatever was said of it comes to nothing."""
        state, (amount, returned) = self.refunds[nth]
        self.refunds[nth] = ("failed", (amount, returned))
        if state == "adopted":
            self._adopted(nth, -amount)
        else:
            self._asked(nth, -amount, -returned)
        if state == "done":
            self._done(nth, -amount)
        return self.payment.refund_failed(amount, nth, was_succeeded=state != "asked")

    def _adopt(self, _key, amount):
        nth = self._next("refund")
        self.refunds[nth] = ("adopted", (amount, 0))
        self._adopted(nth, amount)
        return self.payment.refund_adopted(amount, nth)

    def _adopted(self, nth, amount):
        ids = self._object("ref", nth)
        self._book(self._refund_fact(nth), ids, merchant_available=-amount, processor_receivable=-amount)

    def _doubt(self, _key, amount):
        nth = self._next("doubt")
        direction = "in" if amount % 2 else "out"
        self.doubts[nth] = (direction, amount)
        self._in_doubt(nth, direction, amount)
        return self.payment.uncertain(amount, direction, nth)

    def _in_doubt(self, nth, direction, amount):
        operation = self.payment.id("op", nth)
        contra = amount if direction == "in" else -amount
        families = {f"in_doubt_{direction}": amount, "in_doubt_contra": contra}
        self._book(operation, {"operation": operation}, **families)

    def _resolve(self, nth, _amount):
        direction, amount = self.doubts.pop(nth)
        self._in_doubt(nth, direction, -amount)
        return self.payment.resolved(amount, direction, nth)

    def _stray(self, _key, amount):
        nth = self._next("stray")
        self.strays[nth] = ("found", amount)
        self._astray("stray", nth, amount)
        return self.payment.stray_found(amount, nth)

    def _astray(self, kind, nth, amount):
        """Money of nobody known came, or was given back (negative)."""
        stray = self.payment.id("str", nth if kind == "stray" else 50 + nth)
        fact = self.payment.object(kind, nth)["fact_key"]
        ids = {"stray": stray, **self._object(kind, nth)}
        self._book(fact, ids, processor_receivable=amount, suspense=amount)

    def _accept(self, nth, _amount):
        amount = self.strays.pop(nth)[1]
        self._astray("stray", nth, -amount)
        return self.payment.stray_accepted(amount, nth)

    def _odd_refund(self, _key, amount):
        nth = self._next("odd_refund")
        self.odd_refunds[nth] = amount
        self._astray("odd", nth, -amount)
        return self.payment.refund_stray_found(amount, nth)

    def _odd_refund_fails(self, nth, _amount):
        return self.payment.refund_stray_failed(self._odd_refund_ends(nth), nth)

    def _accept_odd_refund(self, nth, _amount):
        return self.payment.refund_stray_accepted(self._odd_refund_ends(nth), nth)

    def _odd_refund_ends(self, nth):
        amount = self.odd_refunds.pop(nth)
        self._astray("odd", nth, amount)
        return amount

    def _return(self, nth, _amount):
        amount = self.strays[nth][1]
        self.strays[nth] = ("returning", amount)
        self._returning(nth, amount)
        return self.payment.return_requested(amount, nth)

    def _returning(self, nth, amount):
        operation = self.payment.id("op", 80 + nth)
        ids = {"stray": self.payment.id("str", nth), "refund": operation}
        self._book(operation, ids, suspense=-amount, refunds_in_flight=amount)

    def _returned(self, nth, _amount):
        amount = self.strays.pop(nth)[1]
        told = self.payment.return_succeeded(amount, nth)
        ids = {"refund": told.operation_id, **self._object("back", nth)}
        self._book(told.fact_key, ids, refunds_in_flight=-amount, processor_receivable=-amount)
        return told

    def _return_fails(self, nth, _amount):
        amount = self.strays[nth][1]
        self.strays[nth] = ("kept", amount)
        self._returning(nth, -amount)
        return self.payment.return_failed(amount, nth)


def histories(count, first=1):
    """Of several merchants, and in money of two, no and three decimals."""
    return [
        History(Payment(number, merchant=number % 2, currency=CURRENCIES[number % len(CURRENCIES)]))
        for number in range(first, first + count)
    ]
