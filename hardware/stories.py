"""The simulator's events on hardware."""

from __future__ import annotations

from typing import Any

from billing.models import Family, OrderLine, Product
from billing.orders import cancel_units, place_order
from billing.simulate import Player
from billing.stories import a_name, a_product, a_quantity, event
from hardware.shipments import Parcel, ship


def a_piece(value: Any) -> str:
    """The code of a product that is shipped."""
    code = a_product(value)
    if not Product.objects.filter(pk=code, family=Family.HARDWARE).exists():
        raise ValueError(f"“{code}” is not hardware")
    return code


_OF_ORDER = {"ref": ("order",)}


@event("order_hardware", {"ref": a_name, "product": a_piece, "quantity": a_quantity}, makes={"ref": "order"})
def _order_hardware(player: Player, ref: str, product: str, quantity: int) -> None:
    player.check_new(ref, "order")
    order = place_order(player.account, [(player.product(product), quantity)], reference=ref, **player.by)
    player.give("order", ref, order.lines.get())


@event("ship_hardware", {"ref": a_name, "quantity": a_quantity}, optional=("quantity",), needs=_OF_ORDER)
def _ship_hardware(player: Player, ref: str, quantity: int | None = None) -> None:
    line = _line(player, ref)
    ship(line.order, [Parcel(line, line.left if quantity is None else quantity)], **player.by)


@event("cancel_hardware", {"ref": a_name, "quantity": a_quantity}, optional=("quantity",), needs=_OF_ORDER)
def _cancel_hardware(player: Player, ref: str, quantity: int | None = None) -> None:
    cancel_units(_line(player, ref), quantity, **player.by)


def _line(player: Player, ref: str) -> OrderLine:
    """The line of an order as it stands now."""
    found: OrderLine = player.find(ref, "order")
    return OrderLine.objects.select_related("order__account", "product").get(pk=found.pk)
