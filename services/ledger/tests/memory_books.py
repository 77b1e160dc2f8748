"""The posting rules on books held in memory: what the consumer does, without PostgreSQL."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime

from services.ledger.domain.chart import FAMILIES, Side, balance_on_normal_side
from services.ledger.domain.journal import Cause
from services.ledger.domain.posting import journals_for
from services.ledger.tests.expected import Line

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class MemoryBooks:
    """Adds what the rules return and answers what they ask."""

    def __init__(self):
        self.journals = []
        self._by_subject = {}
        self._facts = {}
        self._number = itertools.count()

    def find(self, payment_id, rule, subject):
        return self._by_subject.get((payment_id, rule, subject))

    def find_fact(self, rule, fact_key):
        return self._facts.get((rule, fact_key))

    def of_payment(self, payment_id):
        return [journal for journal in self.journals if journal.payment_id == payment_id]

    grounds_of = of_payment

    def post(self, event_type, fields, effective_at=NOW):
        cause = Cause(event_id=f"evt_{next(self._number)}", event_type=event_type, version=1)
        posted = journals_for(cause, fields, effective_at, self, lambda: f"jrn_{next(self._number)}")
        for journal in posted:
            if (journal.rule, journal.fact_key) not in self._facts:
                self._facts[journal.rule, journal.fact_key] = journal
                self._by_subject[journal.payment_id, journal.rule, journal.subject] = journal
                self.journals.append(journal)
        return posted

    def net_minor(self):
        """Debits minus credits over all entries, by currency."""
        net = {}
        for entry in self.entries():
            signed = entry.amount_minor if entry.side is Side.DEBIT else -entry.amount_minor
            net[entry.account.currency] = net.get(entry.account.currency, 0) + signed
        return net

    def balances(self):
        """By family, on the normal side, without the zeros."""
        total = {}
        for entry in self.entries():
            debit, credit = (entry.amount_minor, 0) if entry.side is Side.DEBIT else (0, entry.amount_minor)
            family = entry.account.family
            total[family] = total.get(family, 0) + balance_on_normal_side(family, debit, credit)
        return {family: balance for family, balance in total.items() if balance}

    def accounts(self):
        """By account, on the normal side, without the zeros."""
        total = Counter()
        for line, net in self.lines().items():
            total[line.family, line.owner, line.currency] += net
        return {account: balance for account, balance in total.items() if balance}

    def lines(self):
        """By fact, account and clearing key, on the normal side, without the zeros."""
        total = Counter()
        for journal in self.journals:
            for entry in journal.entries:
                side = FAMILIES[entry.account.family].normal_side
                signed = entry.amount_minor if entry.side is side else -entry.amount_minor
                total[Line(journal.fact_key, *entry.account, entry.clearing_key)] += signed
        return {line: net for line, net in total.items() if net}

    def entries(self):
        return (entry for journal in self.journals for entry in journal.entries)
