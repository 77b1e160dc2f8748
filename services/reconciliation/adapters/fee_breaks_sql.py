"""Fees of matched lines beside what is agreed: in the fee's own currency or, across an exchange, in the payout's.

A price holds for the currency that it is agreed in: of the gross where the fee is in the gross currency, else of what
settled, else, with a price in the gross currency alone, by the line's rate, within what that rate leaves open.
"""

from __future__ import annotations

from typing import Final

from services.reconciliation.adapters.exchange_sql import WORKED_OUT, left_open


def _agreed(amount: str, price: str) -> str:
    return f"""(sign({amount})::bigint * floor((abs({amount})::numeric * {price}.per_million + 500000) / 1000000)
                   ::bigint + {price}.fixed_minor)"""


_BY_RATE: Final = _agreed("l.gross_minor", "g")
#: One row per line with a price, in the currency that both can be told in.
FEES: Final = f"""
SELECT c.match_id, l.fee_currency, l.fee_minor, l.processor, l.account, i.payment_id, l.occurred_at,
       {_agreed("l.gross_minor", "a")} AS agreed, coalesce(t.tolerance_minor, 0) AS tolerance
  FROM agreed_fees AS a JOIN matchable_lines AS l USING (source, category, currency) /*of lines*/
  JOIN claims AS c USING (source, line_id) JOIN our_items AS i USING (item_key)
  LEFT JOIN tolerances AS t ON t.source = a.source AND t.currency = a.currency AND t.field = 'fee'
 WHERE l.fee_currency = l.currency
UNION ALL
SELECT c.match_id, l.net_currency, fee_in_net_minor, s.processor, s.account, i.payment_id, l.occurred_at,
       coalesce({_agreed("settled_minor", "a")}, round({_BY_RATE} * rate)::bigint),
       coalesce(t.tolerance_minor, 0) + CASE WHEN a.source IS NULL THEN {left_open(_BY_RATE)} ELSE 0 END
  FROM settlement_lines AS l JOIN sources AS s USING (source) /*of lines*/ {WORKED_OUT}
  JOIN claims AS c ON c.source = l.source AND c.line_id = l.line_id JOIN our_items AS i USING (item_key)
  LEFT JOIN agreed_fees AS a ON (a.source, a.category, a.currency) = (l.source, l.category, l.net_currency)
  LEFT JOIN agreed_fees AS g ON (g.source, g.category, g.currency) = (l.source, l.category, l.currency)
  LEFT JOIN tolerances AS t ON t.source = l.source AND t.currency = l.net_currency AND t.field = 'fee'
 WHERE l.stands AND NOT l.withdrawn AND l.gross_minor <> 0 AND l.fee_currency <> l.currency
   AND (a.source IS NOT NULL OR g.source IS NOT NULL AND rate IS NOT NULL)"""
