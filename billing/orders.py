"""Orders: placed by an account, provided line by line, shipped and cancelled in parts (ORD-3, ORD-5).

Orders are billing's; what they bring about is not. Each family of products has one fulfiller, which the
app that provides it registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import licences
from billing.charges import Ledger, open_ledger
from billing.engine.reasons import Basis
from billing.models import (
    Charge,
    Delay,
    Family,
    Order,
    OrderKind,
    OrderLine,
    OrderLineState,
    OrderState,
    Product,
)

# So many units of a product, and what is wanted of them besides, such as the area code of numbers.
Item = tuple[Product, int] | tuple[Product, int, str]

# Provides an order's line, in the order's transaction; whether it is done, or waits.
Fulfiller = Callable[[Ledger, OrderLine], bool]
_fulfillers: dict[str, Fulfiller] = {}


def fulfils(family: Family) -> Callable[[Fulfiller], Fulfiller]:
    """Register who provides the products of a family."""

    def register(fulfiller: Fulfiller) -> Fulfiller:
        _fulfillers[family] = fulfiller
        return fulfiller

    return register


def place_order(
    account: Account,
    items: Sequence[Item],
    *,
    reference: str = "",
    actor: Actor,
    at: datetime,
) -> Order:
    """Place an add-on order: what can be had at once is provided, hardware waits for its shipment (ORD-3).

    Prices are locked (BIL-6). All or nothing: raises Refused where one item cannot be had.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        order = make_order(ledger, items, kind=OrderKind.ADD_ON, reference=reference)
        process(ledger, order)
    return order


def make_order(
    ledger: Ledger,
    items: Sequence[Item],
    *,
    kind: OrderKind,
    reference: str = "",
    placed_by: str = "",
) -> Order:
    """An order of these items that is accepted and not processed yet. Raises Refused where one cannot be had.

    `placed_by` is who placed it, as pages call them: the actor unless told.
    """
    if not items:
        raise Refused("The order is empty. Put something into it first.", rule="ORD-3")
    order = Order(
        account=ledger.account,
        kind=kind,
        reference=reference,
        placed_on=ledger.on,
        placed_at=ledger.at,
        placed_by=(placed_by or ledger.actor.label)[:120],
    )
    order.accept()
    order.save()
    for item in items:
        _add_line(ledger, order, item)
    ledger.record(
        "place-order",
        order,
        f"{order} placed: " + ", ".join(f"{item[1]} × {item[0].name}" for item in items),
        after={"items": ", ".join(f"{item[1]} × {item[0].pk}" for item in items)},
    )
    return order


def process(ledger: Ledger, order: Order) -> None:
    """Provide what can be had at once; the rest waits, and the order with it."""
    order.process()
    order.save()
    for line in order.lines.select_related("order__account", "product"):
        if _fulfiller(line.product)(ledger, line):
            line.provide()
            line.save()
    _settle(ledger, order)


def waits_for_shipment(ledger: Ledger, line: OrderLine) -> bool:
    """The fulfiller of what is shipped: its charge waits with it, at the price of the order (ORD-5)."""
    line.charge = ledger.open(line.product, line.quantity, delay=Delay.SHIPPED, unit_price=line.unit_price)
    line.save()
    return False


def ship_units(ledger: Ledger, line: OrderLine, units: int) -> Charge:
    """Units of a line have been shipped today: they are charged once, the rest goes on waiting (ORD-5).

    Returns their charge. Raises Refused where fewer wait.
    """
    _check_left(line, units)
    if line.charge is None:
        raise ValueError(f"{line} has no charge that waits")
    shipped = ledger.split_off(line.charge, units)
    ledger.begin(shipped, Basis.SHIPPED)
    line.shipped += units
    if not line.left:
        line.ship()
    line.save()
    _settle(ledger, line.order)
    return shipped


def cancel_units(line: OrderLine, units: int | None = None, *, actor: Actor, at: datetime) -> int:
    """Cancel units that have not been shipped, all that are left unless told, free of charge (ORD-5).

    Returns how many. Raises Refused where fewer wait.
    """
    with open_ledger(line.order.account, actor=actor, at=at) as ledger:
        line = locked_line(line)
        count = line.left if units is None else units
        _check_left(line, count)
        if line.charge is not None:
            ledger.end(line.charge, count)
        line.cancelled += count
        if not line.left:
            # What is left of a line that shipped in part is a line that has shipped.
            line.ship() if line.shipped else line.cancel()
        line.save()
        ledger.record(
            "cancel-order-line",
            line.order,
            f"{count} × {line.product.name} of {line.order} cancelled before shipment",
            after={"cancelled": line.cancelled, "shipped": line.shipped, "left": line.left},
        )
        _cancel_the_way(ledger, line.order)
        _settle(ledger, line.order)
    return count


def _cancel_the_way(ledger: Ledger, order: Order) -> None:
    """Where no hardware of an order has shipped or will, its shipping is not charged either."""
    if order.lines.filter(product__family=Family.HARDWARE).exclude(state=OrderLineState.CANCELLED).exists():
        return
    for way in order.lines.filter(product__family=Family.SHIPPING, state=OrderLineState.WAITING):
        if way.charge is not None:
            ledger.end(way.charge)
        way.cancelled = way.quantity
        way.cancel()
        way.save()


def locked_line(line: OrderLine) -> OrderLine:
    """The line as it stands; the account's ledger, which is its lock, is open."""
    return OrderLine.objects.select_related("order__account", "product", "charge").get(pk=line.pk)


@fulfils(Family.LICENCE)
def _provide_licences(ledger: Ledger, line: OrderLine) -> bool:
    licences.add_licences(ledger.account, line.product, line.quantity, actor=ledger.actor, at=ledger.at)
    return True


def _fulfiller(product: Product) -> Fulfiller:
    found = _fulfillers.get(product.family)
    if found is None:
        raise Refused(f"{product.name} cannot be ordered here. Nothing was changed.", field="product")
    return found


def _add_line(ledger: Ledger, order: Order, item: Item) -> None:
    product, quantity = item[0], item[1]
    wish = item[2] if len(item) == 3 else ""
    licences.check_quantity(quantity)
    if not product.is_on_sale:
        raise Refused(f"{product.name} is not on sale. Nothing was changed.", field="product")
    _fulfiller(product)
    price = ledger.price_of(product)
    OrderLine.objects.create(order=order, product=product, quantity=quantity, unit_price=price, wish=wish)


def _settle(ledger: Ledger, order: Order) -> None:
    """An order of which nothing waits any more is completed, or cancelled where all of it was."""
    states = set(order.lines.values_list("state", flat=True))
    if order.state != OrderState.PROCESSING or OrderLineState.WAITING in states:
        return
    if states == {OrderLineState.CANCELLED}:
        order.cancel()
    else:
        order.complete()
    order.completed_on = ledger.on
    order.save()


def _check_left(line: OrderLine, units: int) -> None:
    if 1 <= units <= line.left:
        return
    left = f"{line.left} × {line.product.name} of {line.order} {'waits' if line.left == 1 else 'wait'}"
    raise Refused(
        f"{left} for shipment, so {units} cannot be taken. Nothing was changed."
        if line.left
        else f"Nothing of {line.product.name} of {line.order} waits for shipment. Nothing was changed.",
        rule="ORD-5",
        field="quantity",
    )
