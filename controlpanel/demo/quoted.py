"""Two quotes: one was accepted and has its first invoice, one is with the customer."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from accounts.models import User
from accounts.trail import Actor
from billing.models import Quote
from billing.quote_drafts import Details, compose_quote
from billing.quote_sending import send_quote
from billing.quotes import accept_quote
from controlpanel.demo import cast
from controlpanel.demo.stage import Stage, Story
from hardware.shipments import Parcel, Unit, ship

OWNER: Final = "hannah@saltmarsh.example"
ZONE: Final = "America/New_York"
# Days before today.
COMPOSED, ACCEPTED, SHIPPED, BILLED, OFFERED = 27, 24, 12, 4, 1


def quoted(stage: Stage) -> Story:
    """A bookshop accepts, and three of its four phones have shipped; a veterinary practice thinks about it."""
    today = stage.now.astimezone(ZoneInfo(ZONE)).date()
    seller = stage.staff[cast.SELLER]
    yield _at(today, COMPOSED, "09:40")
    at = _at(today, COMPOSED, "09:40")
    quote = _write(stage, _bookshop(stage, today), BOOKSHOP, seller, at)
    send_quote(quote, actor=seller, at=at + timedelta(minutes=12))
    yield _at(today, ACCEPTED, "15:05")
    at = _at(today, ACCEPTED, "15:05")
    customer = Actor(task=f"the link of quote {quote}", address="203.0.113.140")
    accepted = accept_quote(quote, by="Hannah Mercer", actor=customer, at=at)
    User.objects.filter(email=OWNER).update(password=stage.hashed)
    yield _at(today, SHIPPED, "11:20")
    if accepted.order is not None:
        phones = accepted.order.lines.select_related("order__account", "product").get(
            product="phone-desk-basic"
        )
        units = [Unit(f"00:15:65:5A:17:{number:02X}", f"SB-{number:04}") for number in (1, 2, 3)]
        ship(
            accepted.order,
            [Parcel(phones, 3, units)],
            carrier="UPS",
            tracking="1Z999AA10123456784",
            actor=stage.staff[cast.ONBOARDER],
            at=_at(today, SHIPPED, "11:20"),
        )
    yield _at(today, OFFERED, "10:15")
    at = _at(today, OFFERED, "10:15")
    quote = _write(stage, _practice(stage, today), PRACTICE, seller, at)
    send_quote(quote, actor=seller, at=at + timedelta(minutes=25))


BOOKSHOP: Final = {
    "uc-licence": (6, "27.50"),
    "resource-line": (1, "9.95"),
    "phone-desk-basic": (4, "79.00"),
    "shipping": (1, "18.00"),
}
PRACTICE: Final = {
    "uc-licence": (14, "25.95"),
    "cc-pro-licence": (2, "69.00"),
    "phone-desk-basic": (10, "75.00"),
    "shipping": (1, "45.00"),
}


def _write(
    stage: Stage, details: Details, items: dict[str, tuple[int, str]], seller: Actor, at: datetime
) -> Quote:
    lines = {stage.products[code]: (units, Decimal(price)) for code, (units, price) in items.items()}
    return compose_quote(details, lines, actor=seller, at=at)


def _bookshop(stage: Stage, today: date) -> Details:
    return Details(
        brand=stage.brands[cast.CONTROL_PANEL],
        company="Saltmarsh Books",
        contact_name="Hannah Mercer",
        contact_email=OWNER,
        currency="USD",
        timezone=ZONE,
        language="en-us",
        valid_until=today - timedelta(days=COMPOSED - 30),
        bdom=(today - timedelta(days=BILLED)).day,
        billing_address="12 Quay Street\nPortsmouth, NH 03801",
        shipping_address="12 Quay Street\nPortsmouth, NH 03801",
        terms="Monthly, no minimum term.\nPhones come with two years of warranty.",
    )


def _practice(stage: Stage, today: date) -> Details:
    return Details(
        brand=stage.brands[cast.HOSTPILOT],
        company="Otter Creek Veterinary",
        contact_name="Miles Okafor",
        contact_email="miles@ottercreek.example",
        currency="USD",
        timezone=ZONE,
        language="en-us",
        valid_until=today + timedelta(days=29),
        edition="pro",
        billing_address="480 Mill Road\nMiddlebury, VT 05753",
        shipping_address="480 Mill Road\nMiddlebury, VT 05753",
        terms="Monthly, no minimum term.",
    )


def _at(today: date, days_ago: int, clock: str) -> datetime:
    return datetime.combine(
        today - timedelta(days=days_ago), time.fromisoformat(clock), tzinfo=ZoneInfo(ZONE)
    )
