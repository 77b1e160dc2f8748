"""The plainest model of balances: every entry in a list, added up for each question."""

from __future__ import annotations

from services.ledger.domain.chart import AccountRef, balance_on_normal_side

_ENTRIES = """
SELECT s.position AS seal, s.sealed_at, j.effective_at, j.journal_id, e.line, a.family, a.owner, a.currency,
       e.side::text AS side, e.amount_minor
  FROM entries e JOIN journals j ON j.position = e.journal_position JOIN accounts a ON a.account_id = e.account_id
  LEFT JOIN seals s ON s.journal_position = j.position ORDER BY s.position, e.line
"""


class PlainBooks:
    """All entries as they stand, taken once."""

    def __init__(self, engine):
        with engine.connect() as connection:
            self.entries = [dict(row) for row in connection.exec_driver_sql(_ENTRIES).mappings()]

    def chosen(self, *, as_of=None, before=None):
        """Entries of what was sealed up to ``as_of`` (None: all) and takes effect before a time."""
        for entry in self.entries:
            if as_of is not None and (entry["seal"] is None or entry["seal"] > as_of):
                continue
            if before is None or entry["effective_at"] < before:
                yield entry

    def sides(self, **moment):
        """(debit, credit) by account, of those that have any."""
        found = {}
        for entry in self.chosen(**moment):
            account = AccountRef(entry["family"], entry["owner"], entry["currency"])
            debit, credit = found.get(account, (0, 0))
            amount = entry["amount_minor"]
            found[account] = (
                (debit + amount, credit) if entry["side"] == "debit" else (debit, credit + amount)
            )
        return found

    def balance(self, account, **moment):
        """On the normal side."""
        return balance_on_normal_side(account.family, *self.sides(**moment).get(account, (0, 0)))

    def movements(self, account, *, since, until, by, as_of):
        """(journal, line) in the order of a statement."""
        time = {"booked": "sealed_at", "effective": "effective_at"}[by]
        found = [
            entry
            for entry in self.chosen(as_of=as_of)
            if (entry["family"], entry["owner"], entry["currency"]) == account
            and since <= entry[time] < until
        ]
        found.sort(key=lambda entry: (entry[time], entry["seal"], entry["line"]))
        return [(entry["journal_id"], entry["line"]) for entry in found]
