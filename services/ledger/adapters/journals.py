"""The journals of one transaction: loaded for a batch, added in memory, written set-based at flush.

A batch of 500 journals costs a handful of statements: one that finds facts already booked, one for positions,
at most three for accounts, and a COPY each for journals and entries. No row of the books is ever locked or
updated, so that an account in every journal costs the same as accounts spread evenly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.entry_partitions import away_without_partition
from services.ledger.adapters.told_journals import ToldJournal, told_of
from services.ledger.domain.chart import AccountRef, Side
from services.ledger.domain.journal import Cause, Entry, Journal
from services.ledger.domain.periods import as_told, in_open_period
from shared.kernel.errors import InvariantViolation, Poison
from shared.persistence.arrays import text_array

# A plan made while the tables were nearly empty would scan them whole long after they have grown.
_INDEXES_ONLY: Final = sa.text("SET LOCAL enable_seqscan = off")
_BOOKED: Final = """
SELECT j.rule, j.fact_key FROM journals j
  JOIN unnest(%(rules)s::text[], %(fact_keys)s::text[]) AS wanted(rule, fact_key) USING (rule, fact_key)
"""
# With the positions comes before when nothing may take effect any more, which is so until this transaction ends.
_POSITIONS: Final = sa.text(
    "WITH books AS MATERIALIZED (SELECT first_open_at() AS opens_at)"
    " SELECT nextval('journal_positions'), books.opens_at FROM books, generate_series(1, :count)"
)
_WITH_ENTRIES: Final = (
    "SELECT j.position, j.journal_id, j.rule, j.cause_event_id, j.cause_event_type, j.fact_key, j.subject,"
    " j.payment_id, j.merchant_id, j.currency, j.amount_minor, j.effective_at, j.from_party, j.to_party,"
    " o.journal_id AS reverses_journal_id, l.told_effective_at,"
    " e.side, e.amount_minor AS entry_minor, e.clearing_key, a.family, a.owner,"
    " a.currency AS account_currency"
    " FROM journals j JOIN entries e ON e.journal_position = j.position"
    " JOIN accounts a ON a.account_id = e.account_id"
    " LEFT JOIN journals o ON o.position = j.reverses_position"
    " LEFT JOIN late_journals l ON l.journal_position = j.position"
)
_OF_PAYMENTS: Final = f"{_WITH_ENTRIES} WHERE j.payment_id = ANY(%(payment_ids)s) ORDER BY j.position, e.line"
# The rule is no condition that an index could answer: one rule's journals of all payments are millions.
_GROUNDS: Final = (
    f"{_WITH_ENTRIES} WHERE j.payment_id = ANY(%(payment_ids)s) AND j.rule || '' = ANY(%(rules)s)"
    " ORDER BY j.position, e.line"
)
_OF_FACTS: Final = (
    f"{_WITH_ENTRIES} JOIN unnest(%(rules)s::text[], %(fact_keys)s::text[]) AS wanted(rule, fact_key)"
    " ON j.rule = wanted.rule AND j.fact_key = wanted.fact_key ORDER BY j.position, e.line"
)
_COPY_JOURNALS: Final = (
    "COPY journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject,"
    " payment_id, merchant_id, currency, amount_minor, from_party, to_party, reverses_position, entry_count,"
    " effective_at) FROM STDIN"
)
_LATE: Final = """
INSERT INTO late_journals (journal_position, told_effective_at)
SELECT * FROM unnest(%(positions)s::bigint[], %(times)s::timestamptz[])
"""
_RATES: Final = """
INSERT INTO exchange_rates (journal_position, rate, from_currency, to_currency)
SELECT * FROM unnest(%(positions)s::bigint[], %(rates)s::text[], %(from_currencies)s::text[], %(to_currencies)s::text[])
"""
_COPY_ENTRIES: Final = (
    "COPY entries (journal_position, line, account_id, side, amount_minor, currency, clearing_key) FROM STDIN"
)

_LINES: Final = {fields: "\t".join(["%s"] * fields) + "\n" for fields in (7, 16)}
"""One row in COPY's text format, by its number of columns."""

FactKey = tuple[str, str]
SubjectKey = tuple[str | None, str, str]
Money = tuple[object, ...]


def _subject(journal: Journal) -> SubjectKey:
    return journal.payment_id, journal.rule, journal.subject


def _money(journal: Journal) -> Money:
    """What a second event about the same fact must say as well: its fee, its sign, whose it is and under which key."""
    stated = (journal.payment_id, journal.merchant_id, journal.currency, journal.amount_minor)
    return (*stated, *sorted(journal.entries))


class PostedJournals:
    """The journals that one transaction sees and writes; made per transaction, thrown away with it."""

    def __init__(self, connection: sa.Connection, accounts: AccountDirectory) -> None:
        self._connection = connection
        self._accounts = accounts
        self.told: set[str] = set()
        """Ids of those that were written and told before these books were filled."""
        self._by_subject: dict[SubjectKey, Journal] = {}
        self._by_fact: dict[FactKey, Journal] = {}
        self._by_payment: defaultdict[str | None, list[Journal]] = defaultdict(list)
        self._grounds: defaultdict[str | None, list[Journal]] = defaultdict(list)
        self._added: dict[FactKey, Journal] = {}
        self._booked: dict[FactKey, Money] = {}
        self._positions: dict[str, int] = {}

    def load_facts(self, facts: Collection[FactKey]) -> None:
        """Read what is booked of these facts already, so that a second event about one is known.

        Nearly all are new: entries are read only of those that are found.
        """
        self._connection.execute(_INDEXES_ONLY)
        booked = self._connection.exec_driver_sql(_BOOKED, _keys(facts)).all()
        if booked:
            self.load_amended([(rule, fact_key) for rule, fact_key in booked])

    def load_payments(self, payment_ids: Collection[str]) -> None:
        """Read every journal of these payments with its entries."""
        self._connection.execute(_INDEXES_ONLY)
        rows = self._connection.exec_driver_sql(_OF_PAYMENTS, {"payment_ids": list(payment_ids)}).all()
        for position, journal in _journals(rows):
            self._positions[journal.journal_id] = position
            self._by_subject[_subject(journal)] = journal
            self._by_payment[journal.payment_id].append(journal)

    def load_grounds(self, payment_ids: Collection[str], rules: Collection[str]) -> None:
        """Read the journals of these rules with their entries; ``of_payment`` does not show them.

        A file of payouts settles captures by the million: the rest of what their payments did is not read for it.
        """
        self._connection.execute(_INDEXES_ONLY)
        wanted = {"payment_ids": list(payment_ids), "rules": list(rules)}
        for _, journal in _journals(self._connection.exec_driver_sql(_GROUNDS, wanted).all()):
            self._grounds[journal.payment_id].append(journal)

    def load_amended(self, facts: Collection[FactKey]) -> None:
        """Read the journals of these facts with their entries."""
        self._connection.execute(_INDEXES_ONLY)
        rows = self._connection.exec_driver_sql(_OF_FACTS, _keys(facts)).all()
        for position, journal in _journals(rows):
            fact = (journal.rule, journal.fact_key)
            self._positions[journal.journal_id] = position
            self._by_fact[fact] = journal
            self._booked[fact] = _money(journal)

    def find(self, payment_id: str, rule: str, subject: str) -> Journal | None:
        return self._by_subject.get((payment_id, rule, subject))

    def find_fact(self, rule: str, fact_key: str) -> Journal | None:
        return self._by_fact.get((rule, fact_key))

    def of_payment(self, payment_id: str) -> Sequence[Journal]:
        return self._by_payment[payment_id]

    def grounds_of(self, payment_id: str) -> Sequence[Journal]:
        return [*self._grounds[payment_id], *self._by_payment[payment_id]]

    def add(self, journal: Journal) -> None:
        """One fact has one effect; the same fact with other money is a contradiction that people must see."""
        fact = (journal.rule, journal.fact_key)
        money = _money(journal)
        booked = self._booked.get(fact)
        if booked is not None and booked != money:
            told = f"{journal.rule} of {journal.fact_key} is booked already, with other money"
            raise Poison(told, code="booked_otherwise")
        if booked is not None:
            return
        self._booked[fact] = money
        self._added[fact] = self._by_fact[fact] = journal
        self._by_subject[_subject(journal)] = journal
        self._by_payment[journal.payment_id].append(journal)

    def flush(self) -> Sequence[Journal]:
        """Write what was added; return it as it was booked, so that it can be announced."""
        added, self._added = list(self._added.values()), {}
        if not added:
            return []
        self._connection.execute(_INDEXES_ONLY)
        journals = []
        drawn = self._connection.execute(_POSITIONS, {"count": len(added)}).all()
        told = told_of(self._connection, [(journal.rule, journal.fact_key) for journal in added])
        added = self._named_as_told(added, told) if told else added
        for journal, (position, opens_at) in zip(added, drawn, strict=True):
            self._positions[journal.journal_id] = position
            was = told.get((journal.rule, journal.fact_key))
            booked = None if was is None else as_told(journal, was.told_effective_at, was.effective_at)
            journals.append(booked or in_open_period(journal, opens_at))
        self._write(journals)
        self._keep_late(journals)
        self._keep_rates(journals)
        return journals

    def _named_as_told(
        self, journals: Sequence[Journal], told: Mapping[FactKey, ToldJournal]
    ) -> list[Journal]:
        names = {
            each.journal_id: was.journal_id
            for each in journals
            if (was := told.get((each.rule, each.fact_key))) is not None
        }
        self.told.update(names.values())
        return [
            replace(
                each,
                journal_id=names.get(each.journal_id, each.journal_id),
                # Of this batch, or booked before, and then under the id that was told.
                reverses_journal_id=names.get(each.reverses_journal_id or "", each.reverses_journal_id),
            )
            for each in journals
        ]

    def _keep_late(self, journals: Sequence[Journal]) -> None:
        late = [journal for journal in journals if journal.told_effective_at is not None]
        if late:
            values = {
                "positions": [self._positions[journal.journal_id] for journal in late],
                "times": [journal.told_effective_at for journal in late],
            }
            self._connection.exec_driver_sql(_LATE, values)

    def _keep_rates(self, journals: Sequence[Journal]) -> None:
        rated = [(each, each.exchange_rate) for each in journals if each.exchange_rate is not None]
        if rated:
            values = {
                "positions": [self._positions[journal.journal_id] for journal, _ in rated],
                "rates": [rate.given for _, rate in rated],
                "from_currencies": [rate.from_currency for _, rate in rated],
                "to_currencies": [rate.to_currency for _, rate in rated],
            }
            self._connection.exec_driver_sql(_RATES, values)

    def _write(self, journals: Sequence[Journal]) -> None:
        refs = {entry.account for journal in journals for entry in journal.entries}
        ids = self._accounts.ids_of(refs, self._connection)
        driver = self._connection.connection.driver_connection
        if not isinstance(driver, psycopg.Connection):
            raise InvariantViolation("driver", f"COPY needs psycopg, not {type(driver).__name__}")
        _copy(driver, _COPY_JOURNALS, [self._journal_row(journal) for journal in journals])
        with away_without_partition(_COPY_ENTRIES):
            _copy(driver, _COPY_ENTRIES, self._entry_rows(journals, ids))

    def _entry_rows(
        self, journals: Sequence[Journal], ids: Mapping[AccountRef, int]
    ) -> list[tuple[Any, ...]]:
        rows = []
        for journal in journals:
            position = self._positions[journal.journal_id]
            for line, (account, side, amount_minor, clearing_key) in enumerate(journal.entries, start=1):
                rows.append(
                    (position, line, ids[account], side, amount_minor, account.currency, clearing_key)
                )
        return rows

    def _journal_row(self, journal: Journal) -> tuple[Any, ...]:
        original = journal.reverses_journal_id
        return (
            self._positions[journal.journal_id],
            journal.journal_id,
            journal.rule,
            journal.cause.event_id,
            journal.cause.type_and_version,
            journal.fact_key,
            journal.subject,
            journal.payment_id,
            journal.merchant_id,
            journal.currency,
            journal.amount_minor,
            journal.from_party,
            journal.to_party,
            None if original is None else self._positions[original],
            len(journal.entries),
            journal.effective_at.isoformat(),
        )


def _keys(facts: Collection[FactKey]) -> dict[str, str]:
    return {
        "rules": text_array([rule for rule, _ in facts]),
        "fact_keys": text_array([fact_key for _, fact_key in facts]),
    }


def _copy(driver: psycopg.Connection[Any], statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Copy rows of texts, integers and NULLs."""
    block = "".join([_LINES[len(row)] % tuple(["\\N" if v is None else v for v in row]) for row in rows])
    fields = len(rows[0])
    nulls = sum([row.count(None) for row in rows])
    plain = (
        block.count("\t") == len(rows) * (fields - 1)
        and block.count("\n") == len(rows)
        and block.count("\\") == nulls
        and "\r" not in block
    )
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        if plain:
            copy.write(block)
        else:  # a text holds what COPY gives a meaning to: let the driver escape every value
            for row in rows:
                copy.write_row(row)


def _journals(rows: Sequence[sa.Row[Any]]) -> Iterator[tuple[int, Journal]]:
    """Fold rows, one per entry and in order, into journals."""
    entries: list[Entry] = []
    for index, row in enumerate(rows):
        account = AccountRef(row.family, row.owner, row.account_currency)
        entries.append(Entry(account, Side(row.side), row.entry_minor, row.clearing_key))
        if index + 1 < len(rows) and rows[index + 1].position == row.position:
            continue
        event_type, _, version = row.cause_event_type.rpartition(".v")
        yield (
            row.position,
            Journal(
                journal_id=row.journal_id,
                rule=row.rule,
                cause=Cause(event_id=row.cause_event_id, event_type=event_type, version=int(version)),
                fact_key=row.fact_key,
                subject=row.subject,
                payment_id=row.payment_id,
                merchant_id=row.merchant_id,
                currency=row.currency,
                amount_minor=row.amount_minor,
                effective_at=row.effective_at,
                entries=tuple(entries),
                from_party=row.from_party,
                to_party=row.to_party,
                reverses_journal_id=row.reverses_journal_id,
                told_effective_at=row.told_effective_at,
            ),
        )
        entries = []
