"""Random stories through the simulator, against a naive second reading of the rules (BIL-9, LIC-1, NUM, ONB)."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from billing.engine import Line
from billing.models import InvoiceLine
from billing.simulate import Outcome, simulate
from billing.stories import read
from tests.properties import examples
from tests.stories.naive import naive

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
PACKAGES = ["pay-per-use", "toll-free-500", "toll-free-1000", "toll-free-225000"]

quantities = st.integers(1, 4)
users = st.sampled_from(USERS)
numbers = st.sampled_from(NUMBERS)
services = st.sampled_from([*sorted(SERVICES), "contact-center"])
removable = st.sampled_from(sorted(SERVICES))
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


@st.composite
def stories(draw: st.DrawFn) -> dict[str, Any]:
    """An account with people, licences, numbers and services from the first day, to which much happens."""
    opened = draw(
        st.sampled_from([date(2026, 1, 10), date(2026, 1, 31), date(2027, 11, 28), date(2028, 1, 3)])
    )
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
    on = opened
    told = [{"on": on, **event} for event in beginning]
    for event in draw(st.lists(events, min_size=1, max_size=25)):
        on += timedelta(days=draw(st.sampled_from([0, 0, 0, 0, 1, 1, 5, 6, 7, 8, 16, 30, 31])))
        told.append({"on": on, **event})
    return {
        "until": on + timedelta(days=draw(st.sampled_from([0, 1, 35]))),
        "account": {
            "name": "Random",
            "opened": opened,
            "bdom": draw(st.sampled_from([1, 5, 10, 15, 28, 29, 30, 31])),
            "timezone": draw(st.sampled_from(["America/New_York", "Pacific/Honolulu", "Pacific/Auckland"])),
            "toll_free_upgrade_in_onboarding": draw(st.booleans()),
            "auto_activate_after_days": draw(st.sampled_from([None, None, 1, 14, 31, 60])),
        },
        "prices": PRICES,
        "events": told,
    }


def products_of(lines: list[InvoiceLine] | tuple[Line, ...]) -> Mapping[str, tuple[Fraction, int]]:
    """The amount and the number of lines of each product."""
    found: dict[str, tuple[Fraction, int]] = defaultdict(lambda: (Fraction(0), 0))
    for line in lines:
        amount, count = found[line.product]
        found[line.product] = (amount + Fraction(line.amount), count + 1)
    return found


def by_date(outcome: Outcome) -> dict[date, Mapping[str, tuple[Fraction, int]]]:
    """What each invoice and the next one hold."""
    found = {invoice.issued_on: products_of(lines) for invoice, lines in outcome.invoices}
    found[outcome.next_invoice.on] = products_of(outcome.next_invoice.lines)
    return found


@pytest.mark.django_db
@examples(40)
@given(stories())
def test_invoices_are_what_each_day_by_itself_comes_to(story: dict[str, Any]) -> None:
    """BIL-9: every invoice and the next one, product by product, within half a cent for each line."""
    expected = naive(story)
    outcome = simulate(read(story))
    assert [refusal.event.number for refusal in outcome.refused] == expected.refused
    found = by_date(outcome)
    cent = Fraction(Decimal("0.01"))
    for on, amounts in expected.invoices.items():
        billed = found.get(on, {})
        note(f"{on}: expected { {k: float(v) for k, v in amounts.items()} }, billed {dict(billed)}")
        for product in PRICES:
            amount, count = billed.get(product, (Fraction(0), 0))
            assert abs(amount - amounts.get(product, Fraction(0))) <= cent / 2 * count, (on, product)
    assert set(found) <= set(expected.invoices)
