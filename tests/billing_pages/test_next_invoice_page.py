"""The next invoice: the whole document, the why of each line, the bridge, and calm where it cannot be drawn."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Role
from billing.licences import add_licences, remove_licences
from billing.models import Charge, Invoice, InvoiceLine, Product
from telephony.numbers import add_number
from tests.billing_pages.conftest import OPENED, Story
from tests.factories import staff

PAGE = "/a/acme/billing/next/"

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def test_the_first_invoice_with_its_formulas(story: Story, uc: Product, owner_client: Client) -> None:
    """BIL-4, BIL-11: the partial month and the month ahead are two lines, each with its numbers, rule and origin."""
    story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
    story.play(date(2026, 1, 20))
    answer = owner_client.get(PAGE)
    page = answer.content.decode()
    assert "29.99 × 5 × 29 of 31 days" in page
    assert "29.99 × 5 =" in page
    assert answer.context["invoice"]["total"] == Decimal("290.23")
    assert "7-day delay from Jan 10, 2026" in page
    assert "Bought 5 × UC licence, by Olivia Owner" in page
    assert 'href="/help/billing/#BIL-3"' in page
    assert "It will be the first invoice" in page


def test_the_preview_is_the_invoice_that_comes(story: Story, uc: Product, owner_client: Client) -> None:
    """BIL-10: what the page shows before the BDOM is what is issued on it."""
    story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
    story.on(date(2026, 1, 31), lambda by: add_number(story.account, "+12125550100", **by))
    story.play()
    shown = owner_client.get(PAGE).context["invoice"]
    story.play(date(2026, 3, 15))
    issued = Invoice.objects.get(account=story.account, issued_on=date(2026, 3, 15))
    assert shown["total"] == issued.total
    lines = InvoiceLine.objects.filter(invoice=issued).values_list("amount", flat=True)
    assert [line["amount"] for section in shown["sections"] for line in section["lines"]] == list(lines)


def test_the_bridge_leads_from_the_last_to_this(story: Story, uc: Product, owner_client: Client) -> None:
    """BIL-11: totals and changes add up exactly."""
    story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
    story.on(date(2026, 2, 20), lambda by: remove_licences(story.account, uc, 2, **by))
    story.play()
    answer = owner_client.get(PAGE)
    first, *steps, last = answer.context["bridge"]
    assert (first["amount"], last["amount"]) == (Decimal("290.23"), answer.context["draft"].total)
    assert first["amount"] + sum(step["amount"] for step in steps) == last["amount"]
    told = {step["label"]: step["amount"] for step in steps}
    assert told == {
        "Partial months": Decimal("-140.28"),
        "Ended": Decimal("-59.98"),
        "Credits": Decimal("-49.27"),
    }
    assert "2 × UC licence" in answer.content.decode()


def test_an_invoice_that_cannot_be_drawn_is_said_calmly(
    story: Story, uc: Product, owner_client: Client
) -> None:
    """A missing price is told by the product's name on each page that would show the next invoice; never a 500."""
    story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
    story.play(date(2026, 1, 20))
    Charge.objects.update(unit_price=None)
    for address in (PAGE, "/a/acme/billing/", "/a/acme/"):
        answer = owner_client.get(address)
        assert answer.status_code == 200
        assert "The next invoice cannot be drawn" in answer.content.decode()
        assert "UC licence has no price yet" in answer.content.decode()
        assert f"charge {Charge.objects.get().pk}" not in answer.content.decode()
    assert owner_client.get("/a/acme/licences/add/").status_code == 200


def test_nothing_to_bill(account: Account, owner_client: Client) -> None:
    """An account without charges has an empty document, not an error."""
    assert "Nothing to bill" in owner_client.get(PAGE).content.decode()


@pytest.mark.parametrize("units", [1, 260])
def test_queries(
    units: int, story: Story, uc: Product, opens_cheaply: OpensCheaply, owner_client: Client
) -> None:
    """No more queries for many lines than for one, first drawn or kept; the rest of the lines is a page on."""
    story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
    story.play(date(2026, 2, 20))
    a_charge = Charge.objects.get()
    Charge.objects.bulk_create(
        Charge(
            account=story.account, product_id="number-local", quantity=1, unit_price=Decimal("2.50"),
            state="billing", added_on=OPENED, billing_starts_on=OPENED, start_recorded_on=OPENED,
            basis="additional-number", basis_on=OPENED, subject=f"number:{place}",
            subject_label=f"+1212555{place:04d}",
        )
        for place in range(units)
    )  # fmt: skip
    assert a_charge.pk
    opens_cheaply(owner_client, PAGE)
    opens_cheaply(owner_client, PAGE)
    support = Client()
    support.force_login(staff("Support"))
    opens_cheaply(support, PAGE)
    if units > 200:
        second = owner_client.get(PAGE, {"from": "201"})
        assert second.context["shown"]["last"] == 261
        assert second.context["shown"]["previous"] == 1
        whole = sum(section["subtotal"] for section in second.context["invoice"]["sections"])
        assert whole == second.context["invoice"]["total"]


def test_a_line_that_is_not_there_begins_at_the_beginning(account: Account, owner_client: Client) -> None:
    """Whatever ?from= holds, the page opens."""
    for asked in ("0", "-3", "999999999999", "²", "x", ""):
        assert owner_client.get(PAGE, {"from": asked}).context["shown"]["first"] == 1


@pytest.mark.parametrize("role", list(Role))
def test_every_member_reads_it(role: Role, role_client: Callable[[Role], Client]) -> None:
    """ACC-1: billing pages are for all members, the billing role among them."""
    assert role_client(role).get(PAGE).status_code == 200
