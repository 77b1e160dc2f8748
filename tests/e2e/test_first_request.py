"""What we tell a newcomer to paste works as pasted."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import orjson

from shared.testing.serving import Served
from tests.e2e.books import Books
from tests.e2e.shop import Shop, server_at
from tools.local_stack.card import card, card_as_json
from tools.local_stack.layout import REPOSITORY
from tools.local_stack.services import SERVICES
from tools.local_stack.stack import LocalStack


def test_the_first_request_on_the_card_works_as_pasted(
    stack: LocalStack, shop: Shop, books: Books, tmp_path: Path
) -> None:
    (command,) = _curls(card(stack))
    _makes_a_payment(command, {}, shop, books, tmp_path)


def test_the_first_request_of_the_readme_works_as_pasted(
    stack: LocalStack, shop: Shop, books: Books, tmp_path: Path
) -> None:
    (command,) = _curls((REPOSITORY / "README.md").read_text())
    told = card_as_json(stack)
    assert isinstance(told["urls"], dict)
    names = {"PAYMENT_URL": told["urls"]["payment"], "API_KEY": str(told["api_key"])}
    _makes_a_payment(command, names, shop, books, tmp_path)


def test_every_address_on_the_card_answers(stack: LocalStack) -> None:
    addresses = re.findall(r"http://[^\s']+", card(stack))
    # One per service, two descriptions of their routes, and the first request's.
    assert len(addresses) == len(SERVICES) + 3
    for address in addresses:
        server: Served = server_at(address)
        path = "/" + address.partition("//")[2].partition("/")[2]
        found = server.call("GET", "/health/live" if path == "/" else path)
        # The curl's own path wants a key; everything else is there for whoever asks.
        assert found.status == (401 if path == "/payments" else 200), address


def _curls(text: str) -> list[str]:
    """The curl commands of a text, with the lines that their backslashes continue."""
    return re.findall(r"^curl (?:.*\\\n)*.*", text, flags=re.MULTILINE)


def _makes_a_payment(command: str, names: dict[str, str], shop: Shop, books: Books, home: Path) -> None:
    # curl's own file makes it tell the status, so that the command stays as it was printed.
    (home / ".curlrc").write_text('write-out = "\\n%{http_code}"\n')
    environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(home), **names}
    done = subprocess.run(
        ["bash", "-euc", command], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    assert status == "201", body
    payment_id = orjson.loads(body)["id"]
    assert shop.settled(payment_id)["status"] == "CAPTURED"
    assert books.charges(payment_id) == [(1, 1999, "EUR")]
