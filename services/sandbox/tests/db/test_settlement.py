"""Payouts and the bank: what really happened becomes movements, movements become payouts, payouts become entries."""

import threading
from datetime import date

import psycopg
import pytest

DAY_S = 86_400


def script(alpha, what, **said):
    base = str(alpha.http.base_url).replace("/alpha/v1/", "/script/v1/")
    reply = alpha.http.post(f"{base}{what}", json=said)
    assert reply.status_code == 201, reply.text
    return reply.json()


def pay(alpha, processor="alpha", **said):
    return script(alpha, "payouts", processor=processor, everything=True, **said)["data"]


def sold(alpha, key="k1", method="pm_card_visa", **changes):
    return alpha.sell(key, method, **changes).json()["captures"][0]


def act(alpha, collection, object_id, key, **said):
    return alpha.post(f"script/{collection}/{object_id}", said, key).json()


def movements(alpha):
    query = "SELECT * FROM balance_transactions ORDER BY book_position NULLS LAST, id"
    return [
        (row["kind"], row["gross_minor"], row["fee_minor"], row["net_minor"]) for row in alpha.rows(query)
    ]


def entries(alpha):
    return [row["amount_minor"] for row in alpha.rows("SELECT * FROM bank_entries ORDER BY booked_on, id")]


def test_everything_that_moved_money_becomes_one_movement_with_the_tariffs_fee(alpha):
    first = sold(alpha, "k1", amount=10_000)
    alpha.post(f"captures/{first['id']}/refunds", {"amount": 4_000, "reference": "op_r"}, "r1")
    dispute = act(alpha, "captures", first["id"], "s1", do="dispute", amount=6_000)
    act(alpha, "disputes", dispute["id"], "s2", do="win")
    second = sold(alpha, "k2", amount=2_000, currency="JPY")
    reversal = act(alpha, "captures", second["id"], "s3", do="reverse", amount=500)
    act(alpha, "reversals", reversal["id"], "s4", do="give_back", amount=200)
    third = sold(alpha, "k3", amount=1_000)
    act(alpha, "captures", third["id"], "s5", do="fail")
    pay(alpha)
    assert movements(alpha) == [
        ("charge", 10_000, 175, 9_825),  # 1.5 % and 0.25
        ("refund", -4_000, 0, -4_000),
        ("dispute", -6_000, 1_500, -7_500),
        ("dispute_reversal", 6_000, 0, 6_000),
        ("charge", 2_000, 72, 1_928),  # 3.6 %, no fixed part
        ("reversal", -500, 0, -500),
        ("reversal_return", 200, 0, 200),
        ("charge", 1_000, 40, 960),
        ("charge_failure", -1_000, 0, -1_000),
    ]
    (row,) = alpha.rows("SELECT * FROM balance_transactions WHERE kind = 'dispute'")
    assert row["object_id"] == dispute["id"]
    assert row["charge_id"] == first["id"]
    assert row["id"].startswith("row_")
    assert row["reference"] == "op_k1"
    assert row["payment_id"] == "pay_1"


def test_a_refund_that_fails_comes_back_and_one_that_never_left_moves_nothing(alpha):
    capture = sold(alpha, "k1", "pm_card_pendingRefund", amount=10_000)
    refund = alpha.post(
        f"captures/{capture['id']}/refunds", {"amount": 100, "reference": "op_r"}, "r1"
    ).json()
    act(alpha, "refunds", refund["id"], "s1", do="fail")
    other = sold(alpha, "k2", amount=10_000)
    refund = alpha.post(f"captures/{other['id']}/refunds", {"amount": 300, "reference": "op_r2"}, "r2").json()
    act(alpha, "refunds", refund["id"], "s2", do="fail")
    pay(alpha)
    moved = [(kind, gross) for kind, gross, _, _ in movements(alpha) if kind != "charge"]
    assert moved == [("refund", -300), ("refund_failure", 300)]


def test_days_that_are_over_are_closed_once_and_charges_wait_for_their_business_days(alpha):
    sold(alpha, amount=10_000)
    assert script(alpha, "days") == {"closed": 0}
    alpha.advance(7 * DAY_S)
    script(alpha, "days")
    closed = alpha.rows("SELECT day FROM settled_days WHERE processor = 'alpha' ORDER BY day")
    assert len(closed) == 7
    assert script(alpha, "days") == {"closed": 0}
    (payout,) = alpha.rows("SELECT * FROM payouts")
    (row,) = alpha.rows("SELECT * FROM balance_transactions")
    assert payout["amount_minor"] == 9_825
    assert payout["made_on"] >= row["available_on"] > row["occurred_at"].date()
    assert payout["arrives_on"] > payout["made_on"]
    assert entries(alpha) == [9_825]


def test_many_who_pay_out_at_once_pay_once(alpha):
    for number in range(6):
        sold(alpha, f"k{number}", amount=1_000)
    threads = [threading.Thread(target=lambda: pay(alpha)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entries(alpha) == [6 * 960]
    assert alpha.rows("SELECT count(*) AS n FROM payout_lines") == [{"n": 6}]


def test_a_currency_may_be_paid_out_in_another_at_a_rate_kept_to_the_last_digit(start_alpha):
    alpha = start_alpha(alpha_settles_in="USD:EUR")
    sold(alpha, amount=10_000, currency="USD")
    (payout,) = pay(alpha)
    (row,) = alpha.rows("SELECT *, exchange_rate::text AS rate FROM balance_transactions")
    assert (row["currency"], row["net_currency"], payout["currency"]) == ("USD", "EUR", "EUR")
    assert len(row["rate"].partition(".")[2]) == 8
    converted_minor = (10_000 * int(row["rate"].replace(".", "")) * 2 + 10**8) // (2 * 10**8)
    assert row["net_minor"] + row["fee_minor"] == converted_minor
    assert payout["amount"] == row["net_minor"]


def test_a_reserve_is_held_and_released_by_a_later_payout(start_alpha):
    alpha = start_alpha(alpha_reserve_basis_points=1_000)
    sold(alpha, amount=10_000)
    (payout,) = pay(alpha)
    assert payout["amount"] == 9_825 - 982
    alpha.advance(40 * DAY_S)
    script(alpha, "days")
    script(alpha, "days")
    assert [row["amount_minor"] for row in alpha.rows("SELECT * FROM payouts ORDER BY batch_number")] == [
        9_825 - 982,
        982,
    ]
    assert [kind for kind, *_ in movements(alpha)] == ["charge", "reserve_released", "reserve_held"]


def test_a_sum_below_zero_is_collected_by_alpha(alpha):
    capture = sold(alpha, amount=1_000)
    pay(alpha)
    act(alpha, "captures", capture["id"], "s1", do="dispute")
    (payout,) = pay(alpha)
    assert payout["amount"] == -2_500
    assert entries(alpha) == [960, -2_500]


def test_a_sum_below_zero_waits_at_beta_until_charges_cover_it(beta):
    charge = beta.sold()
    beta.script("charges", charge, do="dispute")
    alpha = beta.alpha
    base = str(alpha.http.base_url).replace("/alpha/v1/", "/script/v1/")

    def pay_beta():
        return alpha.http.post(f"{base}payouts", json={"processor": "beta", "everything": True}).json()[
            "data"
        ]

    assert pay_beta() == []
    for number in range(3):
        beta.sold(f"op_{number + 2}")
    (payout,) = pay_beta()
    assert payout["amount"] == 4 * 978 - 1_000 - 1_500  # 1.2 % and 0.10 of each; both parts of the dispute
    assert payout["id"] == "po_beta_00000001"


@pytest.mark.parametrize(
    ("fate", "amounts"),
    [
        ("arrives", [9_825]),
        ("split", [3_275, 6_550]),
        ("fails", [9_825]),
        ("returned", [9_825, -9_825, 9_825]),
        ("combined", []),
    ],
)
def test_the_bank_books_each_payout_by_its_fate(alpha, fate, amounts):
    sold(alpha, amount=10_000)
    (payout,) = pay(alpha, fate=fate)
    assert entries(alpha) == amounts
    booked = [row["booked_on"] for row in alpha.rows("SELECT * FROM bank_entries ORDER BY booked_on, id")]
    if fate == "fails":
        assert booked[0] > date.fromisoformat(payout["arrives_on"])
    if fate == "returned":
        assert booked == sorted(set(booked))


def test_payouts_that_wait_arrive_in_one_credit_with_the_next(alpha):
    for number, fate in enumerate(["combined", "combined", "arrives"]):
        sold(alpha, f"k{number}", amount=1_000 * (number + 1))
        pay(alpha, fate=fate)
    assert entries(alpha) == [960 + 1_945 + 2_930]
    parts = alpha.rows("SELECT payout_id, amount_minor FROM bank_entry_parts ORDER BY payout_id")
    assert [part["amount_minor"] for part in parts] == [960, 1_945, 2_930]


def test_the_database_refuses_lines_that_do_not_come_to_their_payout(alpha):
    sold(alpha, "k1", amount=1_000)
    pay(alpha)
    sold(alpha, "k2", amount=1_000)
    wrong_sum = (
        "WITH p AS (INSERT INTO payouts SELECT processor, 'po_x', account, currency, 99, 1, made_on, made_at,"
        " arrives_on, 'X', fate FROM payouts LIMIT 1), t AS (INSERT INTO balance_transactions SELECT processor,"
        " 'txn_x', account, kind, 999, object_id, charge_id, authorization_id, payment_id, reference, currency,"
        " gross_minor, net_currency, exchange_rate, fee_minor, net_minor, occurred_at, available_on"
        " FROM balance_transactions LIMIT 1) INSERT INTO payout_lines VALUES ('alpha', 'txn_x', 'po_x')"
    )
    without_lines = (
        "INSERT INTO payouts SELECT processor, 'po_y', account, currency, 99, 1, made_on, made_at, arrives_on, 'Y',"
        " fate FROM payouts LIMIT 1"
    )
    statements = [
        wrong_sum,
        without_lines,
        "INSERT INTO bank_entries VALUES ('e', 'EUR', 1, '2026-01-02', '2026-01-02', 'X', 'X', 'X')",
        "UPDATE payouts SET amount_minor = 1",
        "DELETE FROM payout_lines",
        "INSERT INTO payout_lines SELECT processor, transaction_id, payout_id FROM payout_lines",
    ]
    for statement in statements:
        with pytest.raises((psycopg.errors.IntegrityError, psycopg.errors.InsufficientPrivilege)):
            alpha.rows(statement, url=alpha.app_url)
