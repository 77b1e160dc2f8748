"""``reconciliation trace``: what is known of one payment, object or line, for people in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from shared.runtime.cli import JsonFlag, command_line, emit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_ITEM: Final = ("item_key", "category", "standing", "amount_minor", "currency", "object_id", "occurred_at")
_LINE: Final = (
    "source", "line_id", "revision", "stands", "withdrawn", "file_id", "payout_id", "category", "gross_minor",
    "fee_minor", "currency",
)  # fmt: skip
_PAYOUT: Final = ("payout_id", "currency", "stated_net_minor", "closed_at")
_CREDIT: Final = ("source", "line_id", "amount_minor", "rule", "allocated_at")
_BREAK: Final = ("break_id", "type", "state", "at_risk_minor", "currency")


def add_trace(cli: typer.Typer) -> None:
    """Add the command."""

    @cli.command("trace")
    def show(
        payment: Annotated[str | None, typer.Option(help="A payment's id.")] = None,
        object_id: Annotated[
            str | None, typer.Option("--object", help="The processor's id of a charge or refund.")
        ] = None,
        source: Annotated[str | None, typer.Option(help="Whose line it is.")] = None,
        line: Annotated[str | None, typer.Option(help="The line's id within its source.")] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Show what is known of a payment, an object or a line: both sides, by which rule they match, and breaks."""
        from services.reconciliation.adapters.traces import ROWS_MAX, Asked, trace

        asked = Asked(payment_id=payment, object_id=object_id, source=source, line_id=line)
        found = command_line(cli).run(lambda uow: trace(uow.connection, asked), "trace")
        if as_json:
            emit(found, as_json=True)
            return
        for what, rows in _tables(found):
            typer.echo(f"{what}:")
            emit(rows, as_json=False)
        if found["truncated"]:
            typer.echo(
                f"more than {ROWS_MAX:,} items or lines: only the first are shown. Trace a line of it.",
                err=True,
            )


def _tables(found: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """In the order of the money's way: ours, theirs, the payouts, the bank, and what is wrong."""
    for what, fields in (("items", _ITEM), ("lines", _LINE)):
        yield (
            what,
            [_picked(one, fields) | {"matched_by": (one["match"] or {}).get("rule")} for one in found[what]],
        )
    yield "payouts", [_picked(one, _PAYOUT) for one in found["payouts"]]
    credited = [(payout, credit) for payout in found["payouts"] for credit in payout["credits"]]
    yield (
        "credits",
        [_picked(payout, ("payout_id",)) | _picked(credit, _CREDIT) for payout, credit in credited],
    )
    yield "breaks", [_picked(one, _BREAK) for one in found["breaks"]]


def _picked(one: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {name: one[name] for name in fields}
