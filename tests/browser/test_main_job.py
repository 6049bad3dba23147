"""The main job, in a real browser: from the first licence to the invoice in finance's export.

Played twice, with script and without it. On the way each page is looked at in both themes for what would
keep people out, and nothing may be logged as an error or asked of another host.
"""

from __future__ import annotations

import csv
import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, Role, User
from accounts.permissions import FINANCE, SUPPORT
from billing.models import Invoice, InvoiceRun, LicenceAssignment
from telephony.inventory import add_block
from telephony.models import Number, NumberState
from tests.browser.visitor import Visitor
from tests.factories import PASSWORD, TESTS, AccountFactory, BrandFactory, EndUserFactory, member, staff

# The server works in threads of its own, so what tests write has to be committed.
pytestmark = pytest.mark.django_db(transaction=True)

DAYS_TO_BDOM = 12
FREE_DAYS = 7
UNIT = Decimal("24.99")
QUANTITY = 3


@dataclass
class World:
    """An account whose billing day is twelve days ahead, and who signs in."""

    account: Account
    admin: User
    bookkeeper: User
    supporter: User
    today: date

    @property
    def bdom_on(self) -> date:
        """The account's next billing day."""
        return self.today + timedelta(days=DAYS_TO_BDOM)

    @property
    def days(self) -> int:
        """The days of the billing period that ends on the billing day (BIL-1)."""
        month_before = self.bdom_on.replace(day=1) - timedelta(days=1)
        last = monthrange(month_before.year, month_before.month)[1]
        return (self.bdom_on - month_before.replace(day=min(self.account.bdom, last))).days

    @property
    def partial(self) -> Decimal:
        """The days from the end of the free ones to the billing day, worked out by hand (BIL-3, BIL-4)."""
        share = UNIT * QUANTITY * (DAYS_TO_BDOM - FREE_DAYS) / self.days
        return share.quantize(Decimal("0.01"), ROUND_HALF_UP)

    @property
    def total(self) -> Decimal:
        """The partial month and the month ahead."""
        return self.partial + UNIT * QUANTITY


@pytest.fixture
def world(panel: LiveServer) -> World:
    now = timezone.now()
    today = now.date()
    brand = BrandFactory(name="CONTROL PANEL", slug="control-panel", invoice_prefix="CP")
    account = AccountFactory(
        brand=brand,
        slug="harbor-dental",
        name="Harbor Dental",
        timezone="UTC",
        bdom=(today + timedelta(days=DAYS_TO_BDOM)).day,
        opened_on=today,
        at=now,
    )
    add_block(brand, "+16175550120", 5, actor=TESTS, at=now)
    return World(
        account,
        admin=member(account, Role.ADMIN, full_name="Devon Pratt", email="devon@example.com"),
        bookkeeper=staff(FINANCE, full_name="Ines Calder", email="ines@example.com"),
        supporter=staff(SUPPORT, full_name="Theo Lang", email="theo@example.com"),
        today=today,
    )


def money(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def test_from_the_first_licence_to_the_export_of_finance(
    visitor: Visitor, world: World, tmp_path: Path
) -> None:
    visitor.signs_in(world.admin)
    visitor.sees("Harbor Dental")
    buy_licences(visitor, world)
    give_a_number_to_a_new_user(visitor)
    see_the_next_invoice(visitor, world)
    bill(world)
    number = see_the_invoice_and_why(visitor, world)
    visitor.signs_out()
    visitor.signs_in(world.bookkeeper)
    export_it(visitor, world, number, tmp_path)
    visitor.signs_out()
    visitor.signs_in(world.supporter)
    see_the_run(visitor, world)


def buy_licences(visitor: Visitor, world: World) -> None:
    """LIC-1: what it costs and from when is said before the button that costs it."""
    visitor.goes_to("/a/harbor-dental/licences/")
    visitor.page.locator("main").get_by_role("link", name="Add licences").first.click()
    visitor.page.get_by_label("Quantity").fill(str(QUANTITY))
    if not visitor.has_script:
        visitor.presses("Buy licences")
        visitor.sees("Add licences: 3 × UC licence")
    box = visitor.page.locator("#cost-box")
    expect(box).to_contain_text(f"Per month{money(UNIT * QUANTITY)}")
    expect(box).to_contain_text("after 7 free days")
    expect(box).to_contain_text(f"With this{money(world.total)}")
    visitor.looks()
    visitor.presses("Buy licences")
    visitor.sees("Licences")
    row = visitor.page.get_by_role("row", name=re.compile("^UC licence")).first
    expect(row).to_contain_text("3")


def give_a_number_to_a_new_user(visitor: Visitor) -> None:
    """LIC-1, NUM-1, NUM-3."""
    page = visitor.page
    visitor.goes_to("/a/harbor-dental/users/")
    page.locator("main").get_by_role("link", name="Add user").first.click()
    visitor.looks()
    page.get_by_label("Name", exact=True).fill("Nadia Flores")
    page.get_by_label("E-mail address").fill("nadia@harbordental.example")
    visitor.presses("Add user")
    visitor.sees("Nadia Flores")
    visitor.follows("Assign licence")
    page.get_by_role("group", name="UC licence").get_by_label("The account's own").check()
    visitor.presses("Save")
    assert LicenceAssignment.objects.get(unassigned_on=None).end_user.name == "Nadia Flores"

    visitor.goes_to("/a/harbor-dental/numbers/add/")
    page.get_by_role("searchbox", name="Area code, like 212").fill("617")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_label(re.compile(r"\(617\) 555-0122")).check()
    if not visitor.has_script:
        visitor.presses("Show what it costs")
    expect(page.locator("#cost-box")).to_contain_text("30 free days")
    visitor.looks()
    visitor.presses("Add number")
    visitor.sees("(617) 555-0122")
    visitor.follows("Assign number")
    page.get_by_label(re.compile("Nadia Flores")).check()
    visitor.presses("Assign number")
    visitor.sees("(617) 555-0122")
    expect(page.get_by_text("Included, at no charge")).to_be_visible()
    number = Number.objects.get()
    assert (number.state, str(number.holder)) == (NumberState.ASSIGNED, "Nadia Flores")


def see_the_next_invoice(visitor: Visitor, world: World) -> None:
    """BIL-10, BIL-11: the partial month and the month ahead are two lines, and the number is none."""
    visitor.goes_to("/a/harbor-dental/billing/next/")
    lines = visitor.page.locator(".invoice-line")
    expect(lines).to_have_count(2)
    expect(lines.nth(0)).to_contain_text(money(world.partial))
    expect(lines.nth(1)).to_contain_text(money(UNIT * QUANTITY))
    expect(visitor.page.locator("main")).to_contain_text(f"Total{money(world.total)}")
    visitor.goes_to("/a/harbor-dental/")
    expect(visitor.page.locator("main")).to_contain_text(money(world.total))


def bill(world: World) -> None:
    """The billing day comes, and with it the run (BIL-7)."""
    call_command("bill", on=world.bdom_on.isoformat(), ahead=True, stdout=StringIO())
    invoice = Invoice.objects.get()
    assert (invoice.issued_on, invoice.total) == (world.bdom_on, world.total)


def see_the_invoice_and_why(visitor: Visitor, world: World) -> str:
    """BIL-11. Returns the invoice's number."""
    page = visitor.page
    visitor.goes_to("/a/harbor-dental/billing/invoices/")
    visitor.follows("CP-000001")
    visitor.sees("Invoice CP-000001")
    expect(page.locator("main")).to_contain_text(money(world.total))
    line = page.locator("details.invoice-line").first
    expect(line.locator(".invoice-why")).to_be_hidden()
    line.locator("summary").click()
    expect(line.locator(".invoice-formula")).to_contain_text(f"5 of {world.days} days")
    expect(line.locator(".invoice-formula")).to_contain_text(money(world.partial))
    expect(line.locator(".invoice-why")).to_contain_text("7-day delay")
    visitor.looks()
    line.get_by_role("link", name=re.compile("^BIL-")).first.click()
    visitor.looks()
    assert "/help/billing/" in page.url
    page.go_back()
    return "CP-000001"


def export_it(visitor: Visitor, world: World, number: str, folder: Path) -> None:
    """INV-5: finance finds the invoice, and the lines of its file come to the same."""
    page = visitor.page
    visitor.goes_to("/finance/")
    row = page.get_by_role("row", name=re.compile(number))
    expect(row).to_contain_text("Harbor Dental")
    expect(row).to_contain_text(money(world.total))
    expect(page.locator("main")).to_contain_text("Equals the lines")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export lines").click()
    file = folder / "lines.csv"
    download.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        lines = list(csv.DictReader(opened))
    assert {line["invoice"] for line in lines} == {number}
    assert sum(Decimal(line["amount"]) for line in lines) == world.total
    assert all(line["ledger_code"] for line in lines)
    visitor.follows(number)
    visitor.sees(re.compile(number))


def see_the_run(visitor: Visitor, world: World) -> None:
    """The run that made it, with its counts and total."""
    run = InvoiceRun.objects.get()
    visitor.goes_to("/staff/runs/")
    row = visitor.page.get_by_role("row", name=re.compile(rf"^Run {run.pk}\b"))
    expect(row).to_contain_text("Finished")
    expect(row).to_contain_text(money(world.total))
    visitor.follows(f"Run {run.pk}")
    visitor.sees(f"Run {run.pk}")


# --- without a mouse -------------------------------------------------------------------------

MOST_TABS = 60


def tab_to(page: Page, what: str) -> None:
    """Press Tab until what the selector finds has the focus; nothing else may be in the way for long."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("what => document.activeElement.matches(what)", what):
            return
    raise AssertionError(f"{what} cannot be reached with the keyboard")


def has_a_ring(page: Page) -> bool:
    """Whether one can see where the focus is."""
    ring = """() => {
        const style = getComputedStyle(document.activeElement);
        return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
    }"""
    return bool(page.evaluate(ring))


def test_an_end_user_is_added_with_the_keyboard_alone(
    page: Page, context: BrowserContext, panel: LiveServer, world: World
) -> None:
    """A wrong e-mail address on the way: the summary takes the focus, and what was typed is kept."""
    EndUserFactory(account=world.account, name="Ruth Kim", email="ruth@harbordental.example")
    page.goto(f"{panel.url}/sign-in/")
    page.keyboard.type(world.admin.email)
    tab_to(page, "input[name=password]")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/a/harbor-dental/")
    page.goto(f"{panel.url}/a/harbor-dental/users/add/")
    tab_to(page, "main input[name=name]")
    assert has_a_ring(page)
    page.keyboard.type("Nadia Flores")
    tab_to(page, "main input[name=email]")
    page.keyboard.type("ruth@harbordental.example")
    tab_to(page, "main button[type=submit]")
    assert has_a_ring(page)
    page.keyboard.press("Enter")
    summary = page.locator(".error-summary")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("Ruth Kim")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Nadia Flores")
    tab_to(page, ".error-summary a[href*=email]")
    page.keyboard.press("Enter")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("nadia@harbordental.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nadia Flores")
    assert world.account.end_users.get(name="Nadia Flores").email == "nadia@harbordental.example"
