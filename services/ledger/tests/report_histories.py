"""Reports and statements as they may come, and a plain model of what the books must then say.

The model knows only what each line says at last and what the bank did; it knows no journals and no reversals.
"""

from __future__ import annotations

from collections import Counter

from services.ledger.tests import report
from services.ledger.tests.expected import OF_PROCESSOR, PROCESSOR, Line

CATEGORIES = ("charge", "refund", "refund_failure", "dispute", "reversal", "reserve", "other")
RATE_NUMERATOR, RATE = 92_437, "0.92437"


class ReportHistory:
    """Draws the next event from numbers; ``prefix`` keeps the lines of several histories apart."""

    def __init__(self, prefix=""):
        self.prefix = prefix
        self.told = []
        self.lines = {}
        self.banked = Counter()

    def step(self, choice, amount_minor, fee_minor):
        """One event: a new line, a correction of one, money at the bank, or something told before."""
        moves = [self._accept, self._bank, self._return]
        moves += [self._amend, self._amend, self._drop, self._again] if self.lines else []
        event = moves[choice % len(moves)](choice, amount_minor, fee_minor)
        self.told.append(event)
        return event

    def _accept(self, choice, amount, fee):
        line_id = f"{self.prefix}{len(self.lines)}"
        content = self._content(choice, amount, fee)
        self.lines[line_id] = [content]
        return report.accepted(line_id, *content["said"], **content["fields"])

    def _amend(self, choice, amount, fee):
        return self._correct(choice, self._content(choice // 7, amount, fee))

    def _drop(self, choice, _amount, _fee):
        return self._correct(choice, {"said": ("charge", 0, 0), "fields": {}, "nets": {}})

    def _correct(self, choice, content):
        line_id = sorted(self.lines)[choice % len(self.lines)]
        revisions = self.lines[line_id]
        amends = len(revisions) if revisions[-1]["nets"] else None
        revisions.append(content)
        return report.amended(
            line_id, *content["said"], revision=len(revisions), amends=amends, **content["fields"]
        )

    def _bank(self, choice, amount, _fee):
        signed = amount if choice % 5 else -amount
        line_id = f"{self.prefix}b{len(self.told)}"
        # The first that is allocated of this line of the bank to this payout.
        self._at_the_bank(f"main_account:{line_id}:{report.payout_key()}:1", signed)
        return report.bank_credit(signed, line_id=line_id)

    def _return(self, _choice, amount, _fee):
        line_id = f"{self.prefix}r{len(self.told)}"
        self._at_the_bank(f"main_account:{line_id}:{report.payout_key()}", -amount)
        return report.payout_returned(amount, line_id=line_id)

    def _again(self, choice, _amount, _fee):
        return self.told[choice % len(self.told)]

    def _content(self, choice, amount, fee):
        category = CATEGORIES[choice % len(CATEGORIES)]
        gross = amount if choice % 2 else -amount
        if category not in ("reserve", "other") and choice % 3 == 0:
            return self._exchanged(category, gross, fee)
        family = {"reserve": "processor_reserve", "other": "suspense"}.get(category, "processor_receivable")
        at_family = {"processor_reserve": -gross, "suspense": gross - fee}.get(family, -gross)
        nets = Counter({("bank_clearing", "EUR"): gross - fee, (family, "EUR"): at_family})
        nets["processor_fees", "EUR"] += 0 if category == "other" else fee
        fields = {}
        if choice % 11 == 0:
            # It does not add up: what was paid was paid, and the rest is a question.
            fields = {"net_minor": gross - fee + 7}
            nets["bank_clearing", "EUR"] += 7
            nets["suspense", "EUR"] += 7
        return {"said": (category, gross, fee), "fields": fields, "nets": nets}

    def _exchanged(self, category, gross, fee):
        """What the processor makes of it is a cent off; the model rounds by hand."""
        scaled = abs(gross) * RATE_NUMERATOR
        converted = (scaled + 50_000) // 100_000 * (1 if gross > 0 else -1)
        net = converted + 1 - fee
        fields = {"currency": "USD", "net_currency": "EUR", "fee_currency": "EUR", "net_minor": net}
        nets = Counter(
            {
                ("processor_receivable", "USD"): -gross, ("fx", "USD"): gross, ("fx", "EUR"): -converted,
                ("bank_clearing", "EUR"): net, ("processor_fees", "EUR"): fee, ("rounding", "EUR"): 1,
            }
        )  # fmt: skip
        return {"said": (category, gross, fee), "fields": {**fields, "exchange_rate": RATE}, "nets": nets}

    @property
    def expected(self):
        total = Counter(self.banked)
        for line_id, revisions in self.lines.items():
            stands = f"{report.SOURCE}:{line_id}:{len(revisions)}"
            line_key = report.line_key(line_id)
            for (family, currency), net in revisions[-1]["nets"].items():
                owner = PROCESSOR if family in OF_PROCESSOR else "platform"
                keys = {
                    "processor_receivable": line_key,
                    "suspense": line_key,
                    "bank_clearing": report.payout_key(),
                }
                total[Line(stands, family, owner, currency, keys.get(family))] += net
        return total

    def _at_the_bank(self, fact, amount):
        self.banked[Line(fact, "bank_cash", "main_eur", "EUR", None)] += amount
        self.banked[Line(fact, "bank_clearing", PROCESSOR, "EUR", report.payout_key())] -= amount
