"""Whether a statement is of the account that its source is declared for, however either of them writes it.

An IBAN holds the local number: ``DE89 3704 0044 0532 0130 00`` is ``37040044/532013000`` to a bank that writes its
code and the account without filling zeros. Some banks put the currency behind either. Nothing shorter than that is
taken for the account: two banks may well have an account of one number.
"""

from __future__ import annotations

import re
from typing import Final

SEPARATOR: Final = ","
"""Between the forms of one account that a source declares."""
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}", re.ASCII)
_COUNTRY_AND_CHECK: Final = 4
_NO_PART_OF_IT: Final = re.compile(r"[ .-]")
_CURRENCY_CHARS: Final = 3


def same_account(declared: str, stated: str, currency: str) -> bool:
    """Whether any form that was declared is the account that a statement in that currency states."""
    named = _forms(stated, currency)
    return any(_means(form, named) for form in declared.split(SEPARATOR) if form.strip())


def _forms(stated: str, currency: str) -> tuple[str, ...]:
    plain = _plain(stated)
    return (plain, plain[:-_CURRENCY_CHARS]) if currency and plain.endswith(currency) else (plain,)


def _means(declared: str, named: tuple[str, ...]) -> bool:
    account = _plain(declared)
    local = account[_COUNTRY_AND_CHECK:] if _IBAN.fullmatch(account) else account
    return any(form == account or _local(form, len(local)) == _local(local, len(local)) for form in named)


def _local(form: str, length: int) -> str:
    """The number without filling zeros; of a bank's code and an account, the account filled up to an IBAN's length."""
    code, slash, account = form.partition("/")
    whole = code + account.zfill(length - len(code)) if slash else code
    return whole.lstrip("0") if whole.strip("0") else whole


def _plain(number: str) -> str:
    return _NO_PART_OF_IT.sub("", number).upper()
