"""The payment service's command line: what every service has, and merchants with their keys and prices."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.payment.entrypoints.cli_operators import (
    CursorText,
    Limit,
    Listing,
    PaymentId,
    add_operator_commands,
    print_page,
)
from shared.runtime.cli import JsonFlag, Reason, command_line, emit, service_cli
from shared.runtime.cli_token import TokenFile, acting, require, verified_operator

if TYPE_CHECKING:
    from pathlib import Path

    from services.payment.adapters.unit_of_work import PaymentUnitOfWork
    from services.payment.app.manage_merchants import ByHand

cli = service_cli("payment", "services.payment.settings:PaymentSettings", "services.payment.bootstrap:build")
merchants = typer.Typer(no_args_is_help=True, help="Merchants.")
keys = typer.Typer(no_args_is_help=True, help="Merchants' API keys.")
risk_reviews = typer.Typer(no_args_is_help=True, help="Operations that wait for a decision about risk.")
prices = typer.Typer(no_args_is_help=True, help="What merchants pay.")
routes = typer.Typer(no_args_is_help=True, help="Which processor authorizations go to.")
cli.add_typer(merchants, name="merchants")
cli.add_typer(keys, name="keys")
cli.add_typer(prices, name="prices")
cli.add_typer(routes, name="routes")
add_operator_commands(cli)
cli.add_typer(risk_reviews, name="risk-reviews")

MerchantArgument = Annotated[str, typer.Argument(help="The merchant's id.")]
OperationArgument = Annotated[str, typer.Argument(help="The operation's id.")]
ALL_CURRENCIES = "all"
NO_PROCESSOR = "none"


class KeyMode(StrEnum):
    """What a key acts on."""

    TEST = "test"
    LIVE = "live"


class FeeOnRefund(StrEnum):
    """Whether a refund returns its share of the fee."""

    KEEP = "keep"
    PROPORTIONAL = "proportional"


@cli.command()
def states() -> None:
    """Print what may follow what as the Markdown of docs/payment-states.md."""
    from services.payment.domain.states_document import render

    typer.echo(render(), nl=False)


@merchants.command("add")
def add(
    name: Annotated[str, typer.Option(help="What people call it.")],
    token_file: TokenFile,
    reason: Reason,
    as_json: JsonFlag = False,
) -> None:
    """Take in a merchant and print its id."""
    from services.payment.app.manage_merchants import add_merchant

    by = _by_hand(token_file, reason)
    merchant_id = command_line(cli).run(lambda uow: add_merchant(name, by, uow), "merchants add")
    emit({"merchant_id": merchant_id}, as_json=as_json)


@keys.command("issue")
def issue(
    merchant: MerchantArgument,
    token_file: TokenFile,
    reason: Reason,
    mode: Annotated[KeyMode, typer.Option(help="What it acts on.")] = KeyMode.TEST,
    as_json: JsonFlag = False,
) -> None:
    """Make an API key and print it: the only time that anybody sees it."""
    from services.payment.app.manage_merchants import issue_key
    from services.payment.domain.api_keys import ENTROPY_BYTES, Mode
    from services.payment.settings import PaymentSettings
    from shared.runtime.settings import load_settings

    by = _by_hand(token_file, reason)
    entropy = secrets.token_bytes(ENTROPY_BYTES)
    with command_line(cli).opened() as runtime:
        pepper = load_settings(PaymentSettings).api_key_pepper.get_secret_value()
        issued = runtime.transactions.run(
            lambda uow: issue_key(merchant, Mode(mode.value), entropy, pepper, by, uow), name="keys issue"
        )
    emit(asdict(issued), as_json=as_json)


@keys.command("list")
def list_keys(merchant: MerchantArgument, as_json: JsonFlag = False) -> None:
    """List a merchant's keys by prefix and last characters, the revoked ones too."""
    from services.payment.app import manage_merchants

    found = command_line(cli).run(lambda uow: manage_merchants.list_keys(merchant, uow), "keys list")
    emit([asdict(key) for key in found], as_json=as_json)


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    token_file: TokenFile,
    reason: Reason,
    as_json: JsonFlag = False,
) -> None:
    """End a key: the next request with it is refused."""
    from services.payment.app.manage_merchants import revoke_key

    by = _by_hand(token_file, reason)
    command_line(cli).run(lambda uow: revoke_key(key_id, by, uow), "keys revoke")
    emit({"key_id": key_id, "revoked": True}, as_json=as_json)


@prices.command("set")
def set_price(
    merchant: MerchantArgument,
    *,
    percent: Annotated[str, typer.Option(help="Share of each capture, such as 2.9.")],
    token_file: TokenFile,
    reason: Reason,
    fixed_minor: Annotated[int, typer.Option(min=0, help="Per payment, in minor units.")] = 0,
    currency: Annotated[str, typer.Option(help="ISO 4217 code, or all.")] = ALL_CURRENCIES,
    refund_policy: Annotated[FeeOnRefund, typer.Option(help="What refunds give back.")] = FeeOnRefund.KEEP,
    dispute_fee_minor: Annotated[int, typer.Option(min=0, help="Per dispute, in minor units.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Let a price hold for payments created from now on."""
    from services.payment.app.manage_merchants import SetPrices, set_prices
    from services.payment.domain.pricing import RefundPolicy
    from shared.kernel.money import all_currencies, normalise_currency

    by = _by_hand(token_file, reason)

    def work(uow: PaymentUnitOfWork) -> dict[str, Any]:
        chosen = all_currencies() if currency == ALL_CURRENCIES else [normalise_currency(currency)]
        command = SetPrices(
            merchant_id=merchant,
            currencies=chosen,
            percent=percent,
            fixed_minor=fixed_minor,
            refund_policy=RefundPolicy(refund_policy.value),
            dispute_fee_minor=dispute_fee_minor,
        )
        return {"merchant_id": merchant, "currencies": len(chosen), **asdict(set_prices(command, by, uow))}

    emit(command_line(cli).run(work, "prices set"), as_json=as_json)


def _by_hand(token_file: Path | None, reason: str) -> ByHand:
    """Whoever decides who sells here, with which keys and at what price, is an admin."""
    from services.payment.app.manage_merchants import ByHand

    return ByHand(actor=acting(command_line(cli), token_file, "admin"), reason=reason)


@routes.command("set")
def set_route(
    token_file: TokenFile,
    reason: Reason,
    processor: Annotated[str, typer.Option(help="Where they go, or none to take the rule back.")],
    merchant: Annotated[str, typer.Option(help="A merchant's id; empty: all.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code; empty: all.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Let a rule hold for authorizations asked for from now on; merchant and currency, then merchant, then currency."""
    from services.payment.app import manage_routes
    from services.payment.bootstrap import places_of
    from services.payment.settings import PaymentSettings
    from shared.kernel.money import normalise_currency
    from shared.runtime.settings import load_settings

    who = acting(command_line(cli), token_file, "admin")
    places = places_of(load_settings(PaymentSettings))
    command = manage_routes.SetRoute(
        processor=None if processor == NO_PROCESSOR else processor,
        reason=reason,
        actor=who,
        merchant_id=merchant,
        currency=normalise_currency(currency) if currency else "",
    )
    configured = {places.default.processor, *places.accounts}
    rule = command_line(cli).run(lambda uow: manage_routes.set_route(command, configured, uow), "routes set")
    emit(asdict(rule), as_json=as_json)


@routes.command("list")
def list_routes(as_json: JsonFlag = False) -> None:
    """List the rules that hold now, the most special first; without one a payment goes to PAYMENT_PROCESSOR."""
    emit(
        [asdict(rule) for rule in command_line(cli).run(lambda uow: uow.routes.current(), "routes list")],
        as_json=as_json,
    )


@risk_reviews.command("list")
def list_reviews(
    limit: Limit = 100, cursor: CursorText = None, payment: PaymentId = None, as_json: JsonFlag = False
) -> None:
    """List what waits for a person, oldest first, as ``waiting risk-reviews`` does."""
    print_page(command_line(cli), Listing.RISK_REVIEWS, limit, cursor, payment, as_json=as_json)


@risk_reviews.command()
def approve(
    operation: OperationArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
) -> None:
    """Let an operation go; where money moves by it a second person must say so, too."""
    _say(operation, token_file, reason, approve=True, as_json=as_json)


@risk_reviews.command()
def refuse(
    operation: OperationArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
) -> None:
    """End an operation: refused by risk."""
    _say(operation, token_file, reason, approve=False, as_json=as_json)


def _say(operation: str, token_file: Path | None, reason: str, *, approve: bool, as_json: bool) -> None:
    from services.payment.entrypoints.risk_reviews import Word, say

    who = verified_operator(command_line(cli), token_file, "operator")

    def work(uow: PaymentUnitOfWork) -> dict[str, Any]:
        word = Word(
            operation_id=operation,
            approve=approve,
            actor=who.subject,
            role=who.role.name.lower(),
            reason=reason,
            cause_id=uow.ids.new("cli_"),
        )
        said = say(word, uow)
        if approve and not said["awaits_second_person"] and said["two_people"]:
            require(who, "approver")
        return said

    emit(command_line(cli).run(work, "risk-reviews"), as_json=as_json)


def main() -> None:
    """Entry point of the distribution."""
    cli()


if __name__ == "__main__":
    main()
