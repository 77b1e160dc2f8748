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

    A file is read as its source was declared when it came: while one waits to be staged, nothing is changed.

    ``formats`` are the formats that can be read, each with the kind of its files and the options that it knows.
    """
    check_source(source, formats)
    # An account is unique beside the name: of two at once, the second would hear of it from an index, not from us.
    work.sources.take_turn()
    known = work.sources.hold_alone(source.source)
    if known is not None and _whose(known) != _whose(source):
        raise Rejected("source_is_anothers", f"{source.source} tells of another account", param="source")
    if known is not None and _how(known) != _how(source):
        _check_nothing_waits(source.source, work)
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
    return _there(name, work.sources.get(name))


def held_source(name: str, work: ReconciliationUnit) -> Source:
    """The source, which nobody declares otherwise until this transaction ends; or the caller's mistake."""
    return _there(name, work.sources.hold(name))


def _there(name: str, found: Source | None) -> Source:
    if found is None:
        raise Rejected(
            "source_not_found", f"there is no source {name}", status=404, stored=False, param="source"
        )
    return found


def _check_nothing_waits(name: str, work: ReconciliationUnit) -> None:
    waiting = work.files.waiting(name)
    if waiting:
        raise Rejected(
            "source_files_waiting",
            f"{waiting} files of {name} came as it was declared before and are not staged yet: try again",
            stored=False,
            param="source",
            extra={"files_waiting": waiting},
        )


def _how(source: Source) -> tuple[str, Mapping[str, str]]:
    return source.format, source.options


def _whose(source: Source) -> tuple[str, str | None, str | None, str | None]:
    return source.kind.value, source.processor, source.account, source.bank_account
