"""What must hold within one settlement line, whatever its format: damage to one figure shows in the others."""

from __future__ import annotations

from services.reconciliation.domain.lines import SettlementLine
from services.reconciliation.domain.report_values import FieldError


def check_line(line: SettlementLine) -> None:
    """Refuse a line whose figures contradict each other; in one currency net is gross less fee."""
    third = line.fee_currency not in {line.currency, line.net_currency}
    if third and line.fee_minor and line.fee_in_net_currency_minor is None:
        raise FieldError(
            "fee_unconverted", "fee_in_net_currency", "what a fee in a third currency took from the net"
        )
    if not third and line.fee_in_net_currency_minor is not None:
        raise FieldError(
            "fee_converted_twice", "fee_in_net_currency", "nothing, as the fee is in the line's currency"
        )
    if line.currency != line.net_currency:
        return
    if line.exchange_rate is not None:
        raise FieldError("rate_unneeded", "exchange_rate", "nothing, as gross and net have one currency")
    fee_minor = line.fee_in_net_currency_minor or 0 if third else line.fee_minor
    if line.net_minor != line.gross_minor - fee_minor:
        expected = f"gross less fee, which is {line.gross_minor - fee_minor} minor units of {line.currency}"
        raise FieldError("sum_mismatch", "net", expected)
