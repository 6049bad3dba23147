"""The simulator's events on orders: a quote that is accepted, and hardware ordered, shipped, cancelled."""

from __future__ import annotations

from typing import Any

from accounts.refusals import Refused
from billing.models import Family, Order, OrderLine, Product
from billing.orders import cancel_units, place_order
from billing.quotes import QUOTABLE, begin, editions
from billing.simulate import Player
from billing.stories import a_name, a_price, a_product, a_quantity, event
from hardware.shipments import Parcel, ship


def a_piece(value: Any) -> str:
    """The code of a product that is shipped."""
    code = a_product(value)
    if not Product.objects.filter(pk=code, family=Family.HARDWARE).exists():
        raise ValueError(f"“{code}” is not hardware")
    return code


def quoted(value: Any) -> dict[str, int]:
    """A table of product = quantity, of what is sold by quote."""
    if not isinstance(value, dict) or not value:
        raise ValueError("is a table of product = quantity")
    known = set(Product.objects.filter(family__in=QUOTABLE, is_on_sale=True).values_list("code", flat=True))
    for code in value:
        if code not in known:
            raise ValueError(f"“{code}” is not sold by quote")
    return {code: a_quantity(quantity) for code, quantity in value.items()}


def agreed(value: Any) -> dict[str, Any]:
    """A table of product = agreed unit price."""
    if not isinstance(value, dict):
        raise ValueError("is a table of product = price")
    return {a_product(code): a_price(price) for code, price in value.items()}


def an_edition(value: Any) -> str:
    """An edition of the contact center."""
    if not isinstance(value, str) or value not in editions:
        raise ValueError(f"is one of {', '.join(sorted(editions))}")
    return value


_OF_ORDER = {"ref": ("order",)}


@event(
    "accept_quote",
    {"items": quoted, "prices": agreed, "edition": an_edition, "ref": a_name},
    optional=("prices", "edition", "ref"),
    makes={"ref": "order"},
)
def _accept_quote(
    player: Player,
    items: dict[str, int],
    prices: dict[str, Any] | None = None,
    edition: str = "",
    ref: str = "",
) -> None:
    """A quote as an initial order (ORD-1): at the agreed prices, else those of the story."""
    if ref:
        player.check_new(ref, "order")
    wanted = {player.product(code): (units, (prices or {}).get(code)) for code, units in items.items()}
    # What an item brings along has its agreed price too, where one is named.
    for fee in {product.brings for product in wanted if product.brings is not None}:
        wanted.setdefault(fee, (1, (prices or {}).get(fee.pk)))
    order = begin(player.account, wanted, edition=edition, reference=ref, **player.by)
    if ref:
        player.give("order", ref, order)


@event("order_hardware", {"ref": a_name, "product": a_piece, "quantity": a_quantity}, makes={"ref": "order"})
def _order_hardware(player: Player, ref: str, product: str, quantity: int) -> None:
    player.check_new(ref, "order")
    order = place_order(player.account, [(player.product(product), quantity)], reference=ref, **player.by)
    player.give("order", ref, order)


@event("ship_hardware", {"ref": a_name, "quantity": a_quantity}, optional=("quantity",), needs=_OF_ORDER)
def _ship_hardware(player: Player, ref: str, quantity: int | None = None) -> None:
    lines = _lines(player, ref, quantity)
    parcels = [Parcel(line, line.left if quantity is None else quantity) for line in lines]
    ship(lines[0].order, parcels, **player.by)


@event("cancel_hardware", {"ref": a_name, "quantity": a_quantity}, optional=("quantity",), needs=_OF_ORDER)
def _cancel_hardware(player: Player, ref: str, quantity: int | None = None) -> None:
    for line in _lines(player, ref, quantity):
        cancel_units(line, quantity, **player.by)


def _lines(player: Player, ref: str, quantity: int | None) -> list[OrderLine]:
    """The hardware of an order as it stands now: what waits, or all of it where nothing does any more.

    Raises Refused where there is none, or a quantity is named and several products are meant.
    """
    order: Order = player.find(ref, "order")
    hardware = OrderLine.objects.filter(order=order, product__family=Family.HARDWARE)
    lines = list(hardware.select_related("order__account", "product").order_by("pk"))
    if not lines:
        raise Refused(f"“{ref}” holds no hardware. Nothing was changed.")
    waiting = [line for line in lines if line.left] or lines[:1]
    if quantity is not None and len(waiting) > 1:
        raise Refused(f"“{ref}” holds several products, so no quantity can be named. Nothing was changed.")
    return waiting
