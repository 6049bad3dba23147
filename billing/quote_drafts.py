"""Quotes before they are sent: composed, edited, copied, and told what they would cost (ORD-1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import F, Q

from accounts.models import Brand
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.models import Price, Product, Quote, QuoteState
from billing.quotes import QUOTABLE, Forecast, forecast, set_lines, today_of

VALID_FOR: Final = timedelta(days=30)
"""For how long a quote can be accepted unless its representative says otherwise."""

Items = Mapping[Product, tuple[int, Decimal]]


@dataclass(frozen=True, slots=True)
class Details:
    """What a quote says besides its lines; `bdom` None is the day of acceptance, `edition` "" no contact center."""

    brand: Brand
    company: str
    contact_name: str
    contact_email: str
    currency: str
    timezone: str
    language: str
    valid_until: date
    bdom: int | None = None
    edition: str = ""
    billing_address: str = ""
    shipping_address: str = ""
    terms: str = ""


class _Undo(Exception):
    """Ends the transaction of a look ahead."""


def quotable_products() -> list[Product]:
    """What a quote can hold, in the catalogue's order. One query."""
    on_sale = Product.objects.filter(family__in=QUOTABLE, is_on_sale=True)
    return list(on_sale.select_related("brings"))


def list_prices(brand: Brand, currency: str, on: date) -> dict[str, Decimal]:
    """The prices by product code that a brand sells at on a day, in a currency. One query."""
    rows = (
        Price.objects.filter(
            Q(brand=None) | Q(brand=brand),
            product__family__in=QUOTABLE,
            amount_currency=currency,
            effective_on__lte=on,
        )
        .order_by("product", F("brand").asc(nulls_first=True), "effective_on")
        .values_list("product_id", "amount")
    )
    # Later rows replace earlier ones: the brand's own, and the latest, stand last.
    return dict(rows)


def compose_quote(details: Details, items: Items, *, actor: Actor, at: datetime) -> Quote:
    """Write a quote: a draft, until it is sent. Raises Refused where something of it is not quoted."""
    if actor.user is None:
        raise ValueError("a quote is written by a person")
    with transaction.atomic():
        quote = Quote(created_by=actor.user, created_at=at)
        _fill(quote, details)
        quote.save()
        set_lines(quote, _with_fees(quote, items, at))
        record(
            None,
            "compose-quote",
            quote,
            f"Quote {quote} composed for {quote.company}",
            actor=actor,
            at=at,
            after=_shown(quote),
        )
    return quote


def edit_quote(quote: Quote, details: Details, items: Items, *, actor: Actor, at: datetime) -> Quote:
    """Change a draft. Raises Refused where it has been sent, or something of it is not quoted."""
    with transaction.atomic():
        found = Quote.objects.select_for_update(of=("self",)).select_related("brand").get(pk=quote.pk)
        if found.state != QuoteState.DRAFT:
            raise Refused("This quote has been sent, so it does not change. Make a new one.", rule="ORD-1")
        before = _shown(found)
        _fill(found, details)
        found.save()
        set_lines(found, _with_fees(found, items, at))
        after = _shown(found)
        if after != before:
            record(
                None,
                "edit-quote",
                found,
                f"Quote {found} changed",
                actor=actor,
                at=at,
                before={key: value for key, value in before.items() if after.get(key) != value},
                after={key: value for key, value in after.items() if before.get(key) != value},
            )
    return found


def copy_quote(quote: Quote, *, actor: Actor, at: datetime) -> Quote:
    """A new draft that says the same, at the same prices, valid from today on, less what is not sold any more."""
    said = {field.name: getattr(quote, field.name) for field in fields(Details)}
    details = Details(**{**said, "valid_until": today_of(quote, at) + VALID_FOR})
    lines = quote.lines.select_related("product").filter(product__is_on_sale=True)
    items = {line.product: (line.quantity, line.unit_price) for line in lines}
    return compose_quote(details, items, actor=actor, at=at)


def foretell(
    details: Details,
    items: Items,
    *,
    accepted_on: date,
    shipped_on: date | None,
    actor: Actor,
    at: datetime,
) -> Forecast:
    """`forecast` of a quote that is not saved. Raises Refused as it does, and where it could not be saved."""
    found: Forecast | None = None
    try:
        with transaction.atomic():
            quote = compose_quote(details, items, actor=actor, at=at)
            found = forecast(quote, accepted_on=accepted_on, shipped_on=shipped_on)
            raise _Undo
    except _Undo:
        pass
    if found is None:
        raise RuntimeError("a look ahead does not end its transaction")
    return found


def _with_fees(quote: Quote, items: Items, at: datetime) -> Items:
    """The items with what they bring along, such as activation fees, at today's list prices (ONB-10, BIL-6)."""
    units: dict[Product, int] = {}
    for product, (quantity, _) in items.items():
        if product.brings is not None:
            units[product.brings] = units.get(product.brings, 0) + quantity
    listed = list_prices(quote.brand, quote.currency, today_of(quote, at)) if units else {}
    fees = {fee: (count, listed[fee.pk]) for fee, count in units.items() if fee.pk in listed}
    return {**items, **fees}


def _fill(quote: Quote, details: Details) -> None:
    for field in fields(details):
        setattr(quote, field.name, getattr(details, field.name))


def _shown(quote: Quote) -> dict[str, object]:
    """A draft as the trail keeps it."""
    said = {field.name: getattr(quote, field.name) for field in fields(Details)}
    said["brand"] = quote.brand.name
    for line in quote.lines.select_related("product"):
        price = format(line.unit_price.normalize(), "f")
        said[line.product_id] = f"{line.quantity} at {price}"
    return said
