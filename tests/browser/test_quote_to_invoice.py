"""From a quote to the first invoice, in a real browser: accepted, shipped in parts, a phone that starts, billed.

Played twice, with script and without it. Three people of the provider and the customer take part; the phone
asks for its configuration as phones do.
"""

from __future__ import annotations

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
from playwright.sync_api import Page, expect

from accounts.models import OutgoingMail, User
from accounts.permissions import SALES, SUPPORT
from billing.models import Invoice, Order, OrderState, Quote, QuoteState
from hardware.models import Device
from tests.billing.world import price
from tests.browser.visitor import Visitor
from tests.factories import BrandFactory, staff

# The server works in threads of its own, so what tests write has to be committed.
pytestmark = pytest.mark.django_db(transaction=True)

LICENCE, PHONE, WAY = Decimal("30.00"), Decimal("80.00"), Decimal("15.00")
LICENCES, PHONES = 2, 3
FREE_DAYS = 7
QUOTED = LICENCE * LICENCES + PHONE * PHONES + WAY
FIRST, SECOND = "00:15:65:0A:0B:01", "00:15:65:0A:0B:02"
PASSWORD_OF_ANN = "a long way round the harbour"


@dataclass
class World:
    """Who sells and who ships, and the day on which all of it happens, which becomes the billing day."""

    seller: User
    supporter: User
    today: date

    @property
    def bdom_on(self) -> date:
        """The first billing day: a month later, or the last day of a shorter month (BIL-1)."""
        month = (self.today.replace(day=1) + timedelta(days=32)).replace(day=1)
        return month.replace(day=min(self.today.day, monthrange(month.year, month.month)[1]))

    @property
    def partial(self) -> Decimal:
        """The days after the free ones to the billing day, worked out by hand (BIL-3, BIL-4)."""
        days = (self.bdom_on - self.today).days
        share = LICENCE * LICENCES * (days - FREE_DAYS) / days
        return share.quantize(Decimal("0.01"), ROUND_HALF_UP)

    @property
    def total(self) -> Decimal:
        """One of the phones has not shipped; the partial month comes on top."""
        return QUOTED - PHONE + self.partial


@pytest.fixture
def world(panel: object) -> World:
    BrandFactory(name="CONTROL PANEL", slug="control-panel", invoice_prefix="CP")
    for code in ("uc-licence", "phone-desk-basic", "shipping"):
        price(code, "99.00")
    return World(
        seller=staff(SALES, full_name="Nora Whitlock", email="nora@example.com"),
        supporter=staff(SUPPORT, full_name="Theo Lang", email="theo@example.com"),
        today=timezone.now().date(),
    )


def money(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def test_from_the_quote_to_the_first_invoice(visitor: Visitor, world: World, tmp_path: Path) -> None:
    """ORD-1, ORD-2, ORD-4, ORD-5, ORD-6, BIL-10."""
    visitor.signs_in(world.seller)
    link = compose_and_send(visitor, world)
    visitor.signs_out()
    accept(visitor, world, link)
    order = Order.objects.get()
    visitor.signs_in(world.supporter)
    ship_by_hand(visitor, order)
    ship_by_file(visitor, order, tmp_path)
    visitor.signs_out()
    sign_in_as_owner(visitor)
    see_the_order(visitor, order)
    assign_the_phone(visitor)
    start_the_phone(visitor)
    see_the_way_from_the_quote(visitor, world, "First invoice, as it will be")
    bill(world)
    see_the_way_from_the_quote(visitor, world, "First invoice, CP-000001")
    visitor.follows("First invoice, CP-000001")
    visitor.sees("Invoice CP-000001")
    expect(visitor.page.locator("main")).to_contain_text(money(world.total))


def compose_and_send(visitor: Visitor, world: World) -> str:
    """ORD-1: what the first invoices would be stands beside the form. Returns the customer's link."""
    page = visitor.page
    visitor.goes_to("/staff/quotes/")
    visitor.follows("New quote")
    page.get_by_label("Company", exact=True).fill("Blue Harbor")
    page.get_by_label("Contact", exact=True).fill("Ann Reyes")
    page.get_by_label("E-mail address").fill("ann@blueharbor.example")
    page.get_by_label("Time zone").select_option("UTC")
    page.get_by_label(re.compile("^Shipping address")).fill("12 Quay Street\nPortsmouth, NH 03801")
    offered = {
        "UC licence": (LICENCES, LICENCE),
        "Desk phone, basic": (PHONES, PHONE),
        "Shipping and handling": (1, WAY),
    }
    for name, (units, amount) in offered.items():
        page.get_by_label(f"{name}: quantity").fill(str(units))
        page.get_by_label(f"{name}: agreed price").fill(str(amount))
    if not visitor.has_script:
        visitor.presses("Work out invoices")
    box = page.locator("#cost-box")
    expect(box).to_contain_text(money(QUOTED + world.partial), timeout=20_000)
    expect(box).to_contain_text(f"Per month{money(LICENCE * LICENCES)}")
    visitor.looks()
    visitor.presses("Save draft")
    visitor.sees(re.compile("^Quote Q-"))
    visitor.presses("Send quote")
    expect(page.locator("main")).to_contain_text("is on its way to ann@blueharbor.example")
    link: str = page.locator("main p.break a").inner_text()
    assert link in OutgoingMail.objects.get(kind="quote-sent").text
    return "/quotes/" + link.partition("/quotes/")[2]


def accept(visitor: Visitor, world: World, link: str) -> None:
    """ORD-1, ORD-2: nobody is signed in; read, on paper too, and accepted by name. Nothing is there before."""
    page = visitor.page
    visitor.goes_to(link)
    expect(page.locator("main")).to_contain_text(f"{money(LICENCE * LICENCES)} a month")
    paper = page.get_by_role("link", name="Quote as PDF").get_attribute("href")
    assert page.request.get(f"{visitor.home}{paper}").body().startswith(b"%PDF-")
    assert not Order.objects.exists()
    page.get_by_label("Your name").first.fill("Ann Reyes")
    visitor.presses("Accept quote")
    expect(page.locator("main")).to_contain_text("What happens next")
    quote = Quote.objects.select_related("account").get()
    assert quote.state == QuoteState.ACCEPTED
    assert quote.account is not None
    assert quote.account.bdom == world.today.day


def ship_by_hand(visitor: Visitor, order: Order) -> None:
    """ORD-5: in the administration, one of three phones, with its MAC."""
    page = visitor.page
    page.goto(f"{visitor.home}/admin/billing/order/")
    page.get_by_role("link", name=str(order), exact=True).click()
    page.get_by_role("link", name="Ship…").click()
    expect(page.locator("#content")).to_contain_text("12 Quay Street")
    page.get_by_label("Units that leave").fill("1")
    page.get_by_label("MAC and serial of each").fill(f"{FIRST} SN-1")
    page.get_by_label("Tracking number").fill("1Z1")
    page.get_by_role("button", name="Record shipment").click()
    # Other costs than those that were shown at first, so they are looked at.
    expect(page.locator("#content")).to_contain_text(money(PHONE + WAY))
    page.get_by_role("button", name="Record shipment").click()
    expect(page.locator("#content")).to_contain_text("SN-1")


def ship_by_file(visitor: Visitor, order: Order, folder: Path) -> None:
    """ORD-5: the warehouse's file ships the second one."""
    page = visitor.page
    file = folder / "warehouse.csv"
    file.write_text(
        "order,product,quantity,mac,serial,carrier,tracking\n"
        f"{order.pk},phone-desk-basic,1,{SECOND},SN-2,UPS,1Z2\n"
    )
    page.goto(f"{visitor.home}/admin/billing/order/warehouse/")
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Look at its rows").click()
    page.get_by_role("button", name="Record all shipments").click()
    expect(page.locator(".messagelist")).to_contain_text("1 shipment is recorded")
    assert set(Device.objects.values_list("mac", flat=True)) == {FIRST, SECOND}
    page.goto(visitor.home)


def sign_in_as_owner(visitor: Visitor) -> None:
    """ORD-2: the message of the acceptance has the way in."""
    mail = OutgoingMail.objects.get(kind="quote-accepted")
    found = re.search(r"https?://[^/]+(/\S+)", mail.text)
    assert found is not None
    visitor.goes_to(found[1])
    for label in ("New password", "The same again"):
        visitor.page.get_by_label(label, exact=True).fill(PASSWORD_OF_ANN)
    visitor.presses("Set password and sign in")
    visitor.sees("Blue Harbor")


def see_the_order(visitor: Visitor, order: Order) -> None:
    """ORD-5: two have left, one waits, and the way is charged with the first parcel."""
    visitor.goes_to("/a/blue-harbor/orders/")
    visitor.follows(str(order))
    told = visitor.page.locator("main")
    for words in ("Shipped 2 of 3", "1 to ship", "1Z1", "1Z2", "by Ann Reyes", "12 Quay Street"):
        expect(told).to_contain_text(words)
    expect(visitor.page.get_by_role("row", name=re.compile("^Shipping and handling"))).to_contain_text(
        f"1 for {money(WAY)}, next invoice"
    )
    assert Order.objects.get().state == OrderState.PROCESSING


def assign_the_phone(visitor: Visitor) -> None:
    """ORD-6: to a person, with the address that emergency calls give acknowledged."""
    page = visitor.page
    visitor.goes_to("/a/blue-harbor/users/add/")
    page.get_by_label("Name", exact=True).fill("Ruth Kim")
    visitor.presses("Add user")
    visitor.sees("Ruth Kim")
    visitor.goes_to("/a/blue-harbor/locations/add/")
    address = {
        "Name": "Head office",
        "Street and house number": "12 Quay Street",
        "City": "Portsmouth",
        "State, province or region": "NH",
        "Postal code": "03801",
    }
    for label, value in address.items():
        page.get_by_label(re.compile(f"^{label}")).fill(value)
    visitor.presses("Add location")
    visitor.sees("Head office")
    visitor.goes_to("/a/blue-harbor/devices/")
    page.get_by_role("row", name=re.compile(FIRST)).get_by_role("link", name="Assign").click()
    visitor.looks()
    page.get_by_label(re.compile("Ruth Kim")).check()
    page.get_by_label("Emergency location").select_option(index=1)
    visitor.presses("Assign device")
    expect(page.locator(".error-summary")).to_be_visible()
    page.get_by_label("I confirm that emergency services").check()
    visitor.presses("Assign device")
    facts = page.locator("#facts")
    expect(facts).to_contain_text("It is not active yet.")
    expect(facts.get_by_role("listitem").filter(has_text="Rebooted")).to_contain_text("Missing")


def start_the_phone(visitor: Visitor) -> None:
    """ORD-6: it fetches its file when it has started; a wrong secret finds nothing."""
    page: Page = visitor.page
    server = page.locator("code").first.inner_text()
    path = "/provision/" + server.partition("/provision/")[2].strip("/")
    file = page.locator("code").nth(1).inner_text()
    assert page.request.get(f"{visitor.home}/provision/wrong/{file}?boot=1").status == 404
    answer = page.request.get(f"{visitor.home}{path}/{file}?boot=1")
    assert answer.status == 200
    page.reload()
    visitor.looks()
    expect(page.locator("#facts")).to_contain_text("It is active.")
    expect(page.locator("#facts")).not_to_contain_text("Missing")


def see_the_way_from_the_quote(visitor: Visitor, world: World, after: str) -> None:
    """ORD-4: each difference with its reason, and the sums of the page add up, as preview and as issued."""
    page = visitor.page
    visitor.goes_to("/a/blue-harbor/billing/")
    visitor.goes_to("/a/blue-harbor/billing/quote/")
    card = page.locator("#walk")
    expect(card).to_contain_text("Not shipped: Desk phone, basic")
    expect(card).to_contain_text("Partial month: UC licence")
    expect(card).to_contain_text(after)
    amounts = [
        Decimal(text.replace("−", "-").replace("$", "").replace("+", "").replace(",", ""))
        for text in re.findall(r"[−+]?\$[\d,]+\.\d\d", card.inner_text())
    ]
    assert amounts == [QUOTED, -PHONE, world.partial, world.total]
    assert sum(amounts[:-1]) == amounts[-1]


def bill(world: World) -> None:
    """The billing day comes, and with it the run (BIL-7)."""
    call_command("bill", on=world.bdom_on.isoformat(), ahead=True, stdout=StringIO())
    invoice = Invoice.objects.get()
    assert (invoice.issued_on, invoice.total) == (world.bdom_on, world.total)
