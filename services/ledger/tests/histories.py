"""Legal histories of payments, and a plain model of what the books must then say: signed sums, no journals.

The model is written from the design's sentences, not from the posting table: what the merchant is owed, what the
processor owes us, what is under way.
"""

from __future__ import annotations

from collections import Counter

from services.ledger.tests.payloads import Payment


class History:
    """Draws the next legal event from a number, and keeps the expected balances on their normal sides."""

    def __init__(self, payment):
        self.payment = payment
        self.expected = Counter()
        self.told = []
        self.counts = Counter()
        self.captured_minor = 0
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
        if self.captured_minor > 0:
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

    def _dispute(self, _key, amount):
        nth, fee = self._next("dispute"), amount % 1_501
        self.disputes[nth] = (amount, 0)
        self.expected.update(
            disputed=amount, merchant_held=amount, processor_receivable=-amount,
            merchant_available=-amount - fee, dispute_fees=fee,
        )  # fmt: skip
        return self.payment.dispute_withdrawn(amount, self._next("row"), nth, fee_minor=fee)

    def _write_off(self, nth, _amount):
        held, lost = self.disputes[nth]
        self.disputes[nth] = (0, lost + held)
        self.expected.update(disputed=-held, merchant_held=-held)
        return self.payment.dispute_written_off(held, self._next("row"), nth)

    def _take_loss_back(self, nth, _amount):
        held, lost = self.disputes[nth]
        self.disputes[nth] = (held + lost, 0)
        self.expected.update(disputed=lost, merchant_held=lost)
        return self.payment.write_off_reversed(lost, self._next("row"), nth)

    def _reinstate(self, nth, amount):
        held, lost = self.disputes[nth]
        back = min(amount, held)
        self.disputes[nth] = (held - back, lost)
        self.expected.update(
            disputed=-back, merchant_held=-back, processor_receivable=back, merchant_available=back
        )
        return self.payment.dispute_reinstated(back, back, self._next("row"), nth)

    def _reinstate_after_loss(self, nth, amount):
        held, lost = self.disputes[nth]
        back = min(amount, lost)
        self.disputes[nth] = (held, lost - back)
        self.expected.update(processor_receivable=back, merchant_available=back)
        return self.payment.dispute_reinstated(back, 0, self._next("row"), nth)

    def _reverse(self, _key, amount):
        nth = self._next("reversal")
        self.reversals[nth] = amount
        self.expected.update(processor_receivable=-amount, merchant_available=-amount)
        return self.payment.reversal_received(amount, self._next("row"), nth)

    def _give_back(self, nth, _amount):
        amount = self.reversals.pop(nth)
        self.expected.update(processor_receivable=amount, merchant_available=amount)
        return self.payment.reversal_given_back(amount, self._next("row"), nth)

    def _next(self, kind):
        self.counts[kind] += 1
        return self.counts[kind] - 1

    def _capture(self, _key, amount):
        fee = amount * 3 % 101
        self.captured_minor += amount
        self.expected.update(processor_receivable=amount, merchant_pending=amount - fee, fee_revenue=fee)
        return self.payment.captured(amount, fee, nth=self._next("capture"))

    def _ask_refund(self, _key, amount):
        nth, returned = self._next("refund"), amount % 7
        self.refunds[nth] = ("asked", (amount, returned))
        self.expected.update(
            merchant_available=returned - amount, refunds_in_flight=amount, fee_revenue=-returned
        )
        return self.payment.refund_requested(amount, nth, fee_returned_minor=returned)

    def _refund_done(self, nth, _amount):
        amount, _returned = self.refunds[nth][1]
        self.refunds[nth] = ("done", self.refunds[nth][1])
        self.expected.update(refunds_in_flight=-amount, processor_receivable=-amount)
        return self.payment.refund_succeeded(amount, nth)

    def _refund_fails(self, nth, _amount):
        state, (amount, returned) = self.refunds[nth]
        self.refunds[nth] = ("failed", (amount, returned))
        self.expected.update(merchant_available=amount - returned, fee_revenue=returned)
        if state == "asked":
            self.expected.update(refunds_in_flight=-amount)
        else:
            self.expected.update(processor_receivable=amount)
        return self.payment.refund_failed(amount, nth, was_succeeded=state != "asked")

    def _adopt(self, _key, amount):
        nth = self._next("refund")
        self.refunds[nth] = ("adopted", (amount, 0))
        self.expected.update(merchant_available=-amount, processor_receivable=-amount)
        return self.payment.refund_adopted(amount, nth)

    def _doubt(self, _key, amount):
        nth = self._next("doubt")
        direction = "in" if amount % 2 else "out"
        self.doubts[nth] = (direction, amount)
        self.expected.update({f"in_doubt_{direction}": amount})
        self.expected.update(in_doubt_contra=amount if direction == "in" else -amount)
        return self.payment.uncertain(amount, direction, nth)

    def _resolve(self, nth, _amount):
        direction, amount = self.doubts.pop(nth)
        self.expected.update({f"in_doubt_{direction}": -amount})
        self.expected.update(in_doubt_contra=-amount if direction == "in" else amount)
        return self.payment.resolved(amount, direction, nth)

    def _stray(self, _key, amount):
        nth = self._next("stray")
        self.strays[nth] = ("found", amount)
        self.expected.update(processor_receivable=amount, suspense=amount)
        return self.payment.stray_found(amount, nth)

    def _accept(self, nth, _amount):
        amount = self.strays.pop(nth)[1]
        self.expected.update(processor_receivable=-amount, suspense=-amount)
        return self.payment.stray_accepted(amount, nth)

    def _odd_refund(self, _key, amount):
        nth = self._next("odd_refund")
        self.odd_refunds[nth] = amount
        self.expected.update(processor_receivable=-amount, suspense=-amount)
        return self.payment.refund_stray_found(amount, nth)

    def _odd_refund_fails(self, nth, _amount):
        return self.payment.refund_stray_failed(self._odd_refund_ends(nth), nth)

    def _accept_odd_refund(self, nth, _amount):
        return self.payment.refund_stray_accepted(self._odd_refund_ends(nth), nth)

    def _odd_refund_ends(self, nth):
        amount = self.odd_refunds.pop(nth)
        self.expected.update(processor_receivable=amount, suspense=amount)
        return amount

    def _return(self, nth, _amount):
        amount = self.strays[nth][1]
        self.strays[nth] = ("returning", amount)
        self.expected.update(suspense=-amount, refunds_in_flight=amount)
        return self.payment.return_requested(amount, nth)

    def _returned(self, nth, _amount):
        amount = self.strays.pop(nth)[1]
        self.expected.update(refunds_in_flight=-amount, processor_receivable=-amount)
        return self.payment.return_succeeded(amount, nth)

    def _return_fails(self, nth, _amount):
        amount = self.strays[nth][1]
        self.strays[nth] = ("kept", amount)
        self.expected.update(refunds_in_flight=-amount, suspense=amount)
        return self.payment.return_failed(amount, nth)


def expected_of(histories):
    """Balances by family over several histories, without the zeros."""
    total = Counter()
    for history in histories:
        total.update(history.expected)
    return {family: balance for family, balance in total.items() if balance}


def histories(count):
    return [History(Payment(number, merchant=number % 3)) for number in range(1, count + 1)]
