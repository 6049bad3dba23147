"""USE-3 to USE-5, SUB-4 to SUB-7 on plain values: what is included, what is above it, and whose line it is.

Unless a test says otherwise the period is 2026-01-15 to 2026-02-15 (31 days), the BDOM 15, the currency has two
decimals, a toll-free minute costs 0.03 and one above a package 0.025. Subscriptions are A, B, C in the order in which
they were created.
"""

from typing import Any

import pytest

from billing.engine import BillingFault, MissingRate, SubscriptionFacts
from billing.engine.usage import primary_on, responsible_on
from tests.billing.engine_facts import day
from tests.billing.usage_facts import (
    amounts,
    called,
    committed,
    lines,
    package,
    parts,
    subscription,
    used,
)

# --- amounts -----------------------------------------------------------------------------------


def test_calls_are_summed_and_rounded_once() -> None:
    """USE-3: three minutes at 0.005 are 0.015, a line of 0.02, not three of 0.01."""
    calls = [used("local", on, 60, "0.005") for on in ("01-15", "01-20", "02-14")]
    assert lines(calls, "02-15") == [
        "local 3 × 0.005 = 0.02 · 01-15 to 02-15 · - · 3 min in 3 calls",
    ]


def test_increments_of_less_than_a_minute_give_parts_of_one() -> None:
    """USE-3: 90 and 6 billed seconds at 0.01 a minute: 96 ÷ 60 × 0.01 = 0.016."""
    calls = [used("local", "01-16", 90, "0.01"), used("local", "01-17", 6, "0.01")]
    assert lines(calls, "02-15") == ["local 1.6 × 0.01 = 0.02 · 01-15 to 02-15 · - · 1.6 min in 2 calls"]


def test_seconds_that_are_no_whole_part_are_shown_with_four_decimals_and_priced_exactly() -> None:
    """USE-3: 61 seconds at 60.00 a minute are 61.00; 1.0167 minutes would be 61.002."""
    assert amounts([used("local", "01-16", 61, "60")], "02-15") == [
        "local 1.0167 × 60 = 61.00 · 01-15 to 02-15 · -"
    ]


def test_a_change_of_rate_makes_a_line_for_each_rate() -> None:
    """USE-5: at the rates of their days."""
    calls = [
        used("local", "01-16", 120, "0.01"),
        used("local", "02-01", 180, "0.02"),
        used("local", "02-02", 60, "0.01"),
    ]
    assert amounts(calls, "02-15") == [
        "local 3 × 0.01 = 0.03 · 01-15 to 02-15 · -",
        "local 3 × 0.02 = 0.06 · 01-15 to 02-15 · -",
    ]


@pytest.mark.parametrize(("units", "price"), [(0, "0.03"), (600, "0"), (60, "0.004"), (0, None)])
def test_what_costs_nothing_makes_no_line(units: int, price: str | None) -> None:
    """USE-2, SIM-1: a call of no seconds, a rate of nothing, and what rounds to nothing."""
    assert lines([used("local", "01-16", units, price)], "02-15") == []


@pytest.mark.parametrize(
    ("decimals", "amount"), [(0, "3"), (2, "2.50"), (3, "2.501")], ids=["yen", "dollars", "dinars"]
)
def test_amounts_have_the_decimals_of_the_currency(decimals: int, amount: str) -> None:
    """BIL-12: 2.501 a unit, rounded half up where there are fewer decimals."""
    assert amounts([used("events", "01-16", 1, "2.501")], "02-15", decimals=decimals) == [
        f"events 1 × 2.501 = {amount} · 01-15 to 02-15 · -"
    ]


def test_halves_are_rounded_up() -> None:
    """BIL-4."""
    assert amounts([used("events", "01-16", 1, "0.125")], "02-15") == [
        "events 1 × 0.125 = 0.13 · 01-15 to 02-15 · -"
    ]


def test_each_subscription_has_its_own_line_where_nothing_is_pooled() -> None:
    """SUB-5: usage is reported per subscription; that of none is the account's."""
    tenant = [subscription(1, "01-01", "12-31"), subscription(2, "01-01", "12-31")]
    facts = [used("events", "01-16", n, "1", of=of) for n, of in ((1, None), (2, 2), (3, 1), (4, 2))]
    assert amounts(facts, "02-15", subscriptions=tenant) == [
        "events 1 × 1 = 1.00 · 01-15 to 02-15 · -",
        "events 3 × 1 = 3.00 · 01-15 to 02-15 · A",
        "events 6 × 1 = 6.00 · 01-15 to 02-15 · B",
    ]


def test_where_the_maximum_counts_only_the_highest_record_does() -> None:
    """USE-3: aggregation maximum, at the rate of the day that set it."""
    facts = [
        used("highest", "01-16", 4, "9"),
        used("highest", "01-17", 7, "2"),
        used("highest", "01-18", 7, "5"),
    ]
    assert lines(facts, "02-15") == ["highest 7 × 2 = 14.00 · 01-15 to 02-15 · - · 7 used"]


def test_where_different_ones_count_each_counts_once() -> None:
    """USE-3: aggregation distinct."""
    facts = [used("people", f"01-{16 + n}", 5, "2", subject=name) for n, name in enumerate("xyxz")]
    assert lines(facts, "02-15") == ["people 3 × 2 = 6.00 · 01-15 to 02-15 · - · 3 used"]


def test_a_missing_rate_is_a_fault_only_where_it_costs() -> None:
    """The meter and the day are named, so that somebody can set the rate."""
    with pytest.raises(MissingRate, match="usage of 2026-01-17: no rate is set for “local”") as caught:
        lines([used("local", "01-18", 60, None), used("local", "01-17", 60, None)], "02-15")
    assert (caught.value.meter, caught.value.on) == ("local", day("01-17"))
    within = [called("01-16", 500, None)]
    held = [package(500, "01-01")]
    assert lines(within, "02-15", packages=held) == []
    assert amounts([*within, called("01-17", 2, None)], "02-15", packages=held) == [
        "toll-free 2 × 0.025 = 0.05 · 01-15 to 02-15 · -"
    ]
    tenant = [subscription(1, "01-01", "12-31", robot=5, agents=3)]
    covered = [used("robot", "01-16", 5, None), used("agents", "01-16", 3, None)]
    assert lines(covered, "02-15", subscriptions=tenant) == []
    with pytest.raises(MissingRate, match="agents"):
        lines([*covered, used("agents", "01-17", 4, None)], "02-15", subscriptions=tenant)
    with pytest.raises(MissingRate, match="robot"):
        lines([*covered, used("robot", "01-17", 1, None)], "02-15", subscriptions=tenant)


def test_a_meter_that_nobody_knows_is_a_fault() -> None:
    with pytest.raises(BillingFault, match="there is no such meter"):
        lines([used("fax", "01-16", 1)], "02-15")


# --- packages ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "billed"), [(499, []), (500, []), (501, ["toll-free 1 × 0.025 = 0.03"])], ids=str
)
def test_minutes_above_a_package_are_overage_at_its_rate(minutes: int, billed: list[str]) -> None:
    """USE-4: and those within it cost nothing."""
    found = amounts([called("01-20", minutes)], "02-15", packages=[package(500, "2025-12-01")])
    assert found == [f"{line} · 01-15 to 02-15 · -" for line in billed]


def test_a_package_covers_each_period_anew() -> None:
    """USE-4: minutes are included per billing period; what is left of one is lost."""
    facts = [called("01-20", 100), called("02-20", 600)]
    held = [package(500, "01-01")]
    assert amounts(facts, "02-15", packages=held) == []
    assert amounts(facts, "03-15", packages=held) == ["toll-free 100 × 0.025 = 2.50 · 02-15 to 03-15 · -"]


def test_without_a_package_all_minutes_are_paid_per_use() -> None:
    """USE-4."""
    assert lines([called("01-20", 2), called("01-21", 3)], "02-15") == [
        "toll-free 5 × 0.03 = 0.15 · 01-15 to 02-15 · - · pay-per-use: 5 min in 2 calls"
    ]


A, B = 500, 1000
CHANGES: dict[str, tuple[list[Any], list[tuple[str, str, str, int]]]] = {
    "none": ([], [("01-15", "02-15", "-", 0)]),
    "held throughout": ([package(A, "01-01")], [("01-15", "02-15", "tf-500", 500)]),
    # 500 × 21 ÷ 31 = 338.7; 500 × 10 ÷ 31 = 161.3: each rounded up.
    "taken in mid-period": (
        [package(A, "01-25")],
        [("01-15", "01-25", "-", 0), ("01-25", "02-15", "tf-500", 339)],
    ),
    "given back in mid-period": (
        [package(A, "01-01", "01-25")],
        [("01-15", "01-25", "tf-500", 162), ("01-25", "02-15", "-", 0)],
    ),
    # 1000 × 21 ÷ 31 = 677.4
    "changed": (
        [package(A, "01-01", "01-25"), package(B, "01-25")],
        [("01-15", "01-25", "tf-500", 162), ("01-25", "02-15", "tf-1000", 678)],
    ),
    "changed on the first day": (
        [package(A, "01-01", "01-15"), package(B, "01-15")],
        [("01-15", "02-15", "tf-1000", 1000)],
    ),
    "changed on the next period's first day": (
        [package(A, "01-01", "02-15"), package(B, "02-15")],
        [("01-15", "02-15", "tf-500", 500)],
    ),
    # The last one of a day holds from its start: 500 × 30 ÷ 31 = 483.9; 1000 ÷ 31 = 32.3.
    "changed on the last day": (
        [package(A, "01-01", "02-14"), package(B, "02-14")],
        [("01-15", "02-14", "tf-500", 484), ("02-14", "02-15", "tf-1000", 33)],
    ),
    "changed twice on one day": (
        [package(A, "01-01", "01-25"), package(2500, "01-25", "01-25"), package(B, "01-25")],
        [("01-15", "01-25", "tf-500", 162), ("01-25", "02-15", "tf-1000", 678)],
    ),
    "changed and changed back on one day": (
        [package(A, "01-01", "01-25"), package(B, "01-25", "01-25"), package(A, "01-25")],
        [("01-15", "02-15", "tf-500", 500)],
    ),
    "taken and given back on one day": (
        [package(A, "01-25", "01-25")],
        [("01-15", "02-15", "-", 0)],
    ),
    "the same again on other terms": (
        [package(A, "01-01", "01-25"), package(A, "01-25", overage="0.02")],
        [("01-15", "01-25", "tf-500", 162), ("01-25", "02-15", "tf-500", 339)],
    ),
    # 5, 6 and 20 of 31 days; 500 × 5 ÷ 31 = 80.6; 1000 × 6 ÷ 31 = 193.5; pay-per-use between them.
    "pay-per-use around and between": (
        [package(A, "01-17", "01-22"), package(B, "01-25", "01-31")],
        [
            ("01-15", "01-17", "-", 0),
            ("01-17", "01-22", "tf-500", 81),
            ("01-22", "01-25", "-", 0),
            ("01-25", "01-31", "tf-1000", 194),
            ("01-31", "02-15", "-", 0),
        ],
    ),
    "over before the period, or not yet begun": (
        [package(A, "2025-11-01", "01-15"), package(B, "02-15")],
        [("01-15", "02-15", "-", 0)],
    ),
}


@pytest.mark.parametrize(("held", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_period_is_cut_where_the_package_changes(
    held: list[Any], expected: list[tuple[str, str, str, int]]
) -> None:
    """USE-4: from the start of that day; included minutes are prorated by days and rounded up."""
    assert parts(held, "01-15", "02-15") == expected
    assert parts(list(reversed(held[:-1])) + held[-1:], "01-15", "02-15") == expected


def test_usage_before_a_change_is_rated_by_the_old_package_and_after_it_by_the_new() -> None:
    """USE-4: the day of the change is the new one's."""
    held = [package(A, "01-01", "01-25"), package(B, "01-25", overage="0.02")]
    calls = [called("01-24", 170), called("01-25", 600), called("02-14", 100)]
    assert lines(calls, "02-15", packages=held) == [
        "toll-free 8 × 0.025 = 0.20 · 01-15 to 01-25 · - · tf-500: 170 min used, 162 included",
        "toll-free 22 × 0.02 = 0.44 · 01-25 to 02-15 · - · tf-1000: 700 min used, 678 included",
    ]


def test_what_one_part_has_left_does_not_help_the_other() -> None:
    """USE-4: 162 and 678 are included; 0 used before, 700 after it."""
    held = [package(A, "01-01", "01-25"), package(B, "01-25")]
    assert amounts([called("01-30", 700)], "02-15", packages=held) == [
        "toll-free 22 × 0.025 = 0.55 · 01-25 to 02-15 · -"
    ]


def test_pay_per_use_around_a_package_has_lines_of_its_own_days() -> None:
    """USE-4: at the rates of the day; two lines where the rate changed."""
    held = [package(A, "01-20", "01-30")]
    calls = [
        called("01-19", 10),
        called("01-20", 162),
        called("01-29", 1),
        called("01-30", 10),
        called("02-10", 10, "0.05"),
    ]
    assert amounts(calls, "02-15", packages=held) == [
        "toll-free 10 × 0.03 = 0.30 · 01-15 to 01-20 · -",
        "toll-free 1 × 0.025 = 0.03 · 01-20 to 01-30 · -",
        "toll-free 10 × 0.03 = 0.30 · 01-30 to 02-15 · -",
        "toll-free 10 × 0.05 = 0.50 · 01-30 to 02-15 · -",
    ]


def test_seconds_above_a_package_are_charged_as_seconds() -> None:
    """USE-3, USE-4: 500 minutes and 6 seconds; 0.1 minute at 0.25."""
    held = [package(A, "01-01", overage="0.25")]
    assert lines([used("toll-free", "01-20", 500 * 60 + 6)], "02-15", packages=held) == [
        "toll-free 0.1 × 0.25 = 0.03 · 01-15 to 02-15 · - · tf-500: 500.1 min used, 500 included"
    ]


# --- late records ------------------------------------------------------------------------------


def test_a_late_record_counts_against_what_its_own_period_had_left() -> None:
    """USE-5: 480 of 500 were used; of 50 late minutes 30 are above. What this period uses is another matter."""
    held = [package(A, "01-01")]
    facts = [called("01-20", 480), called("01-21", 50, recorded="02-20"), called("02-20", 501)]
    assert lines(facts, "02-15", packages=held) == []
    assert lines(facts, "03-15", packages=held) == [
        "toll-free 30 × 0.025 = 0.75 · 01-15 to 02-15 · - · "
        "recorded late, tf-500: 530 min used, 500 included",
        "toll-free 1 × 0.025 = 0.03 · 02-15 to 03-15 · - · tf-500: 501 min used, 500 included",
    ]


def test_late_records_of_several_invoices_use_one_allowance_up() -> None:
    """USE-5: 450 in time, then 30, 30 and 30 late: nothing, 10 and 30 are above."""
    held = [package(A, "01-01")]
    facts = [called("01-20", 450)] + [
        called(f"01-2{n}", 30, recorded=recorded)
        for n, recorded in ((1, "02-20"), (2, "03-15"), (3, "05-01"))
    ]
    assert [amounts(facts, closes, packages=held) for closes in ("02-15", "03-15", "04-15", "05-15")] == [
        [],
        [],
        ["toll-free 10 × 0.025 = 0.25 · 01-15 to 02-15 · -"],
        ["toll-free 30 × 0.025 = 0.75 · 01-15 to 02-15 · -"],
    ]


def test_a_late_record_is_rated_by_the_package_of_its_day() -> None:
    """USE-5, USE-4: the package was given back since; parts of the old period hold their own."""
    held = [package(A, "01-01", "01-25"), package(B, "01-25", "02-15", overage="0.02")]
    facts = [
        called("01-20", 160),
        called("01-21", 10, recorded="03-01"),
        called("02-01", 680, recorded="03-02"),
        called("03-03", 10),
    ]
    assert amounts(facts, "03-15", packages=held) == [
        "toll-free 8 × 0.025 = 0.20 · 01-15 to 01-25 · -",
        "toll-free 2 × 0.02 = 0.04 · 01-25 to 02-15 · -",
        "toll-free 10 × 0.03 = 0.30 · 02-15 to 03-15 · -",
    ]


def test_late_lines_come_by_period_and_are_rounded_for_themselves() -> None:
    """USE-5: half a cent of each of three periods: three lines of one cent, at the rates of their days."""
    facts = [
        used("local", "03-01", 60, "0.005"),
        used("local", "01-20", 60, "0.005", recorded="03-02"),
        used("local", "02-01", 60, "0.007", recorded="03-03"),
        used("local", "2025-12-20", 60, "0.005", recorded="03-04"),
    ]
    assert lines(facts, "03-15") == [
        "local 1 × 0.005 = 0.01 · 12-15 to 01-15 · - · recorded late, 1 min in 1 call",
        "local 1 × 0.005 = 0.01 · 01-15 to 02-15 · - · recorded late, 1 min in 1 call",
        "local 1 × 0.007 = 0.01 · 01-15 to 02-15 · - · recorded late, 1 min in 1 call",
        "local 1 × 0.005 = 0.01 · 02-15 to 03-15 · - · 1 min in 1 call",
    ]


def test_a_late_peak_costs_what_it_adds_to_the_period() -> None:
    """USE-5, SUB-6: 26 were billed as one above 25; 28 recorded late are two more, 27 later nothing."""
    tenant = [subscription(1, "01-01", "12-31", agents=25)]
    facts = [
        used("agents", "01-20", 26, "95"),
        used("agents", "01-21", 28, "95", recorded="02-20"),
        used("agents", "01-22", 27, "95", recorded="03-20"),
    ]
    assert [amounts(facts, closes, subscriptions=tenant) for closes in ("02-15", "03-15", "04-15")] == [
        ["agents 1 × 95 = 95.00 · 01-15 to 02-15 · A"],
        ["agents 2 × 95 = 190.00 · 01-15 to 02-15 · A"],
        [],
    ]


def test_a_late_agent_who_was_counted_already_costs_nothing() -> None:
    """USE-5, SUB-6: named."""
    tenant = [subscription(1, "01-01", "12-31", agents=1)]
    facts = [
        used("agents", "01-20", 1, "95", subject="ann"),
        used("agents", "01-21", 1, "95", subject="ann", recorded="02-20"),
        used("agents", "01-21", 1, "95", subject="bob", recorded="03-20"),
    ]
    told: dict[str, Any] = {"subscriptions": tenant, "is_named": True}
    assert amounts(facts, "02-15", **told) == []
    assert amounts(facts, "03-15", **told) == []
    assert amounts(facts, "04-15", **told) == ["agents 1 × 95 = 95.00 · 01-15 to 02-15 · A"]


def test_a_late_sum_counts_against_what_is_left_of_the_commitment() -> None:
    """USE-5, SUB-7: 8 of 10 were used; of 5 late ones 3 are above."""
    tenant = [subscription(1, "01-01", "12-31", robot=10)]
    facts = [used("robot", "02-10", 8, "2"), used("robot", "01-20", 5, "2", recorded="02-20")]
    assert amounts(facts, "02-15", subscriptions=tenant) == []
    assert lines(facts, "03-15", subscriptions=tenant) == [
        "robot 3 × 2 = 6.00 · 01-15 to 02-15 · A · recorded late, 13 used, 10 included"
    ]


# --- the primary -------------------------------------------------------------------------------

LONG = ("01-01", "12-31")


@pytest.mark.parametrize(
    ("tenant", "on", "primary"),
    [
        ([], "01-20", None),
        ([(1, "02-01", "03-01")], "01-20", None),
        ([(1, "01-05", "03-01"), (2, "01-04", "03-01")], "01-20", "B"),
        ([(2, "01-05", "03-01"), (1, "01-05", "03-01")], "01-20", "A"),
        ([(1, "01-01", "01-20"), (2, "01-10", "03-01")], "01-19", "A"),
        ([(1, "01-01", "01-20"), (2, "01-10", "03-01")], "01-20", "B"),
        ([(1, "01-01", "01-10"), (2, "01-05", "01-12"), (3, "01-06", "01-11")], "01-20", "B"),
        ([(1, "01-01", "01-12"), (2, "01-05", "01-12"), (3, "02-01", "03-01")], "01-20", "A"),
        ([(2, "01-05", "01-12"), (1, "01-05", "01-12")], "01-20", "A"),
        ([(1, "01-01", "01-10"), (2, "01-18", "01-18")], "01-20", "A"),
        ([(1, "01-18", "01-18")], "01-20", None),
    ],
    ids=[
        "nobody ever",
        "nobody yet",
        "the earliest start",
        "on a tie the one created first",
        "the day before it ends",
        "the day it ends",
        "nobody is: the last that was",
        "nobody is: the oldest of the last",
        "nobody is: on a tie the one created first",
        "one that ended before it began never was",
        "nobody ever began",
    ],
)
def test_the_primary_is_the_oldest_active_one(
    tenant: list[tuple[int, str, str]], on: str, primary: str | None
) -> None:
    """SUB-4; and where none is active the last that was (SUB-6)."""
    found = primary_on([subscription(*one) for one in tenant], day(on))
    assert (found.name if found else None) == primary


def test_the_overage_is_the_primarys_of_the_periods_last_day() -> None:
    """SUB-6: A ends within the period, so all of it is B's, that of A's days too."""
    tenant = [subscription(1, "01-01", "02-14", agents=1), subscription(2, "01-10", "12-31")]
    assert amounts([used("agents", "01-20", 3, "95", of=1)], "02-15", subscriptions=tenant) == [
        "agents 2 × 95 = 190.00 · 01-15 to 02-15 · B"
    ]
    till_the_end = [subscription(1, "01-01", "02-15", agents=1), tenant[1]]
    assert amounts([used("agents", "01-20", 3, "95", of=1)], "02-15", subscriptions=till_the_end) == [
        "agents 2 × 95 = 190.00 · 01-15 to 02-15 · A"
    ]


@pytest.mark.parametrize("meter", ["agents", "ports", "messages", "robot"])
def test_where_nobody_is_active_on_the_last_day_the_last_that_was_pays(meter: str) -> None:
    """SUB-6, SUB-7."""
    tenant = [subscription(1, "01-01", "01-30"), subscription(2, "01-10", "02-10")]
    assert amounts([used(meter, "01-20", 3, "95")], "02-15", subscriptions=tenant) == [
        f"{meter} 3 × 95 = 285.00 · 01-15 to 02-15 · B"
    ]


# --- agents and ports, by day ------------------------------------------------------------------

TEN, FIFTEEN = subscription(1, *LONG, agents=10), subscription(2, *LONG, agents=15)


@pytest.mark.parametrize(
    ("first", "second", "above"), [(10, 15, 0), (25, 0, 0), (0, 25, 0), (11, 15, 1), (0, 26, 1), (12, 16, 3)]
)
def test_ten_and_fifteen_agents(first: int, second: int, above: int) -> None:
    """SUB-6: nothing up to 25, one overage at 26, however they spread, and the primary pays."""
    facts = [used("agents", "01-20", n, "95", of=of) for n, of in ((first, 1), (second, 2)) if n]
    found = amounts(facts, "02-15", subscriptions=[TEN, FIFTEEN])
    assert found == ([f"agents {above} × 95 = {95 * above}.00 · 01-15 to 02-15 · A"] if above else [])


def test_each_day_counts_by_itself_and_the_highest_decides() -> None:
    """SUB-6: peaks of different days are not added; several records of a day and subscription neither."""
    facts = [
        used("agents", "01-20", 12, "95", of=1),
        used("agents", "01-20", 11, "95", of=1),
        used("agents", "01-21", 16, "95", of=2),
        used("agents", "01-21", 10, "95", of=1),
        used("agents", "01-22", 12, "95", of=1),
        used("agents", "01-22", 15, "95", of=2),
    ]
    assert lines(facts, "02-15", subscriptions=[TEN, FIFTEEN]) == [
        "agents 2 × 95 = 190.00 · 01-15 to 02-15 · A · 27 on 2026-01-22, 25 included"
    ]


def test_the_day_with_the_most_above_is_not_always_the_one_with_the_most() -> None:
    """SUB-6: less the commitments active on that day. B begins on the 25th."""
    tenant = [TEN, subscription(2, "01-25", "12-31", agents=15)]
    facts = [used("agents", "01-20", 14, "95", of=1), used("agents", "01-30", 27, "95", of=2)]
    assert lines(facts, "02-15", subscriptions=tenant) == [
        "agents 4 × 95 = 380.00 · 01-15 to 02-15 · A · 14 on 2026-01-20, 10 included"
    ]


def test_a_subscription_that_has_ended_covers_nothing_from_that_day() -> None:
    """SUB-6: "active that day"; its own last day is the one before."""
    tenant = [TEN, subscription(2, "01-01", "01-25", agents=15)]
    before, after = used("agents", "01-24", 25, "95"), used("agents", "01-25", 25, "95")
    assert amounts([before], "02-15", subscriptions=tenant) == []
    assert amounts([after], "02-15", subscriptions=tenant) == [
        "agents 15 × 95 = 1425.00 · 01-15 to 02-15 · A"
    ]


def test_a_commitment_that_changes_covers_each_day_with_what_it_is_then() -> None:
    """SUB-6: 5 up to the 24th, 20 from the 25th on."""
    tenant = [
        subscription(1, *LONG, committed("agents", 5, "01-01", "01-25"), committed("agents", 20, "01-25"))
    ]
    facts = [used("agents", "01-24", 6, "95"), used("agents", "01-25", 20, "95")]
    assert lines(facts, "02-15", subscriptions=tenant) == [
        "agents 1 × 95 = 95.00 · 01-15 to 02-15 · A · 6 on 2026-01-24, 5 included"
    ]


def test_usage_that_names_no_subscription_counts_as_the_primarys() -> None:
    """SUB-6: it is another record of the primary's peak, not one more subscription's."""
    none = used("agents", "01-20", 12, "95")
    beside = [used("agents", "01-20", 11, "95", of=1), used("agents", "01-20", 15, "95", of=2)]
    assert amounts([none, *beside], "02-15", subscriptions=[TEN, FIFTEEN]) == [
        "agents 2 × 95 = 190.00 · 01-15 to 02-15 · A"
    ]


def test_whose_unnamed_usage_is_is_decided_on_the_periods_last_day() -> None:
    """SUB-6: A was primary on the 20th, B is for this period: 4 of A's, and of B's the higher of 5 and 6."""
    tenant = [subscription(1, "01-01", "01-30"), subscription(2, "01-10", "12-31")]
    facts = [
        used("agents", "01-20", 5, "95"),
        used("agents", "01-20", 4, "95", of=1),
        used("agents", "01-20", 6, "95", of=2),
    ]
    assert amounts(facts, "02-15", subscriptions=tenant) == ["agents 10 × 95 = 950.00 · 01-15 to 02-15 · B"]


def test_without_any_subscription_all_usage_is_above() -> None:
    """SUB-6."""
    facts = [used("agents", "01-20", 5, "95"), used("agents", "01-21", 6, "95")]
    assert lines(facts, "02-15") == [
        "agents 6 × 95 = 570.00 · 01-15 to 02-15 · - · 6 on 2026-01-21, 0 included"
    ]


def test_the_rate_of_peaks_is_that_of_the_day_that_set_them() -> None:
    """USE-5, SUB-6: of equal days the first."""
    facts = [
        used("ports", "01-20", 5, "25"),
        used("ports", "01-22", 7, "30"),
        used("ports", "01-24", 7, "35"),
    ]
    assert amounts(facts, "02-15") == ["ports 7 × 30 = 210.00 · 01-15 to 02-15 · -"]


def test_named_agents_are_counted_once_in_the_period() -> None:
    """SUB-6: different ones over all subscriptions, less the highest daily total of commitments."""
    tenant = [
        subscription(1, "01-01", "01-25", agents=1),
        subscription(2, "01-20", "12-31", agents=2),
    ]
    people = [("01-16", "ann", 1), ("01-17", "bob", None), ("01-26", "ann", 2), ("02-14", "eve", 2)]
    facts = [used("agents", on, 1, "95", subject=who, of=of) for on, who, of in people]
    assert amounts(facts, "02-15", subscriptions=tenant, is_named=True) == []
    facts.append(used("agents", "02-01", 1, "95", subject="dan", of=2))
    assert lines(facts, "02-15", subscriptions=tenant, is_named=True) == [
        "agents 1 × 95 = 95.00 · 01-15 to 02-15 · B · 4 different, 3 included"
    ]


def test_ports_count_daily_peaks_in_named_mode_too() -> None:
    """SUB-6: 3 on one day and 4 on another are 4, whoever they were."""
    tenant = [subscription(1, *LONG, ports=2)]
    facts = [used("ports", "01-20", 3, "25", subject="x"), used("ports", "01-21", 4, "25", subject="y")]
    for is_named in (False, True):
        assert amounts(facts, "02-15", subscriptions=tenant, is_named=is_named) == [
            "ports 2 × 25 = 50.00 · 01-15 to 02-15 · A"
        ]


# --- sums of the tenant ------------------------------------------------------------------------


def test_connect_messages_are_all_the_primarys() -> None:
    """SUB-5: whichever subscription they name."""
    tenant = [subscription(1, *LONG), subscription(2, *LONG)]
    facts = [used("messages", "01-20", n, "0.009", of=of) for n, of in ((100, 1), (200, 2), (300, None))]
    assert lines(facts, "02-15", subscriptions=tenant) == [
        "messages 600 × 0.009 = 5.40 · 01-15 to 02-15 · A · 600 used, 0 included"
    ]


def test_messages_go_to_the_primary_though_another_has_had_the_meter_longer() -> None:
    """SUB-5 against SUB-7."""
    tenant = [
        subscription(1, "01-01", "12-31"),
        subscription(2, "01-02", "12-31", messages=1, robot=1),
    ]
    facts = [used("messages", "01-20", 11, "1"), used("robot", "01-20", 11, "1")]
    assert amounts(facts, "02-15", subscriptions=tenant) == [
        "messages 10 × 1 = 10.00 · 01-15 to 02-15 · A",
        "robot 10 × 1 = 10.00 · 01-15 to 02-15 · B",
    ]


def test_the_commitments_of_the_last_day_cover_the_whole_period() -> None:
    """SUB-7: those that were active before do not, those that came late do."""
    tenant = [
        subscription(1, "01-01", "02-14", robot=100),
        subscription(2, "02-14", "12-31", robot=7),
        subscription(
            3, "01-01", "12-31", committed("robot", 50, "01-01", "02-01"), committed("robot", 3, "02-01")
        ),
        subscription(4, "02-15", "12-31", robot=1000),
    ]
    facts = [used("robot", "01-16", 6, "2", of=1), used("robot", "02-10", 5, "2")]
    assert lines(facts, "02-15", subscriptions=tenant) == [
        "robot 1 × 2 = 2.00 · 01-15 to 02-15 · C · 11 used, 10 included"
    ]


def test_what_is_included_is_used_up_by_day_so_that_the_rest_costs_the_rate_of_its_day() -> None:
    """USE-5, SUB-7: 10 included; 8 at 1.00, then 5 at 2.00, of which 3 are above."""
    tenant = [subscription(1, *LONG, robot=10)]
    facts = [used("robot", "02-01", 5, "2"), used("robot", "01-20", 8, "1")]
    assert amounts(facts, "02-15", subscriptions=tenant) == ["robot 3 × 2 = 6.00 · 01-15 to 02-15 · A"]


OWNERS: dict[str, tuple[list[SubscriptionFacts], str | None]] = {
    "nobody at all": ([], None),
    "the only one that has it, not the primary": (
        [subscription(1, *LONG), subscription(2, "01-10", "12-31", robot=1)],
        "B",
    ),
    "who has had it longest, not who is oldest": (
        [
            subscription(1, *LONG, committed("robot", 1, "01-12")),
            subscription(2, "01-05", "12-31", robot=1),
        ],
        "B",
    ),
    "committed to nothing at first is not had": (
        [
            subscription(1, *LONG, committed("robot", 0, "01-01", "01-20"), committed("robot", 1, "01-20")),
            subscription(2, "01-05", "12-31", robot=1),
        ],
        "B",
    ),
    "had since the same day: the oldest": (
        [
            subscription(1, "01-03", "12-31", committed("robot", 1, "01-12")),
            subscription(2, "01-02", "12-31", committed("robot", 1, "01-12")),
        ],
        "B",
    ),
    "the same in everything: the one created first": (
        [subscription(2, *LONG, robot=1), subscription(1, *LONG, robot=1)],
        "A",
    ),
    "had longer, but it has ended": (
        [subscription(1, "01-01", "02-14", robot=1), subscription(2, "01-10", "12-31", robot=1)],
        "B",
    ),
    "had once, but no longer": (
        [
            subscription(1, *LONG, committed("robot", 1, "01-01", "02-01")),
            subscription(2, "01-10", "12-31", robot=1),
        ],
        "B",
    ),
    "a changed quantity does not begin anew": (
        [
            subscription(1, *LONG, committed("robot", 1, "01-02", "02-01"), committed("robot", 2, "02-01")),
            subscription(2, "01-10", "12-31", robot=1),
        ],
        "A",
    ),
    "nobody active has it: the primary": (
        [
            subscription(1, "01-01", "02-10", robot=1),
            subscription(2, "01-05", "12-31"),
            subscription(3, "01-06", "12-31"),
        ],
        "B",
    ),
    "per meter": ([subscription(1, *LONG, agents=1), subscription(2, "01-10", "12-31", robot=1)], "B"),
}


@pytest.mark.parametrize(("tenant", "owner"), OWNERS.values(), ids=OWNERS)
def test_who_has_had_the_meter_longest_pays(tenant: list[SubscriptionFacts], owner: str | None) -> None:
    """SUB-7: of those active on the period's last day."""
    found = responsible_on(tenant, "robot", day("02-14"))
    assert (found.name if found else None) == owner
    [line] = amounts([used("robot", "01-20", 100, "1", of=None)], "02-15", subscriptions=tenant)
    assert line.endswith(f"· {owner or '-'}")


def test_usage_before_the_first_subscription_is_all_above_and_nobodys() -> None:
    """SUB-6, SUB-7: one that starts after the period's last day is not there yet."""
    tenant = [subscription(1, "02-15", "12-31", agents=10, robot=10)]
    facts = [used("agents", "01-20", 2, "95"), used("robot", "01-20", 2, "1")]
    assert amounts(facts, "02-15", subscriptions=tenant) == [
        "agents 2 × 95 = 190.00 · 01-15 to 02-15 · -",
        "robot 2 × 1 = 2.00 · 01-15 to 02-15 · -",
    ]


def test_periods_follow_the_bdom_at_the_end_of_months() -> None:
    """BIL-1: BDOM 31, February 28 to March 31; 500 × 3 ÷ 31 days = 48.4 minutes for a package from the 28th."""
    held = [package(A, "03-28")]
    calls = [called("02-27", 1), called("02-28", 2), called("03-30", 50)]
    assert amounts(calls, "03-31", bdom=31, packages=held) == [
        "toll-free 2 × 0.03 = 0.06 · 02-28 to 03-28 · -",
        "toll-free 1 × 0.025 = 0.03 · 03-28 to 03-31 · -",
    ]
