"""A sandbox that has traded and paid out, and who asks it for reports."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from services.sandbox.entrypoints.cli import cli

DAY_S = 86_400
SETTLEMENT = ("stripe_payout_csv", "adyen_settlement_csv", "tieout_csv")
FATES = ("arrives", "split", "combined", "returned", "fails", "arrives")


def script(alpha, what, **said):
    base = str(alpha.http.base_url).replace("/alpha/v1/", "/script/v1/")
    reply = alpha.http.post(f"{base}{what}", json=said)
    assert reply.status_code == 201, reply.text
    return reply.json()


def get(alpha, what, **query):
    base = str(alpha.http.base_url).replace("/alpha/v1/", "/reports/v1/")
    return alpha.http.get(f"{base}{what}", params=query)


def span(alpha):
    (found,) = alpha.rows("SELECT min(made_on) AS first FROM payouts")
    base = str(alpha.http.base_url).replace("/alpha/v1/", "/script/v1/")
    today = alpha.http.get(f"{base}clock").json()["now"][:10]
    return {"from": found["first"].isoformat(), "to": today}


@pytest.fixture
def traded(start_alpha):
    """A sandbox with payouts of every fate, in three currencies, one of them paid out in another; all has arrived."""
    alpha = start_alpha(alpha_settles_in="USD:EUR", alpha_reserve_basis_points=500)
    for number, fate in enumerate(FATES):
        for currency in ("EUR", "USD", "KWD"):
            key = f"{number}{currency}"
            capture = alpha.sell(key, amount=10_000 + number, currency=currency).json()["captures"][0]
            if number:
                said = {"amount": 500 + number, "reference": f"op_r{key}"}
                alpha.post(f"captures/{capture['id']}/refunds", said, f"r{key}")
        if number == 3:
            alpha.post(f"script/captures/{capture['id']}", {"do": "dispute", "amount": 700}, "s1")
        script(alpha, "payouts", processor="alpha", everything=True, fate=fate)
    alpha.advance(20 * DAY_S)
    return alpha


def key(alpha, seed):
    return get(alpha, "answer-key", seed=seed).json()["data"]


@pytest.fixture
def commands(traded, monkeypatch):
    """Runs the command line on the sandbox's own database."""
    monkeypatch.setenv("SANDBOX_DATABASE_URL", traded.app_url)
    monkeypatch.setenv("SANDBOX_ALPHA_API_KEY", "alpha_key")

    def run(*arguments):
        result = CliRunner().invoke(cli, arguments)
        return SimpleNamespace(code=result.exit_code, out=result.stdout_bytes)

    return run
