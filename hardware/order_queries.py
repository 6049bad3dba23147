"""What the pages of orders read: the list, and one order with what has become of each line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet, Sum

from accounts.models import Account
from billing.explain import units_words, whole
from billing.models import Family, InvoiceLine, Order, OrderLine, OrderLineState, OrderState
from hardware.models import Shipment, ShippedUnits
from hardware.order_forms import WAITS

if TYPE_CHECKING:
    from datetime import date

_LABELS: Final = {
    OrderState.PROCESSING: ("Waiting for shipment", "warn"),
    OrderState.COMPLETED: ("Completed", "ok"),
    OrderState.CANCELLED: ("Cancelled", "neutral"),
}
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """How an order or a line stands, in a few words, and the tone in which it is shown."""

    label: str
    tone: str


def order_standing(order: Order) -> Standing:
    """How an order stands."""
    state = OrderState(order.state)
    return Standing(*_LABELS.get(state, (state.label, "info")))


def line_standing(line: OrderLine) -> Standing:
    """How a line stands: waiting, shipped 3 of 5, cancelled, provided (ORD-5)."""
    if line.state == OrderLineState.WAITING:
        if not line.shipped:
            return Standing("Waiting", "warn")
        return Standing(f"Shipped {line.shipped:,} of {line.quantity - line.cancelled:,}", "info")
    tones = {OrderLineState.SHIPPED: "ok", OrderLineState.PROVIDED: "ok", OrderLineState.CANCELLED: "neutral"}
    state = OrderLineState(line.state)
    return Standing(state.label, tones[state])


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order of the list. `monthly`, `once`: its prices, without what was cancelled, in the account's currency."""

    order: Order
    standing: Standing
    what: str
    monthly: Decimal
    once: Decimal
    left: int


def account_orders(account: Account, *, search: str = "", state: str = "") -> QuerySet[Order]:
    """The account's orders that fit; the search is over number, reference, products and tracking numbers."""
    orders = Order.objects.filter(account=account)
    if state:
        orders = orders.filter(state=OrderState.PROCESSING if state == WAITS else state)
    for word in search.split():
        number = word.removeprefix("#")
        fits = (
            Q(reference__icontains=word)
            | Exists(OrderLine.objects.filter(order=OuterRef("pk"), product__name__icontains=word))
            | Exists(Shipment.objects.filter(order=OuterRef("pk"), tracking__icontains=word))
        )
        if number.isascii() and number.isdigit() and len(number) < 19:
            fits |= Q(pk=int(number))
        orders = orders.filter(fits)
    return orders.prefetch_related(
        Prefetch("lines", OrderLine.objects.select_related("product").order_by("pk"))
    )


def rows_of(orders: Sequence[Order], currency: str) -> list[OrderRow]:
    """The orders, each with what it holds; they come with their lines."""
    return [_row(order, currency) for order in orders]


def _row(order: Order, currency: str) -> OrderRow:
    lines = list(order.lines.all())
    told = [units_words(line.quantity, line.product.name) for line in lines[:_NAMED]]
    if len(lines) > _NAMED:
        told.append(f"{len(lines) - _NAMED} more")
    return OrderRow(
        order,
        order_standing(order),
        ", ".join(told),
        monthly=whole(_sum(lines, is_recurring=True), currency),
        once=whole(_sum(lines, is_recurring=False), currency),
        left=sum(line.left for line in lines),
    )


def _sum(lines: Sequence[OrderLine], *, is_recurring: bool) -> Decimal:
    return sum(
        (
            line.unit_price * (line.quantity - line.cancelled)
            for line in lines
            if line.product.is_recurring == is_recurring
        ),
        Decimal(0),
    )


# --- one order -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Billed:
    """Units of a line that have shipped, with the number of the invoice they are on, "" while they are on none."""

    units: int
    amount: Decimal
    shipped_on: date
    invoice: str


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line of an order's page."""

    line: OrderLine
    standing: Standing
    amount: Decimal
    billed: Sequence[Billed]

    @property
    def is_hardware(self) -> bool:
        """Whether it ships."""
        return self.line.product.family in (Family.HARDWARE, Family.SHIPPING)


def line_rows(order: Order, currency: str) -> list[LineRow]:
    """The lines of an order, each with what was billed of it. Three queries."""
    lines = list(order.lines.select_related("product"))
    parts = list(
        ShippedUnits.objects.filter(shipment__order=order).select_related("shipment", "line").order_by("pk")
    )
    invoices = _invoices(order, parts)
    return [
        LineRow(
            line,
            line_standing(line),
            whole(line.unit_price * line.quantity, currency),
            [
                Billed(
                    part.quantity,
                    whole(line.unit_price * part.quantity, currency),
                    part.shipment.shipped_on,
                    invoices.get(part.charge_id, ""),
                )
                for part in parts
                if part.line_id == line.pk
            ],
        )
        for line in lines
    ]


def _invoices(order: Order, parts: Sequence[ShippedUnits]) -> dict[int, str]:
    """By charge, the number of the invoice that it is on."""
    if not parts:
        return {}
    wanted = {part.charge_id for part in parts}
    lines = InvoiceLine.objects.filter(
        invoice__account=order.account_id,
        invoice__issued_on__gte=min(part.shipment.shipped_on for part in parts),
        product__in={part.line.product_id for part in parts},
        amount__gte=0,
    )
    return {
        charge: number or ""
        for number, charges in lines.order_by("-pk").values_list("invoice__number", "charges")
        for charge in charges
        if charge in wanted
    }


def shipments_of(order: Order) -> list[Shipment]:
    """The parcels of an order with their units and devices, the first to leave first. Three queries."""
    units = ShippedUnits.objects.exclude(line__product__family=Family.SHIPPING)
    units = units.select_related("line__product").prefetch_related("devices")
    return list(order.shipments.prefetch_related(Prefetch("units", units)).order_by("pk"))


# --- fulfilment ------------------------------------------------------------------------------


def waiting_orders(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Those of which hardware waits, with `units_left`."""
    waits = Q(lines__product__family=Family.HARDWARE, lines__state=OrderLineState.WAITING)
    return orders.annotate(
        units_left=Sum(
            F("lines__quantity") - F("lines__shipped") - F("lines__cancelled"), filter=waits, default=0
        )
    )
