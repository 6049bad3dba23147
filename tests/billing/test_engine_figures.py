"""INV-7 on plain values: what was used against what is included, what it costs so far, and what is to be expected.

The period is 2026-01-15 to 2026-02-15 (31 days) and the BDOM 15, as in the tests of the lines.
"""

from decimal import Decimal
from typing import Any

import pytest

from billing.engine import AccountTerms, Usage
from billing.engine.calendar import Period
from billing.engine.facts import BillingFault
from billing.engine.figures import (
    Figure,
    cost_of_usage,
    figures_of,
    has_own_price,
    price_of_units,
    projected,
    used_of,
)
from tests.billing.engine_facts import day
from tests.billing.usage_facts import METERS, called, committed, package, subscription, used

PERIOD = Period(day("01-15"), day("02-15"))
TERMS = AccountTerms(15, 2)


def usage_of(*facts: Any, **told: Any) -> Usage:
    return Usage(METERS, facts, **told)


def figures(*facts: Any, **told: Any) -> dict[str, Figure]:
    return {figure.meter.code: figure for figure in figures_of(usage_of(*facts, **told), PERIOD)}


def told(figure: Figure) -> tuple[int, int, int]:
    return figure.used, figure.included, figure.above


def cost(usage: Usage) -> dict[str, Decimal]:
    found = cost_of_usage(TERMS, usage, PERIOD)
    return {code: found.of(code) for code in METERS if found.of(code)}


# --- what is used and included -----------------------------------------------------------------


def test_what_nothing_is_included_in_is_above_as_a_whole() -> None:
    """USE-3."""
    assert told(figures(used("local", "01-16", 90), used("local", "01-17", 60))["local"]) == (150, 0, 150)


def test_each_part_of_a_package_is_held_against_its_own_minutes() -> None:
    """USE-4: 500 minutes of 17 of 31 days are 275; what is left of them helps the second package nothing."""
    packages = (package(500, "01-01", "02-01"), package(1000, "02-01"))
    figure = figures(called("01-20", 100), called("02-03", 460), packages=packages)["toll-free"]
    assert [(part.part.included, part.used // 60, part.above // 60) for part in figure.parts] == [
        (275, 100, 0),
        (452, 460, 8),
    ]
    assert told(figure) == (560 * 60, 727 * 60, 8 * 60)


def test_a_package_that_nothing_was_used_of_has_its_figure_too() -> None:
    """INV-7: against its allowance."""
    assert told(figures(packages=(package(500, "01-01"),))["toll-free"]) == (0, 500 * 60, 0)


def test_a_daily_pool_shows_the_day_that_decides() -> None:
    """SUB-6: 10 and 15 agents, and on one day 26."""
    both = (subscription(1, "01-01", "12-31", agents=10), subscription(2, "01-01", "12-31", agents=15))
    facts = [
        used("agents", "01-20", 11, of=1),
        used("agents", "01-20", 15, of=2),
        used("agents", "01-21", 25, of=2),
    ]
    figure = figures(*facts, subscriptions=both)["agents"]
    assert told(figure) == (26, 25, 1)
    assert figure.peak is not None
    assert figure.peak.on == day("01-20")


def test_where_no_day_is_above_the_highest_one_is_shown() -> None:
    only = (subscription(1, "01-01", "12-31", agents=10),)
    facts = [used("agents", "01-16", 3, of=1), used("agents", "01-20", 9, of=1)]
    assert told(figures(*facts, subscriptions=only)["agents"]) == (9, 10, 0)


def test_named_agents_are_counted_once_in_the_period() -> None:
    """SUB-6."""
    only = (subscription(1, "01-01", "12-31", agents=1),)
    facts = [
        used("agents", on, 1, of=1, subject=name)
        for on, name in (("01-16", "a"), ("01-17", "b"), ("01-18", "a"))
    ]
    assert told(figures(*facts, subscriptions=only, is_named=True)["agents"]) == (2, 1, 1)


def test_a_sum_of_the_tenant_is_held_against_the_last_days_commitments() -> None:
    """SUB-7."""
    only = (
        subscription(
            1, "01-01", "12-31", committed("robot", 10, "01-01", "02-01"), committed("robot", 30, "02-01")
        ),
    )
    assert told(figures(used("robot", "01-16", 44, of=1), subscriptions=only)["robot"]) == (44, 30, 14)


# --- what it costs -------------------------------------------------------------------------------


def test_costs_are_those_of_the_lines() -> None:
    facts = (called("01-20", 600), used("local", "01-16", 60, "0.01"))
    assert cost(usage_of(*facts, packages=(package(500, "01-01"),))) == {
        "toll-free": Decimal("2.50"),
        "local": Decimal("0.01"),
    }


def test_a_meter_without_a_rate_leaves_the_others_their_cost() -> None:
    facts = (used("events", "01-20", 5, None), used("local", "01-16", 60, "0.01"))
    found = cost_of_usage(TERMS, usage_of(*facts), PERIOD)
    assert (found.total, found.unrated) == (Decimal("0.01"), ("events",))


def test_an_unknown_meter_is_a_fault() -> None:
    with pytest.raises((BillingFault, KeyError)):
        cost_of_usage(TERMS, usage_of(used("nothing like it", "01-20", 5)), PERIOD)


# --- what is to be expected ------------------------------------------------------------------------


def expected(today: str, *facts: Any, since: str = "01-15", **told: Any) -> Usage:
    return projected(usage_of(*facts, **told), PERIOD, day(since), day(today))


def test_sums_go_on_at_the_average_of_the_days_so_far() -> None:
    """Ten of 31 days, today among them: 100 minutes become 310."""
    usage = expected("01-24", called("01-16", 60), called("01-24", 40))
    assert used_of(METERS["toll-free"], usage.facts) == 310 * 60


def test_what_is_to_come_falls_into_the_last_package() -> None:
    """USE-4: of 31 × 40 minutes all but the first ten days' are held against the package taken on the eleventh."""
    packages = (package(500, "01-25"),)
    usage = expected("01-25", *(called(f"01-{number}", 40) for number in range(15, 26)), packages=packages)
    parts = figures_of(usage, PERIOD)[0].parts
    assert [part.minutes for part in parts] == [400, 21 * 40]
    # 400 at 0.03, and of 840 all but the 339 that 21 of 31 days include at 0.025: 12.00 and 12.53.
    assert cost(usage) == {"toll-free": Decimal("24.53")}


def test_it_goes_on_at_the_latest_rate() -> None:
    """USE-5: the new rate is that of the days to come."""
    usage = expected("01-16", used("local", "01-15", 60, "0.01"), used("local", "01-16", 60, "0.02"))
    assert cost(usage) == {"local": Decimal("0.01") + Decimal("0.02") * 30}


def test_peaks_and_different_ones_stay_what_they_are() -> None:
    facts = (used("agents", "01-16", 7), used("highest", "01-16", 5), used("people", "01-16", 1, subject="a"))
    usage = expected("01-20", *facts)
    assert list(usage.facts) == list(facts)


def test_an_account_that_opened_within_the_period_is_averaged_from_its_opening() -> None:
    usage = expected("01-24", called("01-24", 10), since="01-24")
    assert used_of(METERS["toll-free"], usage.facts) == 10 * 60 + 21 * 10 * 60


@pytest.mark.parametrize("today", ["02-14", "02-15", "01-14"])
def test_nothing_is_to_be_expected_of_a_period_that_is_over_or_has_not_begun(today: str) -> None:
    usage = expected(today, called("01-20", 10))
    assert len(usage.facts) == 1


# --- single records ----------------------------------------------------------------------------------


def test_a_record_costs_something_by_itself_where_it_is_summed_and_nothing_is_included() -> None:
    assert [code for code, meter in METERS.items() if has_own_price(meter)] == ["local", "events"]
    assert price_of_units(METERS["local"], 90, Decimal("0.015")) == Decimal("0.0225")
    assert price_of_units(METERS["events"], 3, Decimal("0.5")) == Decimal("1.5")
