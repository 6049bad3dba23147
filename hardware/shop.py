"""What an account can order in the panel, and what an order would cost (ORD-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from accounts.models import Account
from accounts.trail import Actor
from billing.catalogue import prices_on
from billing.engine import Draft, Line
from billing.explain import (
    begins_words,
    cost_box,
    cost_line,
    days_words,
    delay_words,
    describe,
    preview,
    waits_words,
)
from billing.gather import decimals_of
from billing.models import Charge, Family, Product
from billing.orders import Item, place_order
from billing.preview import cost_of
from billing.queries import product_names
from hardware.shipments import ship_all
from telephony.contact_center import LICENCES, STORAGE
from telephony.models import ContactCenter, Edition

GROUPS: Final = (
    (Family.HARDWARE, "Phones and accessories"),
    (Family.LICENCE, "Licences"),
    (Family.NUMBER, "Numbers"),
    (Family.CONTACT_CENTER, "Contact Center"),
)
# A whole invoice is no news; what an order adds to it is.
MOST_NEWS: Final = 20

Items = Sequence[Item]


@dataclass(frozen=True, slots=True)
class Offer:
    """A product with today's price, in the account's currency."""

    product: Product
    price: Decimal

    @property
    def per(self) -> str:
        """What the price is for."""
        return "a month" if self.product.is_recurring else "once"

    @property
    def begins(self) -> str:
        """When billing of it would begin, in words (BIL-3)."""
        if self.product.family == Family.NUMBER:
            # What it costs once it is assigned depends on whom it goes to (NUM-3, NUM-4).
            return f"parked, billed {delay_words(self.product)}"
        return f"billed {delay_words(self.product)}"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Offers that belong together."""

    label: str
    offers: Sequence[Offer]


def shelves(account: Account, today: date) -> list[Shelf]:
    """What the account can order today: contact center items only where one is installed. Three queries.

    Recording storage is changed on its own page, as one package takes the place of another.
    """
    families = [family for family, _ in GROUPS]
    products = list(Product.objects.filter(family__in=families, is_on_sale=True).order_by("rank", "code"))
    prices = prices_on([product.pk for product in products], account, today)
    contact_center = ContactCenter.objects.filter(account=account).first()
    found = []
    for family, label in GROUPS:
        offers = [
            Offer(product, prices[product.pk])
            for product in products
            if product.family == family and product.pk in prices and _is_offered(product, contact_center)
        ]
        if offers:
            found.append(Shelf(label, offers))
    return found


def _is_offered(product: Product, contact_center: ContactCenter | None) -> bool:
    if product.family != Family.CONTACT_CENTER:
        return True
    if contact_center is None or product.pk in STORAGE:
        return False
    return not product.is_licence or product.pk == LICENCES[Edition(contact_center.edition)]


@dataclass(frozen=True, slots=True)
class Priced:
    """What an order costs: the box of its sums, what is new on the next invoice, and that with all of it shipped.

    `seen`: one text for all that a person was shown.
    """

    box: dict[str, Any]
    news: Sequence[dict[str, Any]]
    more: int
    shipped_total: Decimal | None
    seen: str


def price_order(account: Account, items: Items, *, actor: Actor, at: datetime) -> Priced:
    """What an order would cost, found by placing it and taking it back (ORD-3).

    Raises Refused as placing it would, and BillingFault where the next invoice cannot be drawn.
    """
    cost = cost_of(account, lambda: place_order(account, items, actor=actor, at=at))
    shipped_total = None
    if any(item[0].family == Family.HARDWARE for item in items):
        shipped = cost_of(
            account, lambda: ship_all(place_order(account, items, actor=actor, at=at), actor, at)
        )
        shipped_total = shipped.after.total
    decimals = decimals_of(account.currency)
    box = cost_box(account, cost) | {"begins_on": None, "begins_text": ""}
    box["lines"] = [
        cost_line(charge, decimals) | {"note": _when(charge)} for charge in cost.opened if charge.monthly
    ]
    news = _news(account, cost.before, cost.after)
    told = (
        box["monthly"],
        box["once"],
        box["next_on"],
        box["next_then"],
        [line["label"] for line in box["lines"]],
    )
    return Priced(box, news[:MOST_NEWS], max(0, len(news) - MOST_NEWS), shipped_total, repr(told))


def _when(charge: Charge) -> str:
    """How often and from when a charge is billed."""
    often = "a month" if charge.product.is_recurring else "once"
    if charge.billing_starts_on is None:
        return f"{often}, {waits_words(charge.basis)}"
    begins = begins_words(charge.basis, charge.basis_days)
    return f"{often}, from {charge.billing_starts_on.isoformat()}, {begins}"


def _news(account: Account, before: Draft, after: Draft) -> list[dict[str, Any]]:
    """By how much the lines of the next invoice grow with the order; of a new line that is all of it."""
    known: dict[tuple[object, ...], Decimal] = {}
    for line in before.lines:
        known[_same(line)] = known.get(_same(line), Decimal(0)) + line.amount
    _, shown = preview(account, after, product_names(), most=len(after.lines))
    news = []
    for line, said in zip(after.lines, shown, strict=True):
        amount = line.amount - known.pop(_same(line), Decimal(0))
        if amount:
            dates = days_words(line.starts_on, line.ends_on)
            news.append({"label": describe(said), "dates": dates, "amount": amount})
    return news


def _same(line: Line) -> tuple[object, ...]:
    """What two lines have in common that say the same of more or fewer units."""
    return (line.section, line.product, line.unit_price, line.starts_on, line.ends_on, line.subject, line.why)
