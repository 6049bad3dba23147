"""What only a browser shows: the cost follows the form, lines open, nothing is in anybody's way."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from billing.licences import add_licences
from billing.models import Charge, Product
from tests.billing_pages.conftest import OPENED, Story
from tests.browsing import barriers

# The catalogue comes from a migration, and real transactions are taken back by emptying every table.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def clock() -> None:
    """The browser's own time: nothing here depends on the day."""


@pytest.fixture
def signed_in(account: Account, owner: User, sign_in: Callable[[User], None], panel: LiveServer) -> str:
    """The account's own address, for its owner."""
    sign_in(owner)
    return f"{panel.url}/a/{account.slug}"


def test_the_cost_follows_the_form_and_one_press_buys(page: Page, signed_in: str) -> None:
    """With script the cost is seen beside the form, so no second step asks for it."""
    page.goto(f"{signed_in}/licences/add/")
    box = page.locator("#cost-box")
    expect(box).to_contain_text("$29.99")
    page.get_by_label("Quantity").fill("5")
    expect(box).to_contain_text("$149.95")
    expect(page.locator("#seen")).to_have_value(re.compile(r"^uc-licence:5:149\.95:"))
    page.get_by_role("button", name="Buy licences").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Licences")
    expect(page.locator(".toast")).to_contain_text("Bought 5 × UC licence")
    assert Charge.objects.get().quantity == 5


def test_a_quantity_that_is_none_is_said_in_the_box(page: Page, signed_in: str) -> None:
    page.goto(f"{signed_in}/licences/add/")
    page.get_by_label("Quantity").fill("0")
    expect(page.locator("#cost-box")).to_contain_text("Choose a licence")
    expect(page.locator("#seen")).to_have_value("")


def test_a_line_opens_to_its_why(page: Page, signed_in: str, story: Story, uc: Product) -> None:
    """BIL-11."""
    story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
    story.play(date(2026, 1, 20))
    page.goto(f"{signed_in}/billing/next/")
    line = page.locator("details.invoice-line").first
    expect(line.locator(".invoice-formula")).to_be_hidden()
    line.locator("summary").click()
    expect(line.locator(".invoice-formula")).to_contain_text("29.99 × 5")
    expect(line.get_by_role("link", name="BIL-")).to_be_visible()


@pytest.mark.parametrize(
    "place",
    [
        "/",
        "/billing/",
        "/billing/next/",
        "/billing/invoices/",
        "/billing/charges/",
        "/licences/",
        "/licences/add/",
    ],
)
def test_nothing_keeps_people_out(place: str, page: Page, signed_in: str, story: Story, uc: Product) -> None:
    """WCAG 2.2 AA, on a phone as on a wide screen; nothing is wider than the screen."""
    story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
    story.play(date(2026, 2, 20))
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{signed_in}{place}")
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
