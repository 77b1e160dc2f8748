"""Explained to zero: what reconciliation says of each payout and day, part by part, against the books of the month."""

from __future__ import annotations

from collections import Counter

from services.sandbox.domain.balance_transactions import BalanceTransaction, Kind
from tests.integration.months.answers import Answer, payout_name
from tests.integration.months.desk import MonthDesk
from tests.integration.months.world import World

_PART_OF = {
    Kind.CHARGE: "charges_minor",
    Kind.REFUND: "refunds_minor",
    Kind.REFUND_FAILURE: "refunds_minor",
    Kind.DISPUTE: "disputes_minor",
    Kind.DISPUTE_REVERSAL: "disputes_minor",
    Kind.CHARGE_FAILURE: "reversals_minor",
    Kind.REVERSAL: "reversals_minor",
    Kind.REVERSAL_RETURN: "reversals_minor",
    Kind.RESERVE_HELD: "reserves_minor",
    Kind.RESERVE_RELEASED: "reserves_minor",
}
PARTS = (
    *dict.fromkeys(_PART_OF.values()), "adjustments_minor", "exchanged_minor", "fees_minor", "net_minor", "unread_minor",
    "unexplained_minor",
)  # fmt: skip


def parts_of(lines: list[BalanceTransaction]) -> dict[str, int]:
    """What a payout of these lines is made of, all of it."""
    found = dict.fromkeys(PARTS, 0)
    for line in lines:
        part = _PART_OF[line.kind] if line.exchange_rate is None else "exchanged_minor"
        found[part] += line.converted_minor
        found["fees_minor"] += line.fee_minor
        found["net_minor"] += line.net_minor
    return found


def unexplained(desk: MonthDesk, world: World, answers: set[Answer]) -> list[str]:
    """Everything that is not as the books have it, or is left and has no name; nothing, if all is well."""
    named = {answer.about: answer for answer in answers if answer.about.startswith("payout:")}
    rows = {
        ":".join(("payout", row["processor"], row["account"], row["payout_id"], row["currency"])): row
        for row in desk.explained()
    }
    wrong, summed = [], Counter()
    for payout in (payout for found in world.payouts_of.values() for payout in found):
        name = payout_name(payout)
        row = rows.pop(name, None)
        parts = parts_of(world.told_lines(payout))
        # Beyond its lines its own row has only what was planted there.
        in_total_minor = world.told.totals.get((payout.processor, payout.id), 0)
        parts["unread_minor"] = parts["unexplained_minor"] = in_total_minor
        if row is None or {part: row[part] for part in PARTS} != parts:
            wrong.append(f"{name}: not {parts}: {row}")
            continue
        parts["residue_minor"] = abs(row["residue_minor"])
        for part, minor in parts.items():
            summed[row["day"], row["currency"], part] += minor
        told = named.get(name)
        if (row["named_by"], abs(row["residue_minor"])) != (
            (told.type, told.at_risk_minor) if told else (None, 0)
        ):
            wrong.append(f"{name}: {row['residue_minor']} left, named {row['named_by']}, to be named {told}")
        if not row["explained"]:
            wrong.append(f"{name}: unexplained")
    wrong += [f"{name}: no such payout" for name in rows]
    for day in desk.days():
        told_of = {part: summed[day["day"], day["currency"], part] for part in (*PARTS, "residue_minor")}
        left_minor = sum(each["minor"] for each in day["named_by"])
        if (
            {part: day[part] for part in told_of} != told_of
            or left_minor != day["residue_minor"] + day["unallocated_minor"] + day["unexplained_minor"]
            or not day["explained"]
        ):
            wrong.append(f"{day}: not {told_of}")
    return wrong
