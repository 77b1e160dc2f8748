"""Plain-text accounting: its languages, and what accounts are called there, however alike their owners are."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Final

from services.ledger.domain.chart import FAMILIES, Side


class Language(StrEnum):
    """Whose grammar the file is written in."""

    BEANCOUNT = "beancount"
    HLEDGER = "hledger"


#: Families that are earned or spent; all others are what we own or owe, by their normal side.
_RESULT: Final = {"fee_revenue": "Income", "dispute_fees": "Income"}
_BY_SIDE: Final = {Side.DEBIT: "Assets", Side.CREDIT: "Liabilities"}
#: Of these the name says all, letter by letter; of any other owner a digest tells it apart.
_PLAIN: Final = re.compile(r"[a-z0-9]+(?:_[A-Za-z0-9]+)*(?::[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*)?", re.ASCII)
_UNNAMEABLE: Final = re.compile(r"[^A-Za-z0-9]")


def account_name(family: str, owner: str) -> str:
    """``merchant_available`` of ``mer_1`` is ``Liabilities:Merchant-available:Mer-1``; a colon becomes two dashes."""
    root = _RESULT.get(family) or _BY_SIDE[FAMILIES[family].normal_side]
    return ":".join([root, _component(family), _component(owner)])


def _component(text: str) -> str:
    """Letters, digits and dashes, the first one upper case."""
    spelt = _UNNAMEABLE.sub("-", text.replace(":", "--"))
    if _PLAIN.fullmatch(text) is None:
        spelt = f"X{spelt}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return spelt[:1].upper() + spelt[1:]
