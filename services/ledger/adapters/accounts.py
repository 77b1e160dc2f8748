"""Account ids by natural key: opened on demand, set-based, and remembered once committed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import sqlalchemy as sa

from services.ledger.domain.chart import FAMILIES, AccountRef
from shared.persistence.arrays import text_array

REMEMBERED_ACCOUNTS_MAX: Final = 200_000
"""About 60 MB; past it the memory is emptied and filled anew by what is in use."""

_SELECT: Final = """
SELECT a.family, a.owner, a.currency, a.account_id FROM accounts a
  JOIN unnest(%(families)s::text[], %(owners)s::text[], %(currencies)s::text[]) AS wanted(family, owner, currency)
 USING (family, owner, currency)
"""
_OPEN: Final = """
INSERT INTO accounts (family, owner, currency, normal_side, transitional)
SELECT * FROM unnest(%(families)s::text[], %(owners)s::text[], %(currencies)s::text[],
                     %(normal_sides)s::entry_side[], %(transitional)s::boolean[])
    ON CONFLICT (family, owner, currency) DO NOTHING
"""


class AccountDirectory:
    """The ids of accounts, shared by all transactions of a process.

    Only accounts found committed are remembered: one opened by a transaction that rolls back has an id that
    never existed. Accounts are never changed or deleted, so a remembered id stays right.
    """

    def __init__(self) -> None:
        self._remembered: dict[AccountRef, int] = {}

    def ids_of(self, wanted: Collection[AccountRef], connection: sa.Connection) -> Mapping[AccountRef, int]:
        """The id of every account, opening those that do not exist yet in the order of their keys."""
        known = self._remembered
        missing = sorted(ref for ref in wanted if ref not in known)
        if not missing:
            return known
        committed = _select(missing, connection)
        self._remember(committed)
        absent = [ref for ref in missing if ref not in committed]
        if absent:
            _open(absent, connection)
            committed.update(_select(absent, connection))
        return {ref: known[ref] if ref in known else committed[ref] for ref in wanted}

    def _remember(self, found: Mapping[AccountRef, int]) -> None:
        if len(self._remembered) + len(found) > REMEMBERED_ACCOUNTS_MAX:
            self._remembered = {}
        # A new dict, never changed in place: another thread may be reading the old one.
        self._remembered = {**self._remembered, **found}


def _keys(refs: Collection[AccountRef]) -> dict[str, str]:
    return {
        "families": text_array([ref.family for ref in refs]),
        "owners": text_array([ref.owner for ref in refs]),
        "currencies": text_array([ref.currency for ref in refs]),
    }


def _select(refs: Collection[AccountRef], connection: sa.Connection) -> dict[AccountRef, int]:
    rows = connection.exec_driver_sql(_SELECT, _keys(refs)).all()
    return {AccountRef(row[0], row[1], row[2]): row[3] for row in rows}


def _open(refs: Collection[AccountRef], connection: sa.Connection) -> None:
    chart = [FAMILIES[ref.family] for ref in refs]
    values = {
        **_keys(refs),
        "normal_sides": text_array([family.normal_side for family in chart]),
        "transitional": text_array(["true" if family.transitional else "false" for family in chart]),
    }
    connection.exec_driver_sql(_OPEN, values)
