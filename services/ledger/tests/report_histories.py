"""Reports and statements as they may come, and a plain model of what the books must then say.

The model knows only what each line says at last, what it was matched to at last, and what the bank did; it knows no
journals and no reversals.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from random import Random

from schemas import generated
from services.ledger.tests import report
from services.ledger.tests.expected import OF_PROCESSOR, PROCESSOR, Line
from services.ledger.tests.histories import CURRENCIES
from services.ledger.tests.lines import NOTHING, drawn
from services.ledger.tests.payloads import Payment

DECISIONS = (generated.AdjustmentProposedV1, generated.AdjustmentWithdrawnV1)


def _number(text):
    """The same for the same text, and hardly for another."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10**26


class ReportHistory:
    """Draws the next event from numbers; ``prefix`` keeps the lines of several histories apart.

    Lines are matched to captures of ``payments``. ``asks``: people at reconciliation ask for adjustments, and want some
    of them no more; ``event_ids`` then says under which id an event of ``told`` is spoken of.
    """

    def __init__(self, prefix="", payments=None, *, asks=False):
        self.prefix = prefix
        self.payments = payments or [Payment(number) for number in (1, 2)]
        self.asks = asks
        self.told = []
        self.lines = {}
        self.matches = {}
        self.numbers = Counter()
        self.banked = Counter()
        self.event_ids = {}
        self.asked = {}
        self.withdrawn = {}

    def step(self, choice, amount_minor, fee_minor):
        """One event: a line, a correction, a match, money at the bank, or something told before."""
        chance = Random(choice)  # noqa: S311 - the same numbers give the same event
        moves = [self._accept, self._bank, self._return] + [self._ask] * self.asks
        moves += [self._withdraw] * 2 * (self.asked.keys() > self.withdrawn.keys())
        if self.lines:
            moves += [self._amend, self._amend, self._drop, self._match, self._unmatch, self._again]
        event = chance.choice(moves)(chance, amount_minor, fee_minor)
        self.told.append(event)
        return event

    def _accept(self, chance, amount, fee):
        line_id = f"{self.prefix}{len(self.lines)}"
        content = self._content(chance, amount, fee)
        self.lines[line_id] = [content]
        return report.accepted(line_id, *content.said, **content.fields)

    def _amend(self, chance, amount, fee):
        return self._correct(chance, self._content(chance, amount, fee))

    def _drop(self, chance, _amount, _fee):
        return self._correct(chance, NOTHING)

    def _correct(self, chance, content):
        line_id = chance.choice(sorted(self.lines))
        revisions = self.lines[line_id]
        amends = len(revisions) if any(revisions[-1].nets.values()) else None
        revisions.append(content)
        # Whatever it was matched to, this revision says anew.
        self.matches[line_id] = content.about
        return report.amended(
            line_id, *content.said, revision=len(revisions), amends=amends, **content.fields
        )

    def _match(self, chance, _amount, _fee):
        return self._matched(chance, self._about(chance))

    def _unmatch(self, chance, _amount, _fee):
        return self._matched(chance, None)

    def _matched(self, chance, about):
        line_id = chance.choice(sorted(self.lines))
        revision = len(self.lines[line_id])
        content = self.lines[line_id][-1]
        self.numbers[line_id, revision] += 1
        self.matches[line_id] = about
        tell = report.unmatched if about is None else report.matched
        payment, nth = about or self._about(chance)
        return tell(
            line_id, payment, "cap", content.said[1], nth=nth, number=self.numbers[line_id, revision],
            category=content.said[0], revision=revision, currency=content.fields.get("currency", "EUR"),
        )  # fmt: skip

    def _about(self, chance):
        return chance.choice(self.payments), chance.randrange(2)

    def _bank(self, chance, amount, _fee):
        signed = chance.choice((amount, amount, -amount))
        line_id = f"{self.prefix}b{len(self.told)}"
        payout, money, number = (
            chance.choice(("po_1", "po_2")),
            chance.choice(CURRENCIES),
            chance.choice((None, 1, 2)),
        )
        # One without a number is the first that is allocated of this line of the bank to this payout.
        self._at_the_bank(f"{line_id}:{report.payout_key(payout)}:{number or 1}", payout, money, signed)
        return report.bank_credit(signed, line_id, payout, money, number)

    def _return(self, chance, amount, _fee):
        line_id = f"{self.prefix}r{len(self.told)}"
        payout, money = chance.choice(("po_1", "po_2")), chance.choice(CURRENCIES)
        self._at_the_bank(f"{line_id}:{report.payout_key(payout)}", payout, money, -amount)
        return report.payout_returned(amount, line_id, payout, money)

    def _ask(self, chance, amount, _fee):
        """It books nothing: people here decide."""
        told = report.adjustment_asked(chance.randrange(10**9), amount, chance.choice(CURRENCIES))
        event_id = self.event_ids[len(self.told)] = f"evt_{_number(f'{self.prefix}{len(self.told)}'):026d}"
        self.asked[event_id] = told
        return told

    def _withdraw(self, chance, _amount, _fee):
        """Once of each, and never before it was asked for: one stream tells both."""
        event_id = chance.choice(sorted(self.asked.keys() - self.withdrawn.keys()))
        self.withdrawn[event_id] = by = chance.choice((None, "eve"))
        return report.adjustment_withdrawn(self.asked[event_id], event_id, by)

    def _again(self, chance, _amount, _fee):
        """In a record of its own; what people at reconciliation decided is told in one."""
        told = [event for event in self.told if not isinstance(event, DECISIONS)]
        return chance.choice(told)

    def _content(self, chance, amount, fee):
        content = drawn(chance, amount, fee)
        if chance.random() < 0.3:
            payment, nth = about = self._about(chance)
            fields = {**content.fields, **report.of(payment, "cap", nth)}
            content = content._replace(fields=fields, about=about)
        return content

    @property
    def expected(self):
        """As it was booked: a line that never named an object stands under its own key, whatever it is matched to."""
        total = Counter(self.banked)
        for line_id, revisions in self.lines.items():
            # Only the first reading stands under what it names; later ones can be matched again.
            about = revisions[0].about if len(revisions) == 1 else None
            total.update(self._standing(line_id, about))
        return total

    @property
    def cleared(self):
        """As it counts: claims of a line under what it was matched to at last."""
        total = Counter(self.banked)
        for line_id, revisions in self.lines.items():
            first = revisions[0].about if len(revisions) == 1 else None
            total.update(self._standing(line_id, first or self.matches.get(line_id)))
        return total

    def _standing(self, line_id, about):
        content, total = self.lines[line_id][-1], Counter()
        stands, line_key = f"{report.SOURCE}:{line_id}:{len(self.lines[line_id])}", report.line_key(line_id)
        claimed = (
            line_key if about is None else report.object_key(about[0].object("cap", about[1])["object_id"])
        )
        keys = {
            "processor_receivable": claimed,
            "suspense": line_key,
            "bank_clearing": report.payout_key(content.payout),
        }
        for (family, currency), net in content.nets.items():
            owner = PROCESSOR if family in OF_PROCESSOR else "platform"
            total[Line(stands, family, owner, currency, keys.get(family))] += net
        return total

    def _at_the_bank(self, of, payout, currency, amount):
        fact = f"main_account:{of}"
        self.banked[Line(fact, "bank_cash", "main_eur", currency, None)] += amount
        self.banked[Line(fact, "bank_clearing", PROCESSOR, currency, report.payout_key(payout))] -= amount
