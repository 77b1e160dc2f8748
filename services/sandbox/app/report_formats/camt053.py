"""Owns the bank's statement as ISO 20022 camt.053.001.08: one ``Stmt`` a day, ``Bal`` before the entries."""

from typing import Final
from xml.sax.saxutils import escape

from services.sandbox.app.report_formats.writers import Statement, wrapped
from services.sandbox.domain.bank import BankEntry, Part
from shared.kernel.money import major_units

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
UNSTRUCTURED_MAX: Final = 140
_SIDES: Final = {True: "CRDT", False: "DBIT"}
_FAMILIES: Final = {
    (True, False): ("RCDT", "ESCT"),
    (False, False): ("RDDT", "ESDD"),
    (False, True): ("RCDT", "RRTN"),
    (True, True): ("RDDT", "UPDD"),
}
"""Credit or not, sent back or not: family and sub-family."""


class Camt053:
    """The writer."""

    media_type = "application/xml"

    def head(self, first: Statement) -> bytes:
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>\n'
            f"<GrpHdr><MsgId>MSG{first.id}</MsgId><CreDtTm>{_instant(first)}</CreDtTm></GrpHdr>\n"
        ).encode()

    def opening(self, statement: Statement) -> bytes:
        return (
            f"<Stmt><Id>{statement.id}</Id><ElctrncSeqNb>{statement.number}</ElctrncSeqNb>"
            f"<CreDtTm>{_instant(statement)}</CreDtTm>"
            f"<FrToDt><FrDtTm>{statement.day}T00:00:00Z</FrDtTm><ToDtTm>{_instant(statement)}</ToDtTm></FrToDt>"
            f"<Acct><Id><IBAN>{statement.account}</IBAN></Id><Ccy>{statement.currency}</Ccy></Acct>\n"
            + _balance("OPBD", statement.opening_minor, statement)
            + _balance("CLBD", statement.closing_minor, statement)
        ).encode()

    def entry(self, statement: Statement, entry: BankEntry) -> bytes:
        family, sub_family = _FAMILIES[entry.amount_minor > 0, entry.returns is not None]
        return (
            f"<Ntry><NtryRef>{escape(entry.id)}</NtryRef>{_amount(entry.amount_minor, statement.currency)}"
            f"<RvslInd>{'true' if entry.returns else 'false'}</RvslInd><Sts><Cd>BOOK</Cd></Sts>"
            f"<BookgDt><Dt>{entry.booked_on}</Dt></BookgDt><ValDt><Dt>{entry.value_on}</Dt></ValDt>"
            f"<AcctSvcrRef>{escape(entry.bank_reference)}</AcctSvcrRef>"
            f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>{family}</Cd><SubFmlyCd>{sub_family}</SubFmlyCd></Fmly></Domn></BkTxCd>"
            f"<NtryDtls>{self._details(statement, entry)}</NtryDtls></Ntry>\n"
        ).encode()

    def closing(self, statement: Statement) -> bytes:  # noqa: ARG002 - the balance stands before the entries here
        return b"</Stmt>\n"

    def end(self) -> bytes:
        return b"</BkToCstmrStmt></Document>\n"

    def _details(self, statement: Statement, entry: BankEntry) -> str:
        if len(entry.parts) > 1:
            batch = (
                f"<Btch><MsgId>{escape(entry.reference)}</MsgId><NbOfTxs>{len(entry.parts)}</NbOfTxs></Btch>"
            )
            return batch + "".join(_part(part, statement.currency) for part in entry.parts)
        told = "".join(f"<Ustrd>{escape(text)}</Ustrd>" for text in wrapped(entry.text, UNSTRUCTURED_MAX))
        back = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>" if entry.returns else ""
        return (
            f"<TxDtls><Refs><EndToEndId>{escape(entry.reference)}</EndToEndId></Refs>"
            f"{_amount(entry.amount_minor, statement.currency)}<RmtInf>{told}</RmtInf>{back}</TxDtls>"
        )


def _part(part: Part, currency: str) -> str:
    return (
        f"<TxDtls><Refs><EndToEndId>{escape(part.trace)}</EndToEndId></Refs>"
        f"{_amount(part.amount_minor, currency)}"
        f"<RmtInf><Ustrd>{part.processor.upper()} PAYOUT {escape(part.trace)}</Ustrd></RmtInf></TxDtls>"
    )


def _amount(amount_minor: int, currency: str) -> str:
    shown = major_units(abs(amount_minor), currency)
    return f'<Amt Ccy="{currency}">{shown}</Amt><CdtDbtInd>{_SIDES[amount_minor >= 0]}</CdtDbtInd>'


def _balance(code: str, amount_minor: int, statement: Statement) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(amount_minor, statement.currency)}"
        f"<Dt><Dt>{statement.day}</Dt></Dt></Bal>\n"
    )


def _instant(statement: Statement) -> str:
    return statement.drawn_at.strftime("%Y-%m-%dT%H:%M:%SZ")
