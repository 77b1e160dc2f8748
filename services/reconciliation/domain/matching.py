"""The passes of matching, in their order: what has to agree, and how many of either side make one match.

A pass looks only at what no earlier pass has claimed, in groups that share one key. So what a group comes to is a
function of its members, and a run that does over every group that anything changed in comes to what a run over
everything would.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from services.reconciliation.domain.our_items import Standing


class Rule(StrEnum):
    """What made a match; every match says it."""

    BY_HAND = "by_hand"
    SAME_OBJECT = "same_object"
    SAME_MONEY_ROW = "same_money_row"
    SAME_OPERATION = "same_operation"
    SAME_PAYMENT = "same_payment"
    LINES_OF_OBJECT = "lines_of_object"
    ITEMS_OF_PAYMENT = "items_of_payment"
    OBJECT_DIFFERS = "object_differs"
    OPERATION_DIFFERS = "operation_differs"
    IN_DOUBT = "in_doubt"
    ATTRIBUTES = "attributes"


class Shape(StrEnum):
    """How many lines and items make one match."""

    ONE_TO_ONE = "one to one"
    #: The one candidate of the other, and the other way round; of several nobody chooses.
    ONLY_CANDIDATES = "only candidates"
    ONE_ITEM_SEVERAL_LINES = "one item, several lines"
    ONE_LINE_SEVERAL_ITEMS = "one line, several items"
    #: Exactly what two people named.
    AS_AGREED = "as agreed"


class Key(StrEnum):
    """What a line and an item share."""

    OBJECT = "object"
    MONEY_ROW = "money_row"
    OPERATION = "operation"
    PAYMENT = "payment"
    #: Nothing names the other side: lines without any id or reference.
    AMOUNT = "amount"
    #: A match that two people agreed by hand.
    AGREED = "agreed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass. Processor, account and category always have to agree, and which way the money goes."""

    rule: Rule
    rank: int
    key: Key
    why: str
    shape: Shape = Shape.ONE_TO_ONE
    same_money: bool = True
    """Amount and currency agree; otherwise the difference is a break."""
    standing: Standing = Standing.EXPECTED
    within: timedelta = timedelta(0)
    """How far apart candidates are at most, where nothing is named."""


#: How far apart two clocks may be where nothing else ties a line to an item.
ATTRIBUTES_WITHIN: Final = timedelta(days=3)

_R, _K, _SH = Rule, Key, Shape
#: Before every rule, by what people agreed: data of matching, as lines and items are. Its difference is looked at.
BY_HAND: Final = Pass(
    rule=_R.BY_HAND,
    rank=5,
    key=_K.AGREED,
    shape=_SH.AS_AGREED,
    same_money=False,
    why="two people agreed that these belong together",
)
PASSES: Final[tuple[Pass, ...]] = (
    Pass(rule=_R.SAME_OBJECT, rank=10, key=_K.OBJECT, why="the processor's id of the object"),
    Pass(rule=_R.SAME_MONEY_ROW, rank=20, key=_K.MONEY_ROW, why="the processor's id of the row that moved the money"),
    Pass(rule=_R.SAME_OPERATION, rank=30, key=_K.OPERATION, why="our operation's id, echoed"),
    Pass(rule=_R.SAME_PAYMENT, rank=40, key=_K.PAYMENT, why="our payment's id, echoed"),
    Pass(
        rule=_R.LINES_OF_OBJECT,
        rank=50,
        key=_K.OBJECT,
        shape=_SH.ONE_ITEM_SEVERAL_LINES,
        why="the object's lines add up to it",
    ),
    Pass(
        rule=_R.ITEMS_OF_PAYMENT,
        rank=60,
        key=_K.PAYMENT,
        shape=_SH.ONE_LINE_SEVERAL_ITEMS,
        why="the payment's items add up to the line",
    ),
    Pass(rule=_R.OBJECT_DIFFERS, rank=70, key=_K.OBJECT, same_money=False, why="the object, but other money"),
    Pass(
        rule=_R.OPERATION_DIFFERS, rank=80, key=_K.OPERATION, same_money=False, why="our operation, but other money"
    ),
    Pass(
        rule=_R.IN_DOUBT,
        rank=90,
        key=_K.OPERATION,
        same_money=False,
        standing=Standing.IN_DOUBT,
        why="our operation, of which we do not know what became",
    ),
    Pass(
        rule=_R.ATTRIBUTES,
        rank=100,
        key=_K.AMOUNT,
        shape=_SH.ONLY_CANDIDATES,
        within=ATTRIBUTES_WITHIN,
        why="the only ones with that money within three days, where the line names nothing",
    ),
)  # fmt: skip

#: Only a match of these rules has further rows; of every other one the one row names both sides.
SEVERAL_RANKS: Final = tuple(
    one.rank
    for one in (BY_HAND, *PASSES)
    if one.shape in {Shape.AS_AGREED, Shape.ONE_ITEM_SEVERAL_LINES, Shape.ONE_LINE_SEVERAL_ITEMS}
)

#: From here on a match is not clean by itself.
DIFFERS_FROM_RANK: Final = 70
