"""Plain writers of every format, for tests: they share nothing with the readers."""

from __future__ import annotations

import csv
import io

SCALES = {"EUR": 2, "USD": 2, "GBP": 2, "JPY": 0, "KWD": 3}


def major(minor, currency):
    """Minor units as a decimal text with all of the currency's decimals."""
    scale = SCALES[currency]
    digits = str(abs(minor)).rjust(scale + 1, "0")
    text = digits if scale == 0 else f"{digits[:-scale]}.{digits[-scale:]}"
    return f"-{text}" if minor < 0 else text


def csv_bytes(rows, *, delimiter=",", end="\n", encoding="utf-8"):
    """Dicts of one set of names as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def tieout_row(
    number, payout="po_1", *, currency="EUR", minor=10_000, fee_minor=170, category="charge", **more
):
    """A row of our own CSV from minor units; ``more`` replaces or adds columns."""
    return {
        "balance_transaction_id": f"txn_{number}",
        "created_utc": "2026-11-24 10:00:00",
        "available_on_utc": "2026-11-26 00:00:00",
        "currency": currency,
        "gross": major(minor, currency),
        "fee": major(fee_minor, currency),
        "net": major(minor - fee_minor, currency),
        "reporting_category": category,
        "source_id": f"cap_{number}",
        "charge_id": "",
        "automatic_payout_id": payout,
        "our_reference": f"op_{number}",
        "description": "",
        **more,
    }


def tieout_payout(number, payout, net, *, currency="EUR"):
    """The payout's own row, which takes ``net`` off the balance."""
    return tieout_row(
        number, payout, currency=currency, minor=-net, fee_minor=0, category="payout", source_id=""
    )


def stripe_row(
    number, payout="po_1", *, currency="eur", minor=10_000, fee_minor=170, category="charge", **more
):
    """A row of Stripe's payout reconciliation report; ``more`` replaces or adds columns."""
    scale_of = currency.upper()
    return {
        "automatic_payout_id": payout,
        "automatic_payout_effective_at_utc": "2026-11-26 00:00:00",
        "balance_transaction_id": f"txn_{number}",
        "created_utc": "2026-11-24 10:00:00",
        "available_on_utc": "2026-11-26 00:00:00",
        "currency": currency,
        "gross": major(minor, scale_of),
        "fee": major(fee_minor, scale_of),
        "net": major(minor - fee_minor, scale_of),
        "reporting_category": category,
        "source_id": f"ch_{number}",
        "description": "",
        "charge_id": f"ch_{number}",
        "payment_intent_id": f"pi_{number}",
        "payment_metadata[operation_id]": f"op_{number}",
        "trace_id": "",
        **more,
    }


def stripe_payout(number, payout, net, *, currency="eur"):
    """The payout's own row, which takes ``net`` off the balance."""
    return stripe_row(
        number,
        payout,
        currency=currency,
        minor=-net,
        fee_minor=0,
        category="payout",
        source_id=payout,
        charge_id="",
    )


CAMT_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.{}"


def camt_entry(
    minor,
    *,
    currency="EUR",
    reference="",
    end_to_end="",
    status="BOOK",
    version="08",
    booked="2026-11-27",
    text="",
    more="",
):
    """A ``Ntry``; ``more`` is markup before its booking date."""
    state = f"<Cd>{status}</Cd>" if version == "08" else status
    bank = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return (
        f'<Ntry><Amt Ccy="{currency}">{major(abs(minor), currency)}</Amt>'
        f"<CdtDbtInd>{'DBIT' if minor < 0 else 'CRDT'}</CdtDbtInd>{more}<Sts>{state}</Sts>"
        f"<BookgDt><Dt>{booked}</Dt></BookgDt><ValDt><Dt>{booked}</Dt></ValDt>{bank}"
        f"<NtryDtls><TxDtls><Refs><EndToEndId>{end_to_end or 'NOTPROVIDED'}</EndToEndId></Refs></TxDtls></NtryDtls>"
        f"<AddtlNtryInf>{text}</AddtlNtryInf></Ntry>\n"
    )


def camt_balance(code, minor, currency, on):
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">{major(abs(minor), currency)}</Amt>'
        f"<CdtDbtInd>{'DBIT' if minor < 0 else 'CRDT'}</CdtDbtInd><Dt><Dt>{on}</Dt></Dt></Bal>\n"
    )


def camt_statement(
    statement, entries, opening, closing, *, currency="EUR", account="DE02120300000000202051", summary="",
    created="2026-11-27T21:00:00+01:00", closing_code="CLBD", on="2026-11-27",
):  # fmt: skip
    """A ``Stmt`` of entries that are written already."""
    return (
        f"<Stmt><Id>{statement}</Id><CreDtTm>{created}</CreDtTm><Acct><Id><IBAN>{account}</IBAN></Id></Acct>\n"
        + camt_balance("OPBD", opening, currency, on)
        + camt_balance(closing_code, closing, currency, on)
        + summary
        + "".join(entries)
        + "</Stmt>\n"
    )


def camt_file(*statements, version="08", head=""):
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<Document xmlns="{CAMT_NAMESPACE.format(version)}">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-11-27T21:00:00+01:00</CreDtTm></GrpHdr>\n"
        f"{''.join(statements)}</BkToCstmrStmt></Document>\n"
    ).encode()


def adyen_row(number, batch="118", *, minor=10_000, fee_minor=170, currency="EUR", kind="Settled", **more):
    """A row of Adyen's settlement details report; ``more`` replaces or adds columns."""
    net = minor - fee_minor
    return {
        "Company Account": "Co",
        "Merchant Account": "Shop",
        "Psp Reference": f"88160000{number:08}",
        "Merchant Reference": f"pay_{number}",
        "Payment Method": "visa",
        "Creation Date": "2026-11-24 11:00:00",
        "TimeZone": "CET",
        "Type": kind,
        "Modification Reference": f"88170000{number:08}",
        "Gross Currency": currency,
        "Gross Debit (GC)": major(-minor, currency) if minor < 0 else "",
        "Gross Credit (GC)": major(minor, currency) if minor >= 0 else "",
        "Exchange Rate": "1",
        "Net Currency": currency,
        "Net Debit (NC)": major(-net, currency) if net < 0 else "",
        "Net Credit (NC)": major(net, currency) if net >= 0 else "",
        "Commission (NC)": major(fee_minor, currency),
        "Markup (NC)": "",
        "Scheme Fees (NC)": "",
        "Interchange (NC)": "",
        "Modification Merchant Reference": "",
        "Batch Number": batch,
        "Booking Date": "2026-11-25 23:05:00",
        "Booking Date TimeZone": "CET",
        **more,
    }


def adyen_payout(number, batch, net, *, currency="EUR"):
    """The batch's own row, which takes ``net`` off the balance."""
    row = adyen_row(number, batch, minor=-net, fee_minor=0, currency=currency, kind="MerchantPayout")
    reference = f"TX{number:09}XT batch {batch}, Co"
    blank = {
        "Psp Reference": "",
        "Merchant Reference": "",
        "Payment Method": "",
        "Modification Reference": reference,
    }
    return {**row, **blank, "Gross Debit (GC)": "", "Gross Credit (GC)": "", "Exchange Rate": ""}


def comma(minor, currency):
    """An amount as SWIFT writes it: a comma always, no sign."""
    text = major(abs(minor), currency)
    return text.replace(".", ",") if "." in text else f"{text},"


def mt940_entry(
    minor, *, currency="EUR", reference="", customer="NONREF", text="", mark=None, dates="2611271127"
):
    mark = mark or ("D" if minor < 0 else "C")
    bank = f"//{reference}" if reference else ""
    details = f":86:{text}\n" if text else ""
    return f":61:{dates}{mark}{comma(minor, currency)}NTRF{customer}{bank}\n{details}"


def mt940_statement(
    number, entries, opening, closing, *, currency="EUR", account="DE02120300000000202051", closing_tag="62F", on="261127",
    opening_tag="60F", sent="", made="",
):  # fmt: skip
    """A statement of entries that are written already; ``sent``: HHMMYYMMDD of its envelope, ``made``: its ``:13D:``."""

    def balance(tag, minor):
        return f":{tag}:{'D' if minor < 0 else 'C'}{on}{currency}{comma(minor, currency)}\n"

    head = (
        f"{{1:F01SAMPDEFFAXXX0000000000}}{{2:O940{sent}SAMPDEFFAXXX00000000002611272300N}}{{4:\n"
        if sent
        else ""
    )
    return (
        f"{head}:20:S{number}\n:25:{account}\n:28C:{number}\n"
        + (f":13D:{made}\n" if made else "")
        + balance(opening_tag, opening)
        + "".join(entries)
        + balance(closing_tag, closing)
        + ("-}\n" if sent else "-\n")
    )


def bai2_entry(minor, *, reference="", customer="", text="", code=None, funds="Z"):
    """A record 16 as its lines, with the amount that it adds to the control total."""
    code = code or ("495" if minor < 0 else "195")
    return [f"16,{code},{abs(minor)},{funds},{reference},{customer},{text}/"], abs(minor)


def bai2_account(entries, opening, closing, *, currency="EUR", account="0001234567"):
    """Header, entries and trailer of an account; returned with its control total."""
    lines = [f"03,{account},{currency},010,{opening},,,015,{closing},,/"]
    total = opening + closing
    for made, minor in entries:
        lines += made
        total += minor
    return [*lines, f"49,{total},{len(lines) + 1}/"], total


def bai2_group(accounts, *, as_of="261127", currency="", status="1", reading="2"):
    lines, total = (
        [f"02,US,SAMPLEBANK,{status},{as_of},,{currency},{reading}/"],
        sum(total for _, total in accounts),
    )
    for made, _ in accounts:
        lines += made
    return [*lines, f"98,{total},{len(accounts)},{len(lines) + 1}/"], total


def bai2_file(groups, *, made_at="261127,2100"):
    lines, total = [f"01,SAMPLEBANK,US,{made_at},1,,,2/"], sum(total for _, total in groups)
    for made, _ in groups:
        lines += made
    return "\n".join([*lines, f"99,{total},{len(groups)},{len(lines) + 1}/"]) + "\n"
