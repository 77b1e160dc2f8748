"""A misspelt filter shows everything: each list for operators refuses what it does not know, and what comes twice."""

from __future__ import annotations

from collections.abc import Iterator

from shared.testing.serving import served
from tests.architecture.faces import Face

NOT_OPERATORS = {
    "/payments", "/payments/{payment_id}", "/payments/{payment_id}/timeline", "/refunds/{refund_id}", "/disputes",
    "/disputes/{dispute_id}",
}  # fmt: skip
"""Merchants' own, by their keys: the lists refuse it by the same words, and a single thing has no parameters."""
PATH = "run_" + "0" * 26


def _asked(face: Face) -> Iterator[tuple[str, list[str]]]:
    """Routes that show something, with the parameters that they have."""
    for path, methods in face.paths().items():
        shows = methods.get("get")
        if shows and not (face.service == "payment" and path in NOT_OPERATORS):
            given = shows.get("parameters", [])
            yield path, [each["name"] for each in given if each["in"] == "query"]


def test_what_a_route_does_not_know_is_refused_by_its_name(face: Face) -> None:
    headers = {"Authorization": f"Bearer {face.token}"}
    wrong = []
    with served(face.app) as web:
        for path, known in _asked(face):
            for query, code, param in [
                ("paymnt=pay_1", "field_unknown", "paymnt"),
                *[(f"{each}=1&{each}=2", "field_invalid", each) for each in known],
            ]:
                said = web.call("GET", f"{path.format_map(_Any())}?{query}", headers=headers)
                if (said.status, said.document.get("code"), said.document.get("param")) != (422, code, param):
                    wrong.append((path, query, said.status, said.document))
    assert not wrong


class _Any(dict[str, str]):
    def __missing__(self, _name: str) -> str:
        return PATH
