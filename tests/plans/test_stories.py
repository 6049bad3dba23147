"""Plans in the simulator: by stories worked out by hand, and by random ones against a second, naive reading.

PLN-3, PLN-4, BIL-1, BIL-8, SIM-1.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.models import Plan, PlanDiscount
from billing.simulate import as_json, simulate
from billing.stories import StoryError, read
from tests.properties import examples

pytestmark = pytest.mark.django_db

A, B = "plan-contact-center-1", "plan-contact-center-2"
PRICES = {A: "19.99", B: "35"}
DISCOUNTS = {"3": "0.05", "12": "0.15"}


def story(
    events: list[dict[str, Any]], until: str, opened: str = "2026-01-10", **more: Any
) -> dict[str, Any]:
    """What a story comes to, as JSON."""
    told = {
        "until": until,
        "account": {"opened": opened, **more},
        "prices": PRICES,
        "plan_discounts": DISCOUNTS,
        "events": events,
    }
    return as_json(simulate(read(told)))


def told(outcome: dict[str, Any]) -> list[str]:
    """Each invoice in a line: kind, date, and its lines."""
    return [
        f"{invoice['kind']} {invoice['date']} {invoice['period'][1]} · "
        + " · ".join(
            f"{line['quantity']} × {line['product']} {line['from']} to {line['to']} "
            f"{line['days']}/{line['of_days']} {line['amount']}"
            for line in invoice["lines"]
        )
        for invoice in outcome["invoices"]
    ]


def test_a_plan_is_paid_at_once_and_its_increase_too() -> None:
    """PLN-3, PLN-4: 10 × 19.99 × 12 less 15% is 2038.98; the difference to 15 is 1019.49, for 335 of 365 days."""
    outcome = story(
        [
            {"on": "2026-01-31", "do": "register_plan", "plan": A, "quantity": 10, "months": 12},
            {"on": "2026-03-02", "do": "change_plan", "quantity": 15},
        ],
        "2026-04-01",
    )
    assert told(outcome) == [
        f"plan 2026-01-31 2027-01-31 · 10 × {A} 2026-01-31 to 2027-01-31 365/365 2038.98",
        f"plan 2026-03-02 2027-01-31 · 15 × {A} 2026-03-02 to 2027-01-31 335/365 935.70",
    ]
    (line,) = outcome["invoices"][0]["lines"]
    assert line == {
        "section": "recurring",
        "product": A,
        "quantity": 10,
        "unit_price": "19.99",
        "from": "2026-01-31",
        "to": "2027-01-31",
        "days": 365,
        "of_days": 365,
        "amount": "2038.98",
        "subscription": None,
        "why": "19.99 × 10 × 12 months less 15%",
    }
    assert outcome["invoices"][0]["total"] == "2038.98"
    assert outcome["refused"] == []


def test_a_plan_renews_with_what_was_chosen_until_it_is_unsubscribed() -> None:
    """PLN-4, BIL-1: by its own calendar, from the 31st."""
    outcome = story(
        [
            {"on": "2026-01-31", "do": "register_plan", "plan": B, "quantity": 2, "months": 1},
            {"on": "2026-02-10", "do": "change_plan", "plan": A},
            {"on": "2026-04-01", "do": "unsubscribe_plan"},
        ],
        "2026-07-01",
    )
    assert told(outcome) == [
        f"plan 2026-01-31 2026-02-28 · 2 × {B} 2026-01-31 to 2026-02-28 28/28 70.00",
        f"plan 2026-02-28 2026-03-31 · 2 × {A} 2026-02-28 to 2026-03-31 31/31 39.98",
        f"plan 2026-03-31 2026-04-30 · 2 × {A} 2026-03-31 to 2026-04-30 30/30 39.98",
    ]


def test_an_outage_changes_nothing_but_when_it_happens() -> None:
    """BIL-8: renewals are made up with their own dates, before what is done meanwhile."""
    events = [
        {"on": "2026-01-31", "do": "register_plan", "plan": A, "quantity": 2, "months": 1},
        {"on": "2026-04-05", "do": "change_plan", "quantity": 3},
        {"on": "2026-04-06", "do": "change_plan", "quantity": 1},
    ]
    outage = {"on": "2026-02-20", "do": "outage", "until": "2026-05-20"}
    without = story(events, "2026-06-01")
    assert told(without)[3].startswith("plan 2026-04-05 2026-04-30")
    assert story([outage, *events], "2026-06-01")["invoices"] == without["invoices"]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([{"do": "change_plan", "quantity": 2}], "no active plan"),
        ([{"do": "unsubscribe_plan"}], "There is no plan"),
        ([{"do": "register_plan", "plan": A, "quantity": 1, "months": 1}] * 2, "There is a plan already"),
        (
            [
                {"do": "register_plan", "plan": A, "quantity": 2, "months": 1},
                {"do": "unsubscribe_plan"},
                {"do": "change_plan", "quantity": 1},
            ],
            "Keep the plan first",
        ),
    ],
)
def test_what_the_rules_refuse_changes_nothing(events: list[dict[str, Any]], reason: str) -> None:
    """PLN-4, SIM-1: the last event is refused with its number."""
    outcome = story([{"on": "2026-01-20", **event} for event in events], "2026-01-25")
    (refused,) = outcome["refused"]
    assert refused["event"] == len(events)
    assert reason in refused["reason"]


def test_an_event_that_changes_nothing_is_no_refusal() -> None:
    """PLN-4, SIM-1."""
    outcome = story(
        [
            {"on": "2026-01-20", "do": "register_plan", "plan": A, "quantity": 2, "months": 1},
            {"on": "2026-01-21", "do": "change_plan", "quantity": 2},
            {"on": "2026-01-22", "do": "unsubscribe_plan"},
            {"on": "2026-01-23", "do": "unsubscribe_plan"},
        ],
        "2026-01-25",
    )
    assert (outcome["refused"], len(outcome["invoices"])) == ([], 1)


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (
            {"events": [{"do": "register_plan", "plan": "uc-licence", "quantity": 1, "months": 1}]},
            "plan: “uc-licence” is not a plan",
        ),
        ({"events": [{"do": "register_plan", "plan": A, "quantity": 0, "months": 1}]}, "quantity:"),
        (
            {"events": [{"do": "register_plan", "plan": A, "quantity": 1, "months": 2}]},
            "months: is one of 1, 3, 6, 12, 24",
        ),
        ({"events": [{"do": "register_plan", "plan": A, "quantity": 1, "months": True}]}, "months:"),
        ({"events": [{"do": "register_plan", "plan": A, "quantity": 1}]}, "months: is missing"),
        ({"events": [{"do": "change_plan"}]}, "plan: or quantity: is needed"),
        ({"plan_discounts": {"2": "0.1"}}, "plan_discounts: 2: the months of a cycle"),
        ({"plan_discounts": {"x": "0.1"}}, "plan_discounts: x: the months of a cycle"),
        ({"plan_discounts": {"12": "1.1"}}, "plan_discounts: 12: discount: is a share"),
        ({"plan_discounts": {"12": "0.12345"}}, "at most 4 decimals"),
        ({"plan_discounts": {"12": True}}, "plan_discounts: 12: discount:"),
        ({"plan_discounts": 3}, "plan_discounts: is a table"),
    ],
)
def test_a_malformed_story_says_what_is_wrong_and_where(told: dict[str, Any], error: str) -> None:
    """SIM-1."""
    events = [{"on": "2026-01-20", **event} for event in told.pop("events", [])]
    with pytest.raises(StoryError, match=re.escape(error)):
        read({"account": {"opened": "2026-01-10"}, **told, "events": events})


def test_nothing_of_a_story_stays() -> None:
    """SIM-1."""
    story([{"on": "2026-01-20", "do": "register_plan", "plan": A, "quantity": 2, "months": 12}], "2026-01-25")
    assert not Plan.objects.exists()
    assert not PlanDiscount.objects.filter(brand__isnull=False).exists()


# --- a second reading ------------------------------------------------------------------------


def later(start: date, months: int) -> date:
    index = start.year * 12 + start.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(start.day, calendar.monthrange(year, month)[1]))


def cents(amount: Fraction) -> str:
    return str(Decimal(int(amount * 100 + Fraction(1, 2))).scaleb(-2))


class Naive:
    """A plan read once more: a package, a quantity and a cycle, looked at day by day."""

    def __init__(self) -> None:
        self.now: tuple[str, int, int] | None = None
        self.then: tuple[str, int] | None = None
        self.is_leaving = False
        self.invoices: list[tuple[str, str, str, str]] = []
        self.refused = 0

    def total(self, product: str, quantity: int, months: int) -> Fraction:
        off = Fraction(DISCOUNTS.get(str(months), "0"))
        return Fraction(PRICES[product]) * quantity * months * (1 - off)

    def charge(self, on: date, end: date, amount: Fraction) -> None:
        self.invoices.append((str(on), str(on), str(end), cents(amount)))

    def morning(self, day: date) -> None:
        if self.now is None or day != self.end:
            return
        if self.is_leaving:
            self.now, self.then, self.is_leaving = None, None, False
            return
        self.now, self.then = (*(self.then or self.now[:2]), self.now[2]), None
        self.begin(day, self.done + self.now[2])

    def begin(self, day: date, done: int) -> None:
        assert self.now is not None
        if done == 0:
            self.anchor = day
        self.done, self.start = done, day
        self.end = later(self.anchor, done + self.now[2])
        self.charge(day, self.end, self.total(*self.now))

    def play(self, day: date, event: dict[str, Any]) -> None:
        if event["do"] == "register_plan":
            if self.now is not None:
                self.refused += 1
                return
            self.now, self.then = (event["plan"], event["quantity"], event["months"]), None
            self.begin(day, 0)
        elif self.now is None:
            self.refused += 1
        elif event["do"] == "unsubscribe_plan":
            self.is_leaving, self.then = True, None
        else:
            self.change(day, (event.get("plan", self.now[0]), event.get("quantity", self.now[1])))

    def change(self, day: date, wanted: tuple[str, int]) -> None:
        assert self.now is not None
        months = self.now[2]
        more = self.total(*wanted, months) - self.total(*self.now)
        if wanted == self.now[:2]:
            self.then = None
        elif more > 0:
            self.charge(day, self.end, more * (self.end - day).days / (self.end - self.start).days)
            self.now, self.then = (*wanted, months), None
        elif self.is_leaving:
            self.refused += 1
        else:
            self.then = wanted


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 130),
        st.one_of(
            st.fixed_dictionaries(
                {
                    "do": st.just("register_plan"),
                    "plan": st.sampled_from([A, B]),
                    "quantity": st.integers(1, 9),
                    "months": st.sampled_from([1, 3, 12]),
                }
            ),
            st.fixed_dictionaries({"do": st.just("change_plan"), "quantity": st.integers(1, 9)}),
            st.fixed_dictionaries({"do": st.just("change_plan"), "plan": st.sampled_from([A, B])}),
            st.fixed_dictionaries({"do": st.just("unsubscribe_plan")}),
        ),
    ),
    min_size=1,
    max_size=10,
)


@examples(15)
@given(opened=st.dates(date(2027, 10, 1), date(2028, 3, 31)), drawn=EVENTS, bdom=st.integers(1, 31))
def test_any_story_of_a_plan_agrees_with_a_naive_reading(
    opened: date, drawn: list[tuple[int, dict[str, Any]]], bdom: int
) -> None:
    """PLN-3, PLN-4, BIL-9: every invoice, by its date, its days and its cents."""
    naive = Naive()
    by_day: dict[date, list[dict[str, Any]]] = {}
    for offset, event in sorted(drawn, key=lambda pair: pair[0]):
        by_day.setdefault(opened + timedelta(days=offset), []).append(event)
    until = opened + timedelta(days=160)
    for offset in range(161):
        day = opened + timedelta(days=offset)
        naive.morning(day)
        for event in by_day.get(day, []):
            naive.play(day, event)
    events = [{"on": str(day), **event} for day, found in sorted(by_day.items()) for event in found]
    outcome = story(events, str(until), str(opened), bdom=bdom)
    assert [
        (invoice["date"], *invoice["period"], invoice["total"]) for invoice in outcome["invoices"]
    ] == naive.invoices
    assert len(outcome["refused"]) == naive.refused
