"""An operator declares whose files are taken in, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping

from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.sources import Format, Source, check_source
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor, OperatorAct


def declare_source(
    source: Source, reason: str, actor: Actor, formats: Mapping[str, Format], work: ReconciliationUnit
) -> Source:
    """Add the source, or change how its files are read from now on; whose money it tells of never changes.

    ``formats`` are the formats that can be read, each with the kind of its files and the options that it knows.
    """
    check_source(source, formats)
    # An account is unique beside the name: of two at once, the second would hear of it from an index, not from us.
    work.sources.take_turn()
    known = work.sources.get(source.source)
    if known is not None and _whose(known) != _whose(source):
        raise Rejected("source_is_anothers", f"{source.source} tells of another account", param="source")
    owner = work.sources.owner_of(source)
    if owner not in {None, source.source}:
        raise Rejected(
            "account_has_a_source", f"{owner} tells of this account already", extra={"source": owner}
        )
    work.sources.declare(source, actor.name)
    target = f"source:{source.source}"
    work.announce(OperatorAct(actor=actor, action="source_declared", target=target, reason=reason))
    return source


def declared_source(name: str, work: ReconciliationUnit) -> Source:
    """The source, or the caller's mistake."""
    found = work.sources.get(name)
    if found is None:
        raise Rejected(
            "source_not_found", f"there is no source {name}", status=404, stored=False, param="source"
        )
    return found


def _whose(source: Source) -> tuple[str, str | None, str | None, str | None]:
    return source.kind.value, source.processor, source.account, source.bank_account
