"""One entry of a camt.053 statement as a bank line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from services.reconciliation.adapters.readers.bank_lines import (
    REFERENCES_MAX,
    entry_id,
    references_of,
    text_of,
)
from services.reconciliation.adapters.readers.camt053_elements import children, only, signed_amount, text_at
from services.reconciliation.adapters.readers.camt053_statements import Statement
from services.reconciliation.adapters.readers.line_ids import LineIds
from services.reconciliation.domain.lines import BankLine
from services.reconciliation.domain.report_values import FieldError, day, wall_time

BOOKED: Final = "BOOK"
_STATUSES: Final = frozenset({BOOKED, "PDNG", "INFO", "FUTR"})
_REVERSED: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}
_REFERENCES: Final = (
    "EndToEndId",
    "UETR",
    "InstrId",
    "TxId",
    "PmtInfId",
    "MsgId",
    "AcctSvcrRef",
    "MndtId",
    "ChqNb",
)
_REMITTANCES_MAX: Final = 16


class Details:
    """What the payments within one entry say; the first ones of a bulk booking."""

    def __init__(self) -> None:
        self.count = 0
        self.references: list[str | None] = []
        self.texts: list[str | None] = []
        self.returned = False
        self.bank_reference: str | None = None

    def add(self, details: Any) -> None:
        """Take one ``TxDtls``."""
        self.count += 1
        parts = children(details)
        self.returned = self.returned or "RtrInf" in parts
        if len(self.references) >= REFERENCES_MAX:
            return
        for references in parts.get("Refs", ()):
            named = {name: found[0].text for name, found in children(references).items()}
            self.references.extend(named[name] for name in _REFERENCES if name in named)
            self.bank_reference = named.get("AcctSvcrRef") or self.bank_reference
        for remittance in parts.get("RmtInf", ()):
            found = children(remittance)
            self.texts.extend(each.text for each in found.get("Ustrd", ())[:_REMITTANCES_MAX])
            for structured in found.get("Strd", ())[:_REMITTANCES_MAX]:
                self.references.append(text_at(structured, "CdtrRefInf", "Ref"))


def status_of(parts: dict[str, list[Any]]) -> str:
    """``BOOK`` or what else: text in 001.02, a code within in 001.08."""
    element = only(parts, "Sts")
    stated = text_at(element, "Cd") or text_at(element) or ""
    if stated not in _STATUSES:
        raise FieldError("status_unknown", "Sts", f"one of {', '.join(sorted(_STATUSES))}")
    return stated


def bank_line(
    position: int, parts: dict[str, list[Any]], details: Details, statement: Statement, ids: LineIds
) -> BankLine:
    """A booked entry, or ``FieldError``."""
    code, amount_minor = signed_amount(parts)
    if code != statement.currency:
        raise FieldError(
            "currency_differs", "Amt/@Ccy", f"{statement.currency}, as the balances of the statement"
        )
    booked_on = _day(only(parts, "BookgDt"), "BookgDt")
    value_on = _day(only(parts, "ValDt"), "ValDt") if "ValDt" in parts else booked_on
    bank_reference = _text(parts, "AcctSvcrRef") or (details.bank_reference if details.count == 1 else None)
    batches = [batch for each in parts.get("NtryDtls", ()) for batch in children(each).get("Btch", ())]
    batched = [text_at(batch, name) for batch in batches for name in ("MsgId", "PmtInfId")]
    references = references_of([bank_reference, _text(parts, "NtryRef"), *batched, *details.references])
    text = text_of([*details.texts, _text(parts, "AddtlNtryInf")])
    reversal = _REVERSED.get(_text(parts, "RvslInd") or "false")
    if reversal is None:
        raise FieldError("boolean_malformed", "RvslInd", "true or false")
    return BankLine(
        line_number=position,
        line_id=entry_id(
            ids, statement.identity, bank_reference or "", (booked_on, value_on), [*references, text]
        ),
        statement_id=statement.statement_id,
        account_number=statement.account,
        currency=code,
        amount_minor=amount_minor,
        booked_on=booked_on,
        value_on=value_on,
        references=references,
        text=text,
        returned=reversal or details.returned,
    )


def _text(parts: dict[str, list[Any]], name: str) -> str | None:
    return (only(parts, name).text or "").strip() if name in parts else None


def _day(element: Any, field: str) -> date:
    """The bank's day: of a time, the day that the bank writes it on."""
    stated = text_at(element, "Dt")
    if stated is not None:
        return day(stated[:10] if stated[10:] == "Z" else stated, field)
    return wall_time(text_at(element, "DtTm") or "", field).date()
