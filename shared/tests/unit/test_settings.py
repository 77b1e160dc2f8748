"""Settings are read once, frozen, printed masked; every refusal is one line that names the variable."""

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import MASK, ServiceSettings, load_settings, masked, required
from shared.runtime.startup import EXIT_CONFIGURATION, StartupRefused


class ShopSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")
    pepper: SecretStr | None = None


URL = "postgresql://shop_app:s3cret@db/shop"


def test_the_environment_is_read_under_the_prefix():
    settings = load_settings(
        ShopSettings, {"SHOP_DATABASE_URL": URL, "SHOP_HTTP_PORT": "8123", "HTTP_PORT": "1"}
    )
    assert settings.database_url == URL
    assert settings.http_port == 8123


@pytest.mark.parametrize(
    ("environment", "variable", "expected"),
    [
        ({}, "SHOP_DATABASE_URL: missing", "PostgreSQL URL of the application role"),
        ({"SHOP_DATABASE_URL": "mysql://x"}, "SHOP_DATABASE_URL", "PostgreSQL URL of the application role"),
        ({"SHOP_DATABASE_URL": URL, "SHOP_HTTP_PORT": "http"}, "SHOP_HTTP_PORT", "port to listen on"),
        ({"SHOP_DATABASE_URL": URL, "SHOP_HTTP_PORT": "70000"}, "SHOP_HTTP_PORT", "port to listen on"),
        ({"SHOP_DATABASE_URL": URL, "SHOP_DRAIN_TIMEOUT_S": "inf"}, "SHOP_DRAIN_TIMEOUT_S", "seconds"),
        ({"SHOP_DATABASE_URL": URL, "SHOP_LOG_FORMAT": "xml"}, "SHOP_LOG_FORMAT", "json or pretty"),
        ({"SHOP_DATABASE_URL": URL, "SHOP_SECRETS_DIR": "/no/such"}, "SHOP_SECRETS_DIR", "expected one with"),
    ],
)
def test_a_bad_variable_is_one_line_with_what_is_expected(environment, variable, expected):
    with pytest.raises(StartupRefused) as caught:
        load_settings(ShopSettings, environment)
    (line,) = caught.value.lines
    assert line.startswith(variable)
    assert expected in line
    assert "\n" not in line
    assert "s3cret" not in line


@pytest.mark.parametrize("variable", ["TIEOUT_CRASH_AT", "TIEOUT_CRASH_ORDER_FILE", "TIEOUT_CRASH_ONCE_FILE"])
def test_a_process_that_a_test_could_kill_starts_only_where_it_is_said_to_be_under_test(variable):
    armed = {"SHOP_DATABASE_URL": URL, variable: "relay.before_mark"}
    with pytest.raises(StartupRefused) as caught:
        load_settings(ShopSettings, armed)
    assert caught.value.exit_code == EXIT_CONFIGURATION
    (line,) = caught.value.lines
    assert line.startswith(f"{variable}: kills the process")
    assert "TIEOUT_CRASH_POINTS=allowed" in line
    assert load_settings(ShopSettings, armed | {"TIEOUT_CRASH_POINTS": "allowed"}).database_url == URL
    assert load_settings(ShopSettings, armed | {variable: ""}).database_url == URL


def test_secrets_come_from_a_folder(tmp_path):
    (tmp_path / "shop_pepper").write_text("from-a-file\n")
    settings = load_settings(ShopSettings, {"SHOP_DATABASE_URL": URL, "SHOP_SECRETS_DIR": str(tmp_path)})
    assert required(settings, "pepper") == "from-a-file"


def test_settings_are_frozen_and_their_print_is_masked():
    settings = load_settings(ShopSettings, {"SHOP_DATABASE_URL": URL, "SHOP_PEPPER": "hot"})
    with pytest.raises(ValidationError):
        settings.http_port = 1
    shown = masked(settings)
    assert shown["SHOP_DATABASE_URL"] == f"postgresql://shop_app:{MASK}@db/shop"
    assert shown["SHOP_PEPPER"] == MASK
    assert "s3cret" not in repr(settings)
    assert "hot" not in str(settings)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://u:s3cret@db:5432/shop?sslmode=require",
            f"postgresql://u:{MASK}@db:5432/shop?sslmode=require",
        ),
        ("postgresql://:s3cret@db/shop", f"postgresql://:{MASK}@db/shop"),
        ("postgresql://u:s3/cr:et@db/shop", f"postgresql://u:{MASK}@db/shop"),
        (
            "postgresql://db/shop?user=u&password=s3cret&x=1",
            f"postgresql://db/shop?user=u&password={MASK}&x=1",
        ),
        ("postgresql://db/shop?sslpassword=s3cret", f"postgresql://db/shop?sslpassword={MASK}"),
        ("postgresql://db/shop", "postgresql://db/shop"),
    ],
)
def test_a_password_is_hidden_wherever_a_url_has_it(url, expected):
    assert masked(load_settings(ShopSettings, {"SHOP_DATABASE_URL": url}))["SHOP_DATABASE_URL"] == expected


def test_what_only_one_role_needs_is_asked_for_by_that_role():
    settings = load_settings(ShopSettings, {"SHOP_DATABASE_URL": URL})
    with pytest.raises(StartupRefused, match="SHOP_RELAY_DATABASE_URL: missing; expected PostgreSQL URL"):
        required(settings, "relay_database_url")
