"""Owns the commands about payouts and reports: the same that the HTTP faces offer, straight from the store."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.runtime.cli import JsonFlag, command_line, emit, refusals

if TYPE_CHECKING:
    from services.sandbox.bootstrap import Parts

Format = Annotated[str, typer.Option("--format", help="The report's format.")]
First = Annotated[str | None, typer.Option("--from", help="The first day; the last one if left out.")]
Last = Annotated[str | None, typer.Option("--to", help="The last day; today if left out.")]
Seed = Annotated[str | None, typer.Option("--seed", help="Say wrongly what was planted by this seed.")]
Out = Annotated[Path | None, typer.Option("--out", help="The file to write; standard output if left out.")]


def add_reports(app: typer.Typer) -> None:
    """Add ``report``, ``pay-out``, ``close-days``, ``plant-errors`` and ``answer-key``."""
    line = command_line(app)

    def with_parts(work: Callable[[Parts], Awaitable[Any]]) -> Any:
        import asyncio

        with refusals(line.name):
            from services.sandbox.app.wake_up import WakeUp
            from services.sandbox.bootstrap import make_parts
            from shared.kernel.clock import SystemClock

            async def run() -> Any:
                parts = make_parts(line.settings(), WakeUp(), SystemClock(), "cli")  # type: ignore[arg-type]
                try:
                    parts.clock.ahead_s = await parts.rules.clock_ahead_s()
                    return await work(parts)
                finally:
                    await parts.close()

            return asyncio.run(run())

    def written(what: str, out: Path | None, **query: str | None) -> None:
        async def work(parts: Parts) -> None:
            asked = {name.rstrip("_"): value for name, value in query.items() if value is not None}
            report = await parts.desk.report(what, asked)
            await _write(report.pieces, out)

        with_parts(work)

    report = typer.Typer(no_args_is_help=True, help="Write a settlement report or a bank statement.")
    app.add_typer(report, name="report")

    @report.command()
    def settlement(
        form: Format,
        processor: Annotated[str, typer.Option(help="alpha or beta.")],
        first: First = None,
        last: Last = None,
        seed: Seed = None,
        edition: Annotated[
            str | None, typer.Option(help="first: only the lines that were told otherwise before.")
        ] = None,
        out: Out = None,
    ) -> None:
        """Write a processor's report: stripe_payout_csv, adyen_settlement_csv or tieout_csv."""
        asked = {"format": form, "processor": processor, "from_": first, "to": last, "seed": seed}
        written("settlement", out, **asked, edition=edition)

    @report.command()
    def bank(
        form: Format,
        currency: Annotated[str, typer.Option(help="Of the bank account.")],
        first: First = None,
        last: Last = None,
        seed: Seed = None,
        out: Out = None,
    ) -> None:
        """Write the bank's statements: camt053, mt940 or bai2."""
        written("bank", out, format=form, currency=currency, from_=first, to=last, seed=seed)

    _add_steps(app, with_parts)


def _add_steps(app: typer.Typer, with_parts: Callable[[Callable[[Parts], Awaitable[Any]]], Any]) -> None:
    def act(what: str, **said: Any) -> dict[str, Any]:
        import orjson

        async def work(parts: Parts) -> dict[str, Any]:
            from services.sandbox.entrypoints.http_settlement import SettlementScript

            script = SettlementScript(parts.settling, parts.planting)
            return await script.act(
                what, orjson.dumps({name: each for name, each in said.items() if each is not None})
            )

        done: dict[str, Any] = with_parts(work)
        return done

    @app.command("pay-out")
    def pay_out(
        processor: Annotated[str, typer.Option(help="alpha or beta.")],
        fate: Annotated[str | None, typer.Option(help="What becomes of the payouts at the bank.")] = None,
        everything: Annotated[
            bool, typer.Option("--everything", help="Also what is not available yet.")
        ] = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Pay out at once what is available."""
        emit(act("payouts", processor=processor, fate=fate, everything=everything)["data"], as_json=as_json)

    @app.command("close-days")
    def close_days(as_json: JsonFlag = False) -> None:
        """Close the days that are over by the sandbox's clock."""
        emit(act("days"), as_json=as_json)

    @app.command("plant-errors")
    def plant_errors(
        seed: Annotated[str, typer.Option(help="The errors' seed.")],
        each: Annotated[
            int | None, typer.Option(help="How many of each kind at each processor; 1 if left out.")
        ] = None,
        file: Annotated[
            str | None, typer.Option(help="What is wrong with the files instead: cut_off or line_twice.")
        ] = None,
        payment: Annotated[
            str | None, typer.Option(help="With --file: the payment whose charge it strikes.")
        ] = None,
        of_files: Annotated[
            bool,
            typer.Option("--of-files", help="Also what is wrong with reports and statements themselves."),
        ] = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Choose what reports asked for with the seed say wrongly; the same seed again chooses nothing new."""
        said = {"seed": seed, "each": each, "of_files": of_files or None, "file": file, "payment": payment}
        emit(act("errors", **said)["data"], as_json=as_json)

    @app.command("answer-key")
    def answer_key(
        seed: Annotated[str, typer.Option(help="The errors' seed.")], as_json: JsonFlag = False
    ) -> None:
        """Tell what was planted by a seed, and what is true."""

        async def work(parts: Parts) -> list[dict[str, Any]]:
            from services.sandbox.entrypoints.http_settlement import shown_error

            return [shown_error(each) for each in await parts.planting.key(seed)]

        emit(with_parts(work), as_json=as_json)


async def _write(pieces: AsyncIterator[bytes], out: Path | None) -> None:
    """Write a file whole or not at all: it takes its name when its last byte is there."""
    if out is None:
        async for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    begun = out.with_name(f"{out.name}.part")
    with begun.open("wb") as file:
        async for piece in pieces:
            file.write(piece)
    begun.replace(out)
