"""What the rate of a line makes of its gross, in SQL: the same sums as the ledger's, which posts by them.

What is beyond rounding waits in the ledger's suspense under the line's own key; a contract test holds both to one
another. Left open by a rate is half a unit of its last digit, of the whole amount, at most one part in a thousand; and
one minor unit, which is the processor's own rounding.
"""

from __future__ import annotations

from typing import Final

from services.reconciliation.adapters.scale_sql import scale_of
from services.reconciliation.domain.report_values import MINOR_MAX

#: However coarse the rate, nobody's rounding takes more than one part in a thousand.
_PART_LEFT_OPEN: Final = "0.001"


def left_open(amount: str) -> str:
    """How much the rate leaves open of that amount, once it is converted."""
    return f"least(abs({amount}) * half_digit, abs({amount} * rate) * {_PART_LEFT_OPEN}) + 1"


_IN_NET: Final = f"('1e' || ({scale_of('l.net_currency')}) - ({scale_of('l.currency')}))::numeric"
#: Gross and net in one currency, and the fee as well, if there is one: nothing was exchanged.
PLAIN: Final = "l.currency = l.net_currency AND (l.fee_currency = l.net_currency OR l.fee_minor = 0)"
#: What no rate is needed for is seen at once: most lines need not be worked out.
COMES_OUT: Final = f"{PLAIN} AND l.net_minor = l.gross_minor - l.fee_minor"
#: Lines of which the ledger puts the whole net into suspense.
IN_SUSPENSE_WHOLE: Final = f"(l.category = 'other' OR l.category = 'reserve' AND NOT ({PLAIN}))"
#: Beside a line ``l``: the fee in its net currency, what settled before that fee, what the rate makes of the gross, and
#: what of the first two is more than the third leaves open. Where a fee was taken in the gross currency, after it.
WORKED_OUT: Final = f"""CROSS JOIN LATERAL (
    SELECT CASE WHEN l.fee_currency = l.net_currency OR l.fee_minor = 0 THEN l.fee_minor
                WHEN l.fee_currency <> l.currency THEN coalesce(l.fee_in_net_currency_minor, 0)
                ELSE 0 END AS fee_in_net_minor,
           CASE WHEN l.fee_currency = l.currency AND l.currency <> l.net_currency THEN l.gross_minor - l.fee_minor
                ELSE l.gross_minor END::numeric AS to_convert,
           CASE WHEN l.currency = l.net_currency THEN 1 ELSE l.exchange_rate::numeric * {_IN_NET} END AS stated,
           CASE WHEN l.currency = l.net_currency THEN 0
                ELSE ('0.5e-' || length(split_part(l.exchange_rate, '.', 2)))::numeric * {_IN_NET} END AS half_digit
    ) AS r
 CROSS JOIN LATERAL (
    SELECT CASE WHEN abs(to_convert * stated) <= {MINOR_MAX} THEN nullif(stated, 0) END AS rate) AS v
 CROSS JOIN LATERAL (
    SELECT coalesce(round(to_convert * rate), 0)::bigint AS converted_minor,
           l.net_minor + fee_in_net_minor AS settled_minor,
           CASE WHEN rate IS NULL OR {PLAIN} THEN 0
                ELSE {left_open("to_convert")} END AS left_open
    ) AS x
 CROSS JOIN LATERAL (
    SELECT CASE WHEN abs(settled_minor - converted_minor) <= left_open THEN 0
                ELSE settled_minor - converted_minor END AS unexplained_minor) AS u"""
