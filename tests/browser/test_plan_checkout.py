"""Seed 3 step by step, in a real browser: choose, the total follows, Next, a card, pay, done, the invoice.

Played with script and without it, and each page is looked at in both themes for what would keep people out. On
the way a card is declined, and a bank asks for a confirmation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, Role, User
from billing.models import Invoice, Payment, Plan, PlanState
from tests.browser.visitor import Visitor
from tests.browsing import watch
from tests.factories import AccountFactory, BrandFactory, member
from tests.planned import give_discounts, registered, save_card

# The server works in threads of its own, so what tests write has to be committed.
pytestmark = pytest.mark.django_db(transaction=True)

PLANS = "/a/harbor-dental/plans/"


@pytest.fixture
def account(panel: LiveServer) -> Account:
    now = timezone.now()
    give_discounts()
    brand = BrandFactory(name="CONTROL PANEL", slug="control-panel", invoice_prefix="CP")
    found: Account = AccountFactory(
        brand=brand, slug="harbor-dental", name="Harbor Dental", timezone="UTC", opened_on=now.date(), at=now
    )
    return found


@pytest.fixture
def admin(account: Account) -> User:
    return member(account, Role.ADMIN, full_name="Devon Pratt", email="devon@example.com")


@pytest.fixture(params=[True, False], ids=["with script", "without script"])
def visitor(
    request: pytest.FixtureRequest, browser: Browser, panel: LiveServer, admin: User
) -> Iterator[Visitor]:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        locale="en-US",
        timezone_id="UTC",
        reduced_motion="reduce",
        java_script_enabled=request.param,
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    faults = watch(page, panel.url)
    found = Visitor(page, request.param, panel.url)
    found.signs_in(admin)
    yield found
    context.close()
    assert not faults, "\n".join(faults)


def chooses(visitor: Visitor, package: str, quantity: int, cycle: str) -> None:
    """Select and adjust, as the article says."""
    page = visitor.page
    for choice in (package, cycle):
        page.get_by_label(re.compile(f"^{choice}")).check()
        page.wait_for_load_state("networkidle")
    page.get_by_label("Quantity").fill(str(quantity))
    if not visitor.has_script:
        visitor.presses("Show total")
    expect(page.locator("#cost-box")).to_contain_text(f"{quantity} accounts")


def adds_a_card(visitor: Visitor, what: str) -> None:
    """By the bank's own page, and back to where it was begun."""
    visitor.presses("Add a card")
    visitor.follows("Continue to the secure page")
    visitor.sees("Choose a test card")
    visitor.page.get_by_label(re.compile(what)).check()
    visitor.presses("Save card")
    visitor.sees("Review and pay")


def test_a_plan_is_registered_and_upgraded(visitor: Visitor, account: Account) -> None:
    """PLN-1, PLN-3, PLN-4."""
    page = visitor.page
    visitor.goes_to(PLANS)
    expect(page.get_by_text("No plan yet")).to_be_visible()
    visitor.follows("Register plan")

    # Packages, price, quantity and cycle; the total is price × quantity × months less the discount.
    chooses(visitor, "Contact Center 2", 100, "12 months")
    box = page.locator("#cost-box")
    expect(box).to_contain_text("$37,800.00")
    expect(box).to_contain_text("35.00 × 100 × 12 months")
    chooses(visitor, "Contact Center 2", 10, "3 months")
    expect(box).to_contain_text("$1,018.50")
    visitor.looks()
    visitor.presses("Next")

    # The information is checked, and a payment method selected. The first card is declined.
    visitor.sees("Review and pay")
    expect(page.locator("main")).to_contain_text("To pay now$1,018.50")
    adds_a_card(visitor, "Every payment is declined")
    visitor.presses("Pay $1,018.50")
    expect(page.get_by_role("alert")).to_contain_text("Visa ···· 0002 was not charged.")
    assert not Plan.objects.exists()

    # Nothing is lost: another card, and it is done, with the invoice.
    adds_a_card(visitor, "Every payment succeeds")
    expect(page.get_by_label(re.compile("4242"))).to_be_checked()
    visitor.presses("Pay $1,018.50")
    visitor.sees("Your plan is registered")
    visitor.follows(str(Invoice.objects.get().number))
    visitor.sees(re.compile("^Plan invoice CP-"))

    # Back and reload charge nothing.
    page.go_back()
    page.reload()
    visitor.sees("Your plan is registered")
    page.go_back()
    page.go_back()
    page.reload()
    assert Payment.objects.count() == 1

    # The plan stands there with all that the article names, and is upgraded.
    visitor.goes_to(PLANS)
    card = page.locator(".plan-card")
    for told in ("Contact Center 2", "$1,018.50", "3 months", "Active", "Next payment", "Registered from"):
        expect(card).to_contain_text(told)
    visitor.follows("Upgrade plan")
    chooses(visitor, "Contact Center 3", 12, "3 months")
    expect(box).to_contain_text("To pay today")
    visitor.presses("Next")
    page.get_by_label(re.compile("4242")).check()
    visitor.presses("Pay $1,041.78")
    visitor.sees("Your plan is upgraded")
    visitor.follows("See your plan")
    expect(card).to_contain_text("Contact Center 3 × 12 accounts")


def test_a_bank_asks_for_a_confirmation(visitor: Visitor, account: Account) -> None:
    """INV-6: there, refused, there again, confirmed; the plan begins with that."""
    page = visitor.page
    save_card(account, "asks", at=timezone.now())
    visitor.goes_to(f"{PLANS}choose/")
    chooses(visitor, "Contact Center 1", 5, "1 month")
    visitor.presses("Next")
    for answer in ("Refuse", "Confirm"):
        visitor.presses("Pay $95.00")
        visitor.sees("Your bank asks you to confirm")
        visitor.follows("Continue to your bank")
        visitor.sees("Confirm this payment")
        visitor.presses(answer)
        if answer == "Refuse":
            expect(page.get_by_role("alert")).to_contain_text("The payment was not confirmed.")
    visitor.sees("Your plan is registered")
    assert Plan.objects.get().state == PlanState.ACTIVE
    assert Payment.objects.count() == 1


def test_a_bank_that_does_not_answer_is_waited_for(visitor: Visitor, account: Account) -> None:
    """INV-6: the page follows by itself; without script a link does."""
    save_card(account, "silent", at=timezone.now())
    visitor.goes_to(f"{PLANS}choose/")
    chooses(visitor, "Contact Center 1", 5, "1 month")
    visitor.presses("Next")
    visitor.page.get_by_role("button", name="Pay $95.00").click()
    if not visitor.has_script:
        visitor.sees("We wait for the bank’s answer")
        visitor.follows("Look again")
    visitor.sees("Your plan is registered")
    assert Payment.objects.count() == 1


def test_less_waits_for_the_renewal_and_the_plan_can_be_left(visitor: Visitor, account: Account) -> None:
    """PLN-4."""
    page = visitor.page
    registered(account, 2, 10, at=timezone.now())
    visitor.goes_to(PLANS)
    visitor.follows("Upgrade plan")
    chooses(visitor, "Contact Center 2", 4, "1 month")
    expect(page.locator("#cost-box")).to_contain_text("Nothing is charged now")
    visitor.presses("Next")
    visitor.sees("Change at the renewal")
    visitor.presses("Change at the renewal")
    expect(page.locator(".plan-change")).to_contain_text("Contact Center 2, 4 accounts, 1 month")
    visitor.follows("Unsubscribe")
    visitor.presses("Unsubscribe plan")
    expect(page.locator(".plan-card")).to_contain_text("it does not renew")
    visitor.presses("Keep plan")
    expect(page.locator(".plan-card")).to_contain_text("renews by itself")
    visitor.follows("Details")
    visitor.sees("Plan details")


def test_on_a_phone_nothing_is_cut_off(
    page: Page, panel: LiveServer, sign_in: Callable[[User], None], admin: User, account: Account
) -> None:
    """390 pixels wide, no page is wider."""
    sign_in(admin)
    registered(account, 2, 10, at=timezone.now())
    save_card(account, at=timezone.now())
    page.set_viewport_size({"width": 390, "height": 844})
    for address in (PLANS, f"{PLANS}choose/", f"{PLANS}details/", "/a/harbor-dental/billing/cards/"):
        page.goto(f"{panel.url}{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
