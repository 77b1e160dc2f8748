"""The accounts as a tree: whose money it is, then families with subtotals; the branches of a currency come to zero."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.ledger.app.views import TrialBalanceLine
from services.ledger.domain.chart import FAMILIES, Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """All accounts of one kind of owner in one currency; ``net_debit_minor`` is debits minus credits."""

    currency: str
    owners: str
    accounts: int
    debit_minor: int
    credit_minor: int
    net_debit_minor: int
    families: tuple[TrialBalanceLine, ...]


def account_tree(lines: Iterable[TrialBalanceLine]) -> list[Branch]:
    """Branches by currency, in the order merchants, processors, platform."""
    order = {owner: nth for nth, owner in enumerate(Owner)}
    grouped: dict[tuple[str, int, Owner], list[TrialBalanceLine]] = {}
    for line in lines:
        owner = FAMILIES[line.family].owner
        grouped.setdefault((line.currency, order[owner], owner), []).append(line)
    return [_branch(currency, owner, found) for (currency, _, owner), found in sorted(grouped.items())]


def _branch(currency: str, owner: Owner, lines: list[TrialBalanceLine]) -> Branch:
    debit_minor = sum(line.debit_minor for line in lines)
    credit_minor = sum(line.credit_minor for line in lines)
    return Branch(
        currency=currency,
        owners=owner,
        accounts=sum(line.accounts for line in lines),
        debit_minor=debit_minor,
        credit_minor=credit_minor,
        net_debit_minor=debit_minor - credit_minor,
        families=tuple(lines),
    )
