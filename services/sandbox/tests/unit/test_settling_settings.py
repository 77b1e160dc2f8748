"""Which currencies are paid out in another is read strictly, before anything starts."""

import pytest

from services.sandbox.bootstrap import build
from services.sandbox.settings import SandboxSettings
from shared.runtime.startup import StartupRefused


def settings(**changes):
    return SandboxSettings(database_url="postgresql://u:p@h/d", alpha_api_key="k", **changes)


def test_pairs_are_read_from_one_text():
    assert settings(alpha_settles_in="USD:EUR, GBP:EUR").alpha_settles_in == {"USD": "EUR", "GBP": "EUR"}
    assert settings().beta_settles_in == {}


@pytest.mark.parametrize("text", ["USD:XXX", "USD", "usd:EUR", "XAU:EUR"])
def test_a_currency_without_a_rate_keeps_the_sandbox_from_starting(text):
    with pytest.raises(StartupRefused, match="SANDBOX_BETA_SETTLES_IN"):
        build(settings(beta_settles_in=text))
