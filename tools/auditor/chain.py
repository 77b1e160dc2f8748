"""Checks of the books' chain of seals and of the balances that are folded along it.

The links are worked out anew, from the format's description and not by the sealer's code. What each seal is over is the
business of ``tieout ledger verify``, which recomputes every digest and takes heads that somebody keeps outside.
"""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

CHECKS: Final = (
    Check(
        "I2.snapshots_as_entries_say",
        "each folded balance counts and sums exactly the entries that are sealed up to it",
        Moment.LIVE,
        "SELECT count(*) FROM snapshots",
        """
        SELECT account_id, position, number, debits, credits, number_found, debits_found, credits_found FROM snapshots
        WHERE number <> number_found OR debits <> debits_found OR credits <> credits_found
        """,
    ),
    Check(
        "I18.seals_in_a_chain",
        "seals are numbered without a gap, each continues the one before it, and each is over a journal that there is",
        Moment.LIVE,
        "SELECT count(*) FROM seals",
        "SELECT position, journal_position, is_next, continues, has_journal FROM seals"
        " WHERE NOT (is_next AND continues AND has_journal)",
    ),
    Check(
        "I18.every_journal_is_sealed",
        "no journal is left out of the chain where the sealer says that it has been",
        Moment.LIVE,
        "SELECT count(*) FROM sealed_up_to",
        "SELECT shard, up_to, unsealed, example FROM sealed_up_to WHERE unsealed <> 0",
    ),
    Check(
        "I18.heads_are_seals",
        "each signed head names the seal that stands at its place, and its journal",
        Moment.LIVE,
        "SELECT count(*) FROM seal_heads",
        """
        SELECT position, journal_id, sealed_journal_id, hash, sealed_hash FROM seal_heads
        WHERE hash IS NOT sealed_hash OR journal_id IS NOT sealed_journal_id
        """,
    ),
)
