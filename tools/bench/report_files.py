"""Files of each format with as many lines as wanted, valid to their last total: what readers are timed on."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

PAYOUT_LINES: Final = 1_000
GROSS_MINOR: Final = 10_000
FEE_MINOR: Final = 170
_NET_MINOR: Final = GROSS_MINOR - FEE_MINOR
_SETTLEMENT_HEAD: Final = (
    "automatic_payout_id,balance_transaction_id,created_utc,available_on_utc,currency,gross,fee,net,"
    "reporting_category,source_id,charge_id,trace_id,{reference}\n"
)
_ADYEN_HEAD: Final = (
    "Company Account,Merchant Account,Psp Reference,Merchant Reference,Payment Method,Creation Date,TimeZone,Type,"
    "Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Exchange Rate,Net Currency,"
    "Net Debit (NC),Net Credit (NC),Commission (NC),Markup (NC),Scheme Fees (NC),Interchange (NC),"
    "Modification Merchant Reference,Batch Number\n"
)
_ACCOUNT: Final = "DE02120300000000202051"


def write_file(form: str, lines: int, path: Path) -> None:
    """Write a file of that many lines or entries."""
    with path.open("w", encoding="utf-8", newline="") as out:
        out.writelines(_WRITERS[form](lines))


def _balance_rows(reference: str, currency: str) -> Callable[[int], Iterator[str]]:
    def rows(lines: int) -> Iterator[str]:
        yield _SETTLEMENT_HEAD.format(reference=reference)
        times = "2026-11-24 10:00:00,2026-11-26 00:00:00"
        for number, payout, count in _numbered(lines):
            if count:
                paid = _major(count * _NET_MINOR)
                figures = f"-{paid},0.00,-{paid},payout"
                yield f"po_{payout},txn_{number},{times},{currency},{figures},po_{payout},,TR{payout},\n"
            else:
                figures = f"{_major(GROSS_MINOR)},{_major(FEE_MINOR)},{_major(_NET_MINOR)}"
                objects = f"ch_{number},ch_{number},TR{payout},op_{number}"
                yield f"po_{payout},txn_{number},{times},{currency},{figures},charge,{objects}\n"

    return rows


def _adyen_rows(lines: int) -> Iterator[str]:
    yield _ADYEN_HEAD
    head = "Co,Shop"
    for number, payout, count in _numbered(lines):
        if count:
            reference = f"TX{payout:010}XT batch {payout}"
            paid = _major(count * _NET_MINOR)
            yield f"{head},,,,2026-11-26 03:00:00,CET,MerchantPayout,{reference},EUR,,,,EUR,{paid},,,,,,,{payout}\n"
        else:
            references = f"88{number:014},pay_{number},visa,2026-11-24 11:00:00,CET,Settled,87{number:014}"
            figures = f"EUR,,{_major(GROSS_MINOR)},1,EUR,,{_major(_NET_MINOR)},{_major(FEE_MINOR)}"
            yield f"{head},{references},{figures},,,,op_{number},{payout}\n"


def _camt_entries(lines: int) -> Iterator[str]:
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">'
        f"<BkToCstmrStmt><Stmt><Id>S1</Id><Acct><Id><IBAN>{_ACCOUNT}</IBAN></Id></Acct>"
    )
    for code, minor in (("OPBD", 0), ("CLBD", lines * GROSS_MINOR)):
        yield (
            f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{_major(minor)}</Amt>'
            "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-27</Dt></Dt></Bal>\n"
        )
    for number in range(lines):
        yield (
            f'<Ntry><Amt Ccy="EUR">{_major(GROSS_MINOR)}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
            "<BookgDt><Dt>2026-11-27</Dt></BookgDt><ValDt><Dt>2026-11-27</Dt></ValDt>"
            f"<AcctSvcrRef>B{number}</AcctSvcrRef><BkTxCd><Prtry><Cd>NTRF</Cd></Prtry></BkTxCd><NtryDtls><TxDtls>"
            f"<Refs><EndToEndId>TR{number}</EndToEndId></Refs><RmtInf><Ustrd>PAYOUT po_{number}</Ustrd></RmtInf>"
            "</TxDtls></NtryDtls></Ntry>\n"
        )
    yield "</Stmt></BkToCstmrStmt></Document>\n"


def _mt940_entries(lines: int) -> Iterator[str]:
    yield f":20:S1\n:25:{_ACCOUNT}\n:28C:1\n:60F:C261127EUR0,00\n"
    amount = _major(GROSS_MINOR).replace(".", ",")
    for number in range(lines):
        yield f":61:2611271127C{amount}NTRFNONREF//B{number}\n"
        yield f":86:166?00CREDIT?20EREF+TR{number}?21SVWZ+PAYOUT po_{number}\n"
    yield f":62F:C261127EUR{_major(lines * GROSS_MINOR).replace('.', ',')}\n-\n"


def _bai2_entries(lines: int) -> Iterator[str]:
    closing = lines * GROSS_MINOR
    yield "01,BANK,US,261127,2100,1,,,2/\n02,US,BANK,1,261127,,USD,2/\n"
    yield f"03,0001234567,USD,010,0,,,015,{closing},,/\n"
    for number in range(lines):
        yield f"16,195,{GROSS_MINOR},Z,B{number},TR{number},PAYOUT po_{number}/\n"
    total = 2 * closing
    yield f"49,{total},{lines + 2}/\n98,{total},1,{lines + 4}/\n99,{total},1,{lines + 6}/\n"


def _numbered(lines: int) -> Iterator[tuple[int, int, int]]:
    """Number, payout, and for the payout's own row how many rows it pays out."""
    pending = 0
    for number in range(lines):
        payout = number // PAYOUT_LINES
        if pending and (number % PAYOUT_LINES == PAYOUT_LINES - 1 or number == lines - 1):
            yield number, payout, pending
            pending = 0
        else:
            pending += 1
            yield number, payout, 0


def _major(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


_WRITERS: Final[Mapping[str, Callable[[int], Iterator[str]]]] = {
    "tieout_csv": _balance_rows("our_reference", "EUR"),
    "stripe_payout_csv": _balance_rows("payment_metadata[operation_id]", "eur"),
    "adyen_settlement_csv": _adyen_rows,
    "camt053": _camt_entries,
    "mt940": _mt940_entries,
    "bai2": _bai2_entries,
}
FORMATS: Final = tuple(_WRITERS)
