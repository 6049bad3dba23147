"""The simulator's events on plans: what is to be paid is paid at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from billing.charges import open_ledger
from billing.models import Family, Payment, Product
from billing.payments.settling import Received
from billing.plans import changes
from billing.plans.deals import DealKind, deal_of
from billing.plans.orders import pay_order, place_order
from billing.simulate import Player
from billing.stories import a_cycle, a_quantity, event


def a_plan(value: Any) -> str:
    """The code of a package that is registered as a plan."""
    if not isinstance(value, str) or not Product.objects.filter(pk=value, family=Family.PLAN).exists():
        raise ValueError(f"“{value}” is not a plan")
    return value


@event("register_plan", {"plan": a_plan, "quantity": a_quantity, "months": a_cycle})
def _register_plan(player: Player, plan: str, quantity: int, months: int) -> None:
    with open_ledger(player.account, **player.by):
        changes.check_none(player.account)
        _pay(player, player.product(plan), quantity, months)


def _says_what(on: date, fields: Mapping[str, Any]) -> None:
    if not fields:
        raise ValueError("plan: or quantity: is needed")


@event(
    "change_plan", {"plan": a_plan, "quantity": a_quantity}, optional=("plan", "quantity"), check=_says_what
)
def _change_plan(player: Player, plan: str = "", quantity: int = 0) -> None:
    # What is due on the plan comes first (BIL-8).
    with open_ledger(player.account, **player.by) as ledger:
        found = changes.check_active(player.account)
        product = player.product(plan) if plan else found.product
        chosen = (product, quantity or found.quantity, None)
        deal = deal_of(player.account, *chosen, plan=found, on=ledger.on)
        if deal.kind is DealKind.INCREASE:
            _pay(player, *chosen)
        else:
            changes.schedule_change(player.account, *chosen, **player.by)


@event("unsubscribe_plan", {})
def _unsubscribe_plan(player: Player) -> None:
    changes.unsubscribe(player.account, **player.by)


def _pay(player: Player, product: Product, quantity: int, months: int | None) -> None:
    order = place_order(player.account, product, quantity, months, **player.by)
    pay_order(order, Received(Payment.Kind.SIMULATED, order.amount, order.on), **player.by)
