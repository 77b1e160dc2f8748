"""Matching in plain Python, over everything at once: what the statements have to come to, however they are run."""

from __future__ import annotations

from collections import defaultdict

from services.reconciliation.domain.matching import PASSES, Key, Shape


def plain_matches(lines, items, agreed=()):
    """Matches of these rows (dicts) as (rule, line ids, item keys).

    ``agreed``: what people ever agreed and did not take back, as revisions by line and events by item.
    """
    free_lines = {line["line_id"]: line for line in lines}
    free_items = {item["item_key"]: item for item in items}
    matches = _by_hand(free_lines, free_items, agreed)
    for one in PASSES:
        parts = defaultdict(lambda: ([], []))
        for line in free_lines.values():
            if (key := _line_key(one, line)) is not None:
                parts[key][0].append(line)
        for item in free_items.values():
            if item["standing"] == one.standing and (key := _item_key(one, item)) is not None:
                parts[key][1].append(item)
        for ours, theirs in parts.values():
            ours.sort(key=lambda line: (line["occurred_at"], line["line_id"]))
            theirs.sort(key=lambda item: (item["occurred_at"], item["item_key"]))
            for matched_lines, matched_items in list(_pairs(one, ours, theirs)):
                ids = tuple(sorted(line["line_id"] for line in matched_lines))
                keys = tuple(sorted(item["item_key"] for item in matched_items))
                matches.add((one.rule.value, ids, keys))
                for line_id in ids:
                    del free_lines[line_id]
                for key in keys:
                    del free_items[key]
    return matches


def _by_hand(free_lines, free_items, agreed):
    """Before any rule: what stands as it was read, whole."""
    matches = set()
    for revisions, events in agreed:
        if _stands(free_lines, revisions, "revision") and _stands(free_items, events, "event_id"):
            matches.add(("by_hand", tuple(sorted(revisions)), tuple(sorted(events))))
            for line_id in revisions:
                del free_lines[line_id]
            for key in events:
                del free_items[key]
    return matches


def _stands(rows, said, by):
    return all(
        name in rows and rows[name][by] == value and rows[name].get("standing", "expected") == "expected"
        for name, value in said.items()
    )


def _pairs(one, lines, items):
    if one.shape is Shape.ONE_TO_ONE:
        for line, item in zip(lines, items, strict=False):
            yield [line], [item]
    elif one.shape is Shape.ONLY_CANDIDATES:
        for line in lines:
            near = _near(line, items, one.within)
            if len(near) == 1 and len(_near(near[0], lines, one.within)) == 1:
                yield [line], near
    elif one.shape is Shape.ONE_ITEM_SEVERAL_LINES:
        if len(lines) > 1 and len(items) == 1 and _total(lines) == items[0]["amount_minor"]:
            yield lines, items
    elif len(lines) == 1 and len(items) > 1 and _total(items) == lines[0]["amount_minor"]:
        yield lines, items


def _near(row, others, within):
    return [other for other in others if abs(other["occurred_at"] - row["occurred_at"]) <= within]


def _total(rows):
    return sum(row["amount_minor"] for row in rows)


def _money(one, row):
    if one.shape in {Shape.ONE_ITEM_SEVERAL_LINES, Shape.ONE_LINE_SEVERAL_ITEMS}:
        return (row["currency"],)
    return (row["currency"], row["amount_minor"]) if one.same_money else ()


def _line_key(one, line):
    nameless = line["object_id"] is None and line["our_reference"] is None
    shared = {
        Key.OBJECT: line["object_id"],
        Key.MONEY_ROW: line["object_id"],
        Key.OPERATION: line["our_reference"],
        Key.PAYMENT: line["our_reference"],
        Key.AMOUNT: (line["amount_minor"], line["currency"]) if nameless else None,
    }[one.key]
    return _whole_key(one, line, shared)


def _item_key(one, item):
    shared = {
        Key.OBJECT: item["object_id"],
        Key.MONEY_ROW: item["money_row_id"],
        Key.OPERATION: item["operation_id"],
        Key.PAYMENT: item["payment_id"],
        Key.AMOUNT: (item["amount_minor"], item["currency"]),
    }[one.key]
    return _whole_key(one, item, shared)


def _whole_key(one, row, shared):
    if shared is None:
        return None
    return (
        row["processor"],
        row["account"],
        row["category"],
        shared,
        row["amount_minor"] > 0,
        *_money(one, row),
    )
