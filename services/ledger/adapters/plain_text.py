"""All sealed journals as plain-text accounting, so that another program can add them up: Beancount, or hledger.

Debits are positive there, as in every plain-text ledger; amounts are in major units, exactly, and in minor units of a
currency that nobody can count any more, which the head names. A journal is dated by its effective time in UTC and
carries its ids as metadata; journals stand in the order of the chain, not of their dates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from services.ledger.adapters.long_reads import long_read
from services.ledger.adapters.plain_text_names import Language, account_name
from services.ledger.domain.seals import SHARD
from shared.kernel.money import currency_scale, is_currency, signed_major_units

PAGE_SEALS: Final = 1_000
_ACCOUNTS: Final = """
SELECT a.family, a.owner, string_agg(DISTINCT a.currency, ',') AS currencies,
       min(j.effective_at AT TIME ZONE 'UTC')::date AS since
  FROM accounts a JOIN entries e ON e.account_id = a.account_id JOIN journals j ON j.position = e.journal_position
  JOIN seals s ON s.journal_position = j.position AND s.shard = %(shard)s AND s.position <= %(as_of)s
 GROUP BY a.family, a.owner ORDER BY a.family, a.owner
"""
_JOURNALS: Final = """
SELECT s.position AS seal, (j.effective_at AT TIME ZONE 'UTC')::date AS at, j.journal_id, j.rule, j.fact_key,
       j.payment_id, j.cause_event_id, o.journal_id AS reverses, a.family, a.owner, e.side::text AS side,
       e.amount_minor, e.currency, e.clearing_key, (l.told_effective_at AT TIME ZONE 'UTC')::date::text AS told_on
  FROM seals s JOIN journals j ON j.position = s.journal_position JOIN entries e ON e.journal_position = j.position
  JOIN accounts a ON a.account_id = e.account_id LEFT JOIN journals o ON o.position = j.reverses_position
  LEFT JOIN late_journals l ON l.journal_position = j.position
 WHERE s.shard = %(shard)s AND s.position > %(after)s AND s.position <= least(%(after)s + %(page)s, %(as_of)s)
 ORDER BY s.position, e.line
"""
_METADATA: Final = ("journal_id", "fact_key", "payment_id", "cause_event_id", "reverses", "told_on")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How a language writes a journal: what stands before postings and names, after a name, and around texts."""

    indent: str
    tag: str
    tag_of_posting: str
    says: str
    text: Callable[[str], str]


#: In hledger ids stand in comments, as tags; what follows a comma is comment there, no part of the tag.
_FORMS: Final = {
    Language.BEANCOUNT: _Form(indent="  ", tag="  ", tag_of_posting="    ", says=": ", text=_quoted),
    Language.HLEDGER: _Form(indent="    ", tag="    ; ", tag_of_posting="    ; ", says=":", text=str),
}


def plain_text(engine: sa.Engine, as_of: int, language: Language = Language.BEANCOUNT) -> Iterator[str]:
    """The lines of the file, in the order of the seals up to ``as_of``; one page in memory at a time."""
    with long_read(engine) as connection:
        yield f"; sealed journals 1 to {as_of}"
        accounts = connection.exec_driver_sql(_ACCOUNTS, {"shard": SHARD, "as_of": as_of}).mappings().all()
        currencies = sorted({code for row in accounts for code in row["currencies"].split(",")})
        for currency in currencies:
            if not is_currency(currency):
                yield f"; amounts of {currency} are in minor units"
        yield from _head(accounts, currencies, language)
        for after in range(0, as_of, PAGE_SEALS):
            values = {"shard": SHARD, "after": after, "page": PAGE_SEALS, "as_of": as_of}
            rows = connection.exec_driver_sql(_JOURNALS, values).mappings().all()
            yield from _journals(rows, _FORMS[language])


def _head(accounts: Any, currencies: Sequence[str], language: Language) -> Iterator[str]:
    if language is Language.HLEDGER:
        yield "decimal-mark ."
        # What is not declared is refused by its strict checks.
        yield from (f"commodity 1000.{'0' * _digits_of(currency)} {currency}" for currency in currencies)
        yield from (f"account {account_name(row['family'], row['owner'])}" for row in accounts)
        return
    yield 'option "title" "Tieout"'
    for row in accounts:
        yield f"{row['since']} open {account_name(row['family'], row['owner'])} {row['currencies']}"


def _digits_of(currency: str) -> int:
    return currency_scale(currency) if is_currency(currency) else 0


def _journals(rows: Any, form: _Form) -> Iterator[str]:
    seal = 0
    for row in rows:
        if row["seal"] != seal:
            seal = row["seal"]
            yield ""
            yield f"{row['at']} * {form.text(row['rule'])}"
            yield f"{form.tag}seal{form.says}{seal}"
            for name in _METADATA:
                if row[name] is not None:
                    yield f"{form.tag}{name}{form.says}{form.text(row[name])}"
        yield f"{form.indent}{_posting(row)}"
        if row["clearing_key"] is not None:
            yield f"{form.tag_of_posting}clearing_key{form.says}{form.text(row['clearing_key'])}"


def _posting(row: Any) -> str:
    minor = row["amount_minor"] if row["side"] == "debit" else -row["amount_minor"]
    currency = row["currency"]
    amount = signed_major_units(minor, currency) if is_currency(currency) else str(minor)
    return f"{account_name(row['family'], row['owner'])}  {amount} {currency}"
