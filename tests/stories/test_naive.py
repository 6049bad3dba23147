"""Random stories through the simulator, against a naive second reading of the rules.

BIL-9, LIC-1, NUM, ONB, USE, SUB.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from billing.engine import Line, Section
from billing.models import InvoiceLine
from billing.simulate import Outcome, simulate
from billing.stories import read
from tests.properties import examples
from tests.stories import naive_usage
from tests.stories.naive import DECIMALS, naive

PRICES = {
    "uc-licence": "29.99",
    "number-local": "2.53",
    "number-toll-free": "4.1",
    "resource-line": "12.99",
    "fax-line": "15.001",
    "webfax": "9.5",
    "auto-attendant": "11",
    "cc-express-licence": "39",
    "cc-pro-licence": "79.99",
    "cc-elite-licence": "109.005",
    "cc-activation-fee": "50",
    "cc-channel-chat": "15",
    "cc-addon-wfo": "45.5",
    "cc-recording-10": "9",
    "toll-free-500": "12.5",
    "toll-free-1000": "22",
    "toll-free-225000": "3375",
}
USERS = ["Ann", "Bob"]
NUMBERS = ["+12125550101", "+12125550102", "+12125550103", "+14155550104", "+18005550105", "+18885550106"]
SERVICES = {
    "Front desk": "resource-line",
    "Fax": "fax-line",
    "Web": "webfax",
    "Day": "auto-attendant",
    "Night": "auto-attendant",
    "Weekend": "auto-attendant",
    "Sales": "hunt-group",
}
LICENCE = {"product": "uc-licence"}
SEATS = ["cc-express-licence", "cc-pro-licence", "cc-elite-licence"]
ITEMS = ["cc-channel-chat", "cc-addon-wfo", "cc-recording-10"]
ZONES = ["America/New_York", "Pacific/Honolulu", "Pacific/Auckland"]
PACKAGES = ["pay-per-use", "toll-free-500", "toll-free-1000", "toll-free-225000"]
# As few minutes as some calls use up.
PACKAGE_TERMS = {
    "toll-free-500": {"minutes": 7, "overage": "0.025"},
    "toll-free-1000": {"minutes": 20, "overage": "0.0245"},
    "toll-free-225000": {"minutes": 50, "overage": "0"},
}
RATES: dict[str, dict[str, Any]] = {
    "domestic-local": {"per_unit": "0.011", "minimum_seconds": 0, "increment_seconds": 1},
    "domestic-long-distance": {"per_unit": "0.02", "minimum_seconds": 45, "increment_seconds": 60},
    "toll-free-inbound": {"per_unit": "0.033", "minimum_seconds": 30, "increment_seconds": 6},
    "toll-free-inbound-ak-hi-pr-vi": {"per_unit": "0.08", "minimum_seconds": 60, "increment_seconds": 60},
    "toll-free-inbound-canada": {"per_unit": "0.0605", "minimum_seconds": 60, "increment_seconds": 60},
    "international": {
        "per_unit": "0.25",
        "minimum_seconds": 60,
        "increment_seconds": 30,
        "prefixes": {"+44": "0.05", "+447": "0.205", "+1876": "0.3", "+1": "0.9"},
    },
    "agents": {"per_unit": "95"},
    "ivr-ports": {"per_unit": "25.5"},
    "connect-messages": {"per_unit": "0.009"},
    "ai-agent": {"per_unit": "0.99"},
    "ai-assistant": {"per_unit": "0.255"},
    "outbound-ivr": {"per_unit": "0.05"},
}
METERS = ["agents", "agents", "ivr-ports", "connect-messages", "ai-agent", "ai-assistant", "outbound-ivr"]
SUBSCRIPTIONS = ["North", "South", "West"]

quantities = st.integers(1, 4)
users = st.sampled_from(USERS)
numbers = st.sampled_from(NUMBERS)
services = st.sampled_from([*sorted(SERVICES), "contact-center"])
removable = st.sampled_from(sorted(SERVICES))
names = st.sampled_from(SUBSCRIPTIONS)
outside = st.sampled_from(
    [
        "+12125550199",
        "+14155550199",
        "+16175550199",
        "+19075550199",
        "+18085550199",
        "+17875550199",
        "+13405550199",
        "+14165550199",
        "+16045550199",
        "+18765550199",
        "+18005550199",
        "+442079460000",
        "+447700900123",
        "+33123456789",
    ]
)
# How many days before it is told a call happened, and at which time of the day there.
ages = st.sampled_from([0, 0, 0, 1, 6, 16, 31, 45, -1])
times = st.sampled_from([time(0, 0), time(0, 30), time(12), time(23, 59)])
seconds = st.sampled_from([0, 1, 30, 31, 59, 60, 61, 119, 360, 361, 1200])
quantities_used = st.integers(1, 9)
seats = st.sampled_from(SEATS)
items = st.sampled_from(ITEMS)

events = st.one_of(
    st.builds(lambda n: {"do": "add_licences", "quantity": n, **LICENCE}, quantities),
    st.builds(lambda n: {"do": "remove_licences", "quantity": n, **LICENCE}, quantities),
    st.builds(lambda u: {"do": "assign_licence", "user": u, **LICENCE}, users),
    st.builds(lambda u: {"do": "unassign_licence", "user": u, **LICENCE}, users),
    st.builds(lambda s: {"do": "add_service", "service": s, "kind": SERVICES[s]}, removable),
    st.builds(lambda s: {"do": "remove_service", "service": s}, removable),
    st.builds(lambda n: {"do": "buy_number", "number": n}, numbers),
    st.builds(lambda n, to: {"do": "assign_number", "number": n, "to": to}, numbers, users),
    st.builds(lambda n, to: {"do": "assign_number", "number": n, "to": to}, numbers, services),
    st.builds(lambda n: {"do": "park_number", "number": n}, numbers),
    st.builds(lambda n: {"do": "release_number", "number": n}, numbers),
)
contact_center_events = st.one_of(
    st.builds(
        lambda e: {"do": "install_contact_center", "edition": e}, st.sampled_from(["express", "pro", "elite"])
    ),
    st.just({"do": "activate_contact_center"}),
    st.builds(lambda p, n: {"do": "add_licences", "product": p, "quantity": n}, seats, st.integers(1, 3)),
    st.builds(lambda p, n: {"do": "remove_licences", "product": p, "quantity": n}, seats, st.integers(1, 2)),
    st.builds(lambda p, n: {"do": "add_item", "product": p, "quantity": n}, items, st.integers(1, 3)),
    st.builds(lambda p, n: {"do": "remove_item", "product": p, "quantity": n}, items, st.integers(1, 2)),
    st.builds(lambda p: {"do": "set_toll_free_package", "package": p}, st.sampled_from(PACKAGES)),
)


def a_call(
    ids: int, ours: str, theirs: str, length: int, age: int, at: time, is_inbound: bool
) -> dict[str, Any]:
    """A call; its age becomes a time when its day is known."""
    caller, called = (theirs, ours) if is_inbound else (ours, theirs)
    return {"do": "call", "id": f"c{ids}", "from": caller, "to": called, "seconds": length, "age": (age, at)}


calls = st.builds(
    a_call,
    st.integers(1, 60),
    st.sampled_from([*NUMBERS, *NUMBERS[-2:] * 3]),
    outside,
    seconds,
    ages,
    times,
    st.booleans(),
)
toll_free_calls = st.builds(
    a_call,
    st.integers(61, 120),
    st.just(NUMBERS[-2]),
    st.sampled_from(["+12125550199", "+16175550199", "+442079460000"]),
    seconds,
    ages,
    times,
    st.just(True),
)
other_usage = st.builds(
    lambda i, m, n, of, who: (
        {"do": "usage", "id": f"u{i}", "meter": m, "quantity": n}
        | ({"subscription": of} if of else {})
        | ({"subject": who} if who else {})
    ),
    st.integers(1, 99),
    st.sampled_from(METERS),
    quantities_used,
    st.one_of(st.none(), names),
    st.sampled_from(["ann", "ann", "bob", "eve", "dan", ""]),
)
terms = st.dictionaries(st.sampled_from(METERS), st.integers(1, 8), max_size=4)
subscription_events = st.one_of(
    st.builds(
        lambda name, wait, days, mode, option, commitments, product, n: (
            {
                "do": "add_subscription",
                "subscription": name,
                "wait": wait,
                "days": days,
                "licence_mode": mode,
                "telephony_option": option,
                "commitments": commitments,
            }
            | ({"product": product, "quantity": n} if product else {})
        ),
        names,
        st.sampled_from([0, 0, 0, 1, 5, 20, 40]),
        st.sampled_from([0, 1, 10, 31, 60, 90, 365, 1900]),
        st.sampled_from(["concurrent", "concurrent", "concurrent", "named"]),
        st.sampled_from(["webex-calling", "webex-calling", "webex-calling", "vpop"]),
        terms,
        st.sampled_from(["", "cc-pro-licence", "cc-addon-wfo"]),
        quantities,
    ),
    st.builds(lambda s: {"do": "end_subscription", "subscription": s}, names),
    st.builds(
        lambda s, n: {"do": "add_licences", "product": "cc-pro-licence", "quantity": n, "subscription": s},
        names,
        quantities,
    ),
    st.builds(
        lambda s, n: {"do": "remove_licences", "product": "cc-pro-licence", "quantity": n, "subscription": s},
        names,
        st.integers(1, 2),
    ),
)
used_events = st.one_of(
    calls,
    toll_free_calls,
    toll_free_calls,
    other_usage,
    other_usage,
    other_usage,
    subscription_events,
    contact_center_events,
)
FIRST_SUBSCRIPTION = {"do": "add_subscription", "wait": 0, "telephony_option": "webex-calling"}


def dated(on: date, event: dict[str, Any], zone: str) -> dict[str, Any]:
    """An event on its day, with what its day decides: when a call happened, when a term begins and ends."""
    told = {"on": on, **event}
    if "age" in told:
        age, at = told.pop("age")
        if age or at != time(12):
            told["at"] = datetime.combine(on - timedelta(days=age), at, ZoneInfo(zone)).astimezone(UTC)
    if "wait" in told:
        told["starts"] = on + timedelta(days=told.pop("wait"))
        told["ends"] = told["starts"] + timedelta(days=told.pop("days"))
    return told


OPENED = [date(2026, 1, 10), date(2026, 1, 31), date(2027, 11, 28), date(2028, 1, 3)]
STEPS = [0, 0, 0, 0, 1, 1, 5, 6, 7, 8, 16, 30, 31]


@st.composite
def stories(draw: st.DrawFn) -> dict[str, Any]:
    """An account with people, licences, numbers and services from the first day, to which much happens."""
    # Everything that can be named is made at the beginning or near it, so that names are never malformed.
    beginning: list[dict[str, Any]] = [
        {"do": "add_licences", "quantity": draw(st.integers(2, 5)), **LICENCE},
        *({"do": "add_user", "user": user} for user in USERS),
        *({"do": "assign_licence", "user": user, **LICENCE} for user in USERS),
        *({"do": "buy_number", "number": number} for number in NUMBERS),
        *({"do": "add_service", "service": name, "kind": kind} for name, kind in SERVICES.items()),
    ]
    if draw(st.booleans()):
        # Most of what can happen to a contact center needs one that is in onboarding.
        beginning.append({"do": "install_contact_center", "edition": draw(st.sampled_from(["pro", "elite"]))})
    return told_of(
        draw,
        beginning,
        draw(st.lists(st.one_of(events, contact_center_events, used_events), min_size=1, max_size=25)),
    )


@st.composite
def stories_of_usage(draw: st.DrawFn) -> dict[str, Any]:
    """An account with two numbers and most often a subscription or two, that is much used."""
    beginning: list[dict[str, Any]] = [{"do": "buy_number", "number": number} for number in NUMBERS[-3:-1]]
    mode = draw(st.sampled_from(["concurrent", "concurrent", "named"]))
    for name in SUBSCRIPTIONS[: draw(st.sampled_from([0, 1, 1, 2, 2]))]:
        days = draw(st.sampled_from([20, 45, 60, 365]))
        own = {"subscription": name, "days": days, "licence_mode": mode, "commitments": draw(terms)}
        beginning.append({**FIRST_SUBSCRIPTION, **own})
    beginning.append({"do": "set_toll_free_package", "package": draw(st.sampled_from(PACKAGES))})
    return told_of(draw, beginning, draw(st.lists(used_events, min_size=1, max_size=25)))


def told_of(draw: st.DrawFn, beginning: list[dict[str, Any]], later: list[dict[str, Any]]) -> dict[str, Any]:
    """The story of what happened on the first day, and then on days of their own."""
    opened, zone = draw(st.sampled_from(OPENED)), draw(st.sampled_from(ZONES))
    on = opened
    told = [dated(on, event, zone) for event in beginning]
    for event in later:
        on += timedelta(days=draw(st.sampled_from(STEPS)))
        told.append(dated(on, event, zone))
    made = {event["subscription"] for event in told if event["do"] == "add_subscription"}
    return {
        "until": on + timedelta(days=draw(st.sampled_from([0, 1, 35]))),
        "account": {
            "name": "Random",
            "opened": opened,
            "bdom": draw(st.sampled_from([1, 5, 10, 15, 28, 29, 30, 31])),
            "currency": draw(st.sampled_from(["USD", "USD", "USD", "JPY", "KWD"])),
            "timezone": zone,
            "toll_free_upgrade_in_onboarding": draw(st.booleans()),
            "auto_activate_after_days": draw(st.sampled_from([None, None, 1, 14, 31, 60])),
        },
        "prices": PRICES,
        "rates": RATES,
        "packages": PACKAGE_TERMS,
        # A name that no event makes would be an error.
        "events": [event for event in told if event.get("subscription") in {None, *made}],
    }


def products_of(lines: Sequence[InvoiceLine | Line]) -> Mapping[str, tuple[Fraction, int]]:
    """The amount and the number of lines of each product; usage is another matter."""
    found: dict[str, tuple[Fraction, int]] = defaultdict(lambda: (Fraction(0), 0))
    for line in lines:
        if line.section == Section.USAGE:
            continue
        amount, count = found[line.product]
        found[line.product] = (amount + Fraction(line.amount), count + 1)
    return found


def usage_of(lines: Sequence[InvoiceLine | Line]) -> list[naive_usage.Line]:
    """The lines of usage, in an order of their own."""
    return ordered(
        naive_usage.Line(
            line.product,
            line.starts_on,
            line.ends_on,
            Fraction(line.quantity),
            Fraction(line.unit_price),
            Fraction(line.amount),
            line.subscription,
        )
        for line in lines
        if line.section == Section.USAGE
    )


def shown(lines: Sequence[naive_usage.Line]) -> list[naive_usage.Line]:
    """Lines with their quantities as invoices show them: with four decimals."""
    return ordered(line._replace(minutes_or_units=round(line.minutes_or_units, 4)) for line in lines)


def ordered(lines: Iterable[naive_usage.Line]) -> list[naive_usage.Line]:
    """Lines by meter, dates and price."""
    return sorted(lines, key=lambda line: (*line[:6], line.subscription or ""))


def by_date(outcome: Outcome) -> dict[date, Sequence[InvoiceLine | Line]]:
    """The lines of each invoice and of the next one."""
    found: dict[date, Sequence[InvoiceLine | Line]] = {
        invoice.issued_on: lines for invoice, lines in outcome.invoices
    }
    found[outcome.next_invoice.on] = outcome.next_invoice.lines
    return found


@pytest.mark.django_db
@examples(20)
@given(stories())
def test_invoices_are_what_each_day_by_itself_comes_to(story: dict[str, Any]) -> None:
    """BIL-9: every invoice and the next one, product by product, within half a cent for each line."""
    assert_as_naive(story)


@pytest.mark.django_db
@examples(30)
@given(stories_of_usage())
def test_usage_is_what_its_records_one_by_one_come_to(story: dict[str, Any]) -> None:
    """USE-2 to USE-5, SUB-1 to SUB-7, SUB-10: usage line by line, to the cent."""
    assert_as_naive(story)


def assert_as_naive(story: dict[str, Any]) -> None:
    """The invoices, the next one and the refusals of a story are those of the naive reading."""
    expected = naive(story)
    outcome = simulate(read(story))
    assert [refusal.event.number for refusal in outcome.refused] == expected.refused
    found = by_date(outcome)
    cent = Fraction(1, 10 ** DECIMALS[story["account"]["currency"]])
    for on, amounts in expected.invoices.items():
        billed = products_of(found.get(on, ()))
        note(f"{on}: expected { {k: float(v) for k, v in amounts.items()} }, billed {dict(billed)}")
        for product in PRICES:
            amount, count = billed.get(product, (Fraction(0), 0))
            assert abs(amount - amounts.get(product, Fraction(0))) <= cent / 2 * count, (on, product)
        assert usage_of(found.get(on, ())) == shown(expected.usage[on]), on
    assert set(found) <= set(expected.invoices)
