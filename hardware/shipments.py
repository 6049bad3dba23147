"""Shipments: recorded in parts, each charged when it ships, its units the account's devices (ORD-5, ORD-6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.refusals import Refused
from accounts.trail import Actor
from billing.charges import Ledger, open_ledger
from billing.models import Family, Order, OrderLine
from billing.orders import fulfils, locked_line, ship_units, waits_for_shipment
from billing.quotes import ships
from hardware.macs import check_is_phone, check_unknown, written_mac
from hardware.models import Device, Shipment, ShippedUnits

fulfils(Family.HARDWARE)(waits_for_shipment)


@fulfils(Family.SHIPPING)
def _wait_for_the_first_parcel(ledger: Ledger, line: OrderLine) -> bool:
    """The way is charged with the first parcel; without hardware there would never be one."""
    if not line.order.lines.filter(product__family=Family.HARDWARE).exists():
        raise Refused(
            f"{line.product.name} comes with hardware, and the order holds none. Nothing was changed.",
            rule="ORD-5",
            field="product",
        )
    return waits_for_shipment(ledger, line)


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece as the warehouse tells it. The MAC may be written in any of the usual ways."""

    mac: str
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Units of one order line that leave together; `units` name those that have a MAC."""

    line: OrderLine
    quantity: int
    units: Sequence[Unit] = ()


def ship(
    order: Order,
    parcels: Sequence[Parcel],
    *,
    carrier: str = "",
    tracking: str = "",
    actor: Actor,
    at: datetime,
) -> Shipment:
    """Record a shipment of today: each part is charged on the next invoice run after it (ORD-5).

    All or nothing. Raises Refused where more would ship than waits, a MAC is no MAC or is known already,
    or more units are named than leave.
    """
    if not parcels:
        raise Refused("A shipment holds something.", rule="ORD-5", field="quantity")
    with open_ledger(order.account, actor=actor, at=at) as ledger:
        shipment = Shipment.objects.create(
            order=order,
            shipped_on=ledger.on,
            recorded_at=at,
            recorded_by=actor.label[:120],
            carrier=carrier.strip(),
            tracking=tracking.strip(),
        )
        for parcel in parcels:
            line = locked_line(parcel.line)
            units = ShippedUnits.objects.create(
                shipment=shipment,
                line=line,
                quantity=parcel.quantity,
                charge=ship_units(ledger, line, parcel.quantity),
            )
            _make_devices(units, parcel, order)
        for line in order.lines.filter(product__family=Family.SHIPPING):
            _charge_the_way(ledger, shipment, locked_line(line))
        what = ", ".join(f"{parcel.quantity} × {parcel.line.product.name}" for parcel in parcels)
        ledger.record(
            "ship-order",
            order,
            f"Shipped of {order}: {what}",
            after={"shipment": shipment.pk, "carrier": shipment.carrier, "tracking": shipment.tracking},
        )
    return shipment


@ships
def ship_all(order: Order, actor: Actor, at: datetime) -> None:
    """Ship all of an order that waits, in one parcel, without naming units; for forecasts."""
    lines = order.lines.filter(product__family=Family.HARDWARE).select_related("order__account", "product")
    parcels = [Parcel(line, line.left) for line in lines if line.left]
    if parcels:
        ship(order, parcels, actor=actor, at=at)


def _charge_the_way(ledger: Ledger, shipment: Shipment, way: OrderLine) -> None:
    """What the way of an order costs is charged with its first parcel."""
    units = way.left
    if units:
        ShippedUnits.objects.create(
            shipment=shipment, line=way, quantity=units, charge=ship_units(ledger, way, units)
        )


def _make_devices(units: ShippedUnits, parcel: Parcel, order: Order) -> None:
    if len(parcel.units) > parcel.quantity:
        raise Refused(
            f"{len(parcel.units)} MAC addresses are given for {parcel.quantity} × {parcel.line.product.name}.",
            rule="ORD-6",
            field="mac",
        )
    if parcel.units:
        check_is_phone(parcel.line.product)
    macs = [written_mac(unit.mac) for unit in parcel.units]
    check_unknown(macs)
    Device.objects.bulk_create(
        Device(
            account=order.account,
            product=parcel.line.product,
            units=units,
            mac=mac,
            serial=unit.serial.strip(),
            added_on=units.shipment.shipped_on,
        )
        for mac, unit in zip(macs, parcel.units, strict=True)
    )
