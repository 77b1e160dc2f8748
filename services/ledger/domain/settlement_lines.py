"""What a line of a settlement report is worth to the books: its kind, its keys, and how an exchange came out.

Everything here is integers and exact fractions. The rate is the processor's, between major units, as it was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

from services.ledger.domain.journal import AMOUNT_MINOR_MAX
from shared.kernel.errors import Poison, Rejected
from shared.kernel.money import currency_scale

Fields = Mapping[str, Any]

#: So many earlier revisions of a line are looked at; no report is corrected more often.
REVISIONS_LOOKED_AT: Final = 100
#: As contracts have it.
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18})?", re.ASCII)
#: However coarse the rate, nobody's rounding takes more than one part in so many.
ROUNDING_ONE_PART_IN: Final = 1_000


class LineKind(StrEnum):
    """How a line is booked."""

    PLAIN = "plain"
    RESERVE = "reserve"
    OTHER = "other"
    EXCHANGE = "exchange"
    EXCHANGE_FEE_IN_GROSS = "exchange, fee in gross currency"
    EXCHANGE_FEE_IN_THIRD = "exchange, fee in a third currency"


def completed(event_type: str, fields: Fields) -> Fields:
    """The event's fields, and those that its rows need and that follow from them."""
    complete = _COMPLETED.get(event_type)
    return fields if complete is None else {**fields, **complete(fields)}


def _accepted(fields: Fields) -> dict[str, Any]:
    if fields["revision"] != 1:
        told = f"{_line_key(fields)} is accepted in revision {fields['revision']}: that is an amendment"
        raise Poison(told, code="revision_not_first")
    return _line(fields)


def _amended(fields: Fields) -> dict[str, Any]:
    revision, amended = fields["revision"], fields["amended_revision"]
    if revision < 2 or (amended or 0) >= revision:  # noqa: PLR2004 - the second reading is the first to amend
        told = f"{_line_key(fields)}: revision {revision} cannot amend revision {amended}"
        raise Poison(told, code="revision_out_of_order")
    former = {*range(max(1, revision - REVISIONS_LOOKED_AT), revision)} | ({amended} if amended else set())
    return {
        **_line(fields),
        "match_number": 0,
        "amended_fact_key": None if amended is None else _line_fact_key(fields, amended),
        "former_fact_keys": tuple(_line_fact_key(fields, number) for number in sorted(former)),
    }


def _matched(fields: Fields) -> dict[str, Any]:
    return {"line_key": _line_key(fields), "object_key": _object_key(fields)}


def _unmatched(fields: Fields) -> dict[str, Any]:
    return {"line_key": _line_key(fields)}


def _credited(fields: Fields) -> dict[str, Any]:
    banked = _banked(fields)
    # A correction of what was allocated is a fact of its own.
    return {**banked, "fact_key": f"{banked['fact_key']}:{fields.get('allocation_number') or 1}"}


def _banked(fields: Fields) -> dict[str, Any]:
    payout = f"{fields['processor']}:{fields['account']}:{fields['payout_id']}"
    fact_key = f"{fields['source']}:{fields['line_id']}:{payout}"
    return {"fact_key": fact_key, "payment_id": None, "merchant_id": None}


_COMPLETED: Final[Mapping[str, Callable[[Fields], dict[str, Any]]]] = {
    "SettlementLineAccepted": _accepted,
    "SettlementLineAmended": _amended,
    "SettlementLineMatched": _matched,
    "SettlementLineUnmatched": _unmatched,
    "BankCreditAllocated": _credited,
    "PayoutReturned": _banked,
}


def _line(fields: Fields) -> dict[str, Any]:
    """What the rows need. A corrected line stands under its own key, so that a later match of it can move it again."""
    kind = _kind(fields)
    object_key = _line_key(fields) if fields["object_id"] is None else _object_key(fields)
    return {
        "line_kind": kind.value,
        "line_key": _line_key(fields),
        "object_key": object_key,
        "claim_key": object_key if fields["revision"] == 1 else _line_key(fields),
        "fact_key": _line_fact_key(fields, fields["revision"]),
        **_exchange(kind, fields),
    }


def _line_key(fields: Fields) -> str:
    return f"line:{fields['source']}:{fields['line_id']}"


def _line_fact_key(fields: Fields, revision: int) -> str:
    return f"{fields['source']}:{fields['line_id']}:{revision}"


def _object_key(fields: Fields) -> str:
    return f"{fields['processor']}:{fields['account']}:{fields['object_id']}"


def _kind(fields: Fields) -> LineKind:
    gross, fee, net = fields["currency"], fields["fee_currency"], fields["net_currency"]
    # Of what goes to suspense only the net is known to be right; a fee of nothing has no currency that matters.
    one_currency = gross == net and (fee == net or not fields["fee_minor"])
    if fields["category"] == "other" or (fields["category"] == "reserve" and not one_currency):
        return LineKind.OTHER
    if one_currency:
        return LineKind.RESERVE if fields["category"] == "reserve" else LineKind.PLAIN
    if fee == net or not fields["fee_minor"]:
        return LineKind.EXCHANGE
    return LineKind.EXCHANGE_FEE_IN_GROSS if fee == gross else LineKind.EXCHANGE_FEE_IN_THIRD


def _exchange(kind: LineKind, fields: Fields) -> dict[str, int]:
    """What the rate makes of the gross, and what is left: rounding, or, beyond what rounding can be, unexplained.

    Left open by the rate is half a unit of its last digit, of the whole amount, at most one part in a thousand; and
    one minor unit, which is the processor's own rounding. A line of a closed payout is booked whatever it says: in one
    currency all that is not gross less fee is unexplained, and without a rate all that was given.
    """
    gross_minor, fee_minor, given_minor = fields["gross_minor"], fields["fee_minor"], fields["net_minor"]
    fee_in_net_minor = fields["fee_in_net_currency_minor"] or 0
    if kind is LineKind.OTHER:
        return {}
    if kind in {LineKind.PLAIN, LineKind.RESERVE}:
        return {"unexplained_minor": given_minor + fee_minor - gross_minor}
    if kind is LineKind.EXCHANGE:
        given_minor += fee_minor
    elif kind is LineKind.EXCHANGE_FEE_IN_GROSS:
        gross_minor -= fee_minor
    elif kind is LineKind.EXCHANGE_FEE_IN_THIRD:
        given_minor += fee_in_net_minor
    rate, open_rate = _rate(fields)
    exact = gross_minor * rate
    if abs(exact) > AMOUNT_MINOR_MAX:
        # No amount that anybody states is so large: a shifted column, say. The line is booked without its rate.
        rate = open_rate = exact = Fraction(0)
    converted_minor = _half_up(exact)
    rest_minor = given_minor - converted_minor
    left_open = min(abs(gross_minor) * open_rate, abs(exact) / ROUNDING_ONE_PART_IN) + 1 if rate else 0
    rounds = abs(rest_minor) <= left_open
    return {
        "fee_in_net_currency_minor": fee_in_net_minor,
        "converted_minor": converted_minor,
        "rounding_minor": rest_minor if rounds else 0,
        "unexplained_minor": 0 if rounds else rest_minor,
    }


def _rate(fields: Fields) -> tuple[Fraction, Fraction]:
    """Net minor units per gross minor unit, and half a unit of the given rate's last digit in the same measure.

    Nothing of either where no rate was given, or where the minor unit of a currency is not known.
    """
    if fields["currency"] == fields["net_currency"]:
        return Fraction(1), Fraction(0)
    given: str | None = fields["exchange_rate"]
    try:
        scale = Fraction(10) ** (currency_scale(fields["net_currency"]) - currency_scale(fields["currency"]))
    except Rejected:
        given = None
    if given is None:
        return Fraction(0), Fraction(0)
    # Contracts are looked at where events are written: anybody's text would be any work to read.
    if _DECIMAL.fullmatch(given) is None:
        raise Poison(
            f"exchange_rate of {_line_key(fields)} is no decimal number", code="exchange_rate_invalid"
        )
    decimals = len(given.partition(".")[2])
    return Fraction(given) * scale, Fraction(1, 2 * 10**decimals) * scale


def _half_up(exact: Fraction) -> int:
    """The nearest integer; of two, the one further from zero."""
    doubled = abs(exact) * 2 + 1
    rounded = doubled.numerator // (2 * doubled.denominator)
    return rounded if exact >= 0 else -rounded
