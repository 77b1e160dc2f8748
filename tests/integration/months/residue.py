"""Explained to zero: what reconciliation says of each payout and day, against the books of the month."""

from __future__ import annotations

from collections import Counter

from tests.integration.months.desk import MonthDesk
from tests.integration.months.key import Answer, payout_name
from tests.integration.months.world import World


def unexplained(desk: MonthDesk, world: World, answers: set[Answer]) -> list[str]:
    """Everything that is not as the books have it, or is left and has no name; nothing, if all is well."""
    named = {answer.about: answer for answer in answers if answer.about.startswith("payout:")}
    rows = {
        ":".join(("payout", row["processor"], row["account"], row["payout_id"], row["currency"])): row
        for row in desk.explained()
    }
    wrong, residues = [], Counter()
    for payout in (payout for found in world.payouts_of.values() for payout in found):
        name = payout_name(payout)
        row = rows.pop(name, None)
        net_minor = sum(line.net_minor for line in world.told_lines(payout))
        if row is None or row["net_minor"] != net_minor:
            wrong.append(f"{name}: not {net_minor}: {row}")
            continue
        residues[row["day"], row["currency"]] += abs(row["residue_minor"])
        told = named.get(name)
        if (row["named_by"], abs(row["residue_minor"])) != (
            (told.type, told.at_risk_minor) if told else (None, 0)
        ):
            wrong.append(f"{name}: {row['residue_minor']} left, named {row['named_by']}, to be named {told}")
        if row["unexplained_minor"] or not row["explained"]:
            wrong.append(f"{name}: {row['unexplained_minor']} of its lines unexplained")
    wrong += [f"{name}: no such payout" for name in rows]
    for day in desk.days():
        left_minor = sum(each["minor"] for each in day["named_by"])
        if (
            day["residue_minor"] != residues[day["day"], day["currency"]]
            or left_minor != day["residue_minor"] + day["unallocated_minor"]
            or day["unexplained_minor"]
            or not day["explained"]
        ):
            wrong.append(f"{day}")
    return wrong
