"""What a customer does with orders in the panel: confirms a basket once, cancels what has not shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from accounts.models import Account, Location
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.charges import open_ledger
from billing.models import Family, Order, Quote
from billing.orders import Item, cancel_units, place_order
from hardware.models import Confirmation


class Cancelling(NamedTuple):
    """So many units of a line; `left`: how many waited when somebody looked."""

    units: int
    left: int


def confirm_basket(
    account: Account,
    basket: UUID,
    items: Sequence[Item],
    *,
    reference: str = "",
    ship_to: Location | None = None,
    actor: Actor,
    at: datetime,
) -> tuple[Order, bool]:
    """Place the order of a basket; the order, and whether it is new.

    A basket that was confirmed already gives the order that it became, and nothing is placed (ORD-3). Raises
    Refused where hardware has nowhere to go, or one item cannot be had; nothing is ordered then.
    """
    with open_ledger(account, actor=actor, at=at):
        known = confirmed(account, basket)
        if known is not None:
            return known, False
        has_hardware = any(item[0].family == Family.HARDWARE for item in items)
        if has_hardware:
            check_ship_to(ship_to)
        order = place_order(account, items, reference=reference.strip(), actor=actor, at=at)
        Confirmation.objects.create(
            account=account,
            basket=basket,
            order=order,
            ship_to=f"{ship_to.name}: {ship_to.address.words}" if ship_to and has_hardware else "",
        )
    return order, True


def confirmed(account: Account, basket: UUID) -> Order | None:
    """The order that a basket has become, or None while it has not been confirmed."""
    return Order.objects.filter(account=account, confirmation__basket=basket).first()


def check_ship_to(location: Location | None) -> None:
    """Raise Refused where hardware could not be sent to a location."""
    if location is None:
        raise Refused("Choose where the hardware is sent.", rule="ORD-3", field="location")
    if not location.is_complete:
        raise Refused(
            f"The address of {location.name} is not complete, so nothing can be sent there. "
            "Complete it under Locations first.",
            rule="ORD-3",
            field="location",
        )


def cancel_unshipped(order: Order, asked: Mapping[int, Cancelling], *, actor: Actor, at: datetime) -> int:
    """Cancel units of an order's lines, by the line's number, free of charge (ORD-5). Returns how many.

    All or nothing. Raises Refused where more would be cancelled than waits, or something else has happened to
    a line since somebody looked: the same button pressed twice cancels once.
    """
    with open_ledger(order.account, actor=actor, at=at):
        lines = {line.pk: line for line in order.lines.select_related("order__account", "product")}
        wanted = {pk: each for pk, each in asked.items() if each.units and pk in lines}
        if not wanted:
            raise Refused("Enter how many units are cancelled.", rule="ORD-5")
        for pk, each in wanted.items():
            line = lines[pk]
            if line.left != each.left:
                raise Refused(
                    f"{line.left} × {line.product.name} {'waits' if line.left == 1 else 'wait'} by now: something "
                    "was shipped or cancelled in the meantime. Look again. Nothing was changed.",
                    rule="ORD-5",
                    field=f"line-{pk}",
                )
            try:
                cancel_units(line, each.units, actor=actor, at=at)
            except Refused as refusal:
                raise Refused(refusal.message, rule=refusal.rule, field=f"line-{pk}") from refusal
    return sum(each.units for each in wanted.values())


def ship_to_of(order: Order) -> str:
    """Where the customer wanted it to be sent: as confirmed, or as quoted (ORD-1); "" where nobody said."""
    confirmation: Confirmation | None = getattr(order, "confirmation", None)
    if confirmation is not None:
        return confirmation.ship_to
    quote: Quote | None = getattr(order, "quote", None)
    return (quote.shipping_address or quote.billing_address) if quote is not None else ""
