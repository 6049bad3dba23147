"""The simulator's events on numbers, services, the contact center and calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.refusals import Refused
from billing.models import Family, Product
from billing.packages import PAY_PER_USE
from billing.simulate import Player
from billing.stories import a_count, a_name, a_product, a_quantity, an_instant, event, one_of
from telephony import call_records, contact_center, numbers, services
from telephony.models import ContactCenter, Edition, Number, ServiceKind
from telephony.numbering import read_number

CONTACT_CENTER = ServiceKind.CONTACT_CENTER.value


def a_number(value: Any) -> str:
    """A phone number, in E.164 however it was written."""
    if not isinstance(value, str):
        raise ValueError('is a phone number like "+12125550100"')
    try:
        return read_number(value).e164
    except Refused as refused:
        raise ValueError(str(refused)) from refused


def a_package(value: Any) -> str:
    """The code of a toll-free package, or pay-per-use."""
    if value == PAY_PER_USE:
        return PAY_PER_USE
    if not isinstance(value, str) or not Product.objects.filter(pk=value, family=Family.PACKAGE).exists():
        raise ValueError(f"“{value}” is not a toll-free package, nor pay-per-use")
    return value


@event(
    "add_service",
    {"service": a_name, "kind": one_of(*(kind.value for kind in services.ADDABLE))},
    makes={"service": "service"},
)
def _add_service(player: Player, service: str, kind: str) -> None:
    player.check_new(service, "user", "service")
    added = services.add_service(player.account, ServiceKind(kind), service, **player.by)
    player.give("service", service, added)


@event("remove_service", {"service": a_name}, needs={"service": ("service",)})
def _remove_service(player: Player, service: str) -> None:
    services.remove_service(player.find(service, "service"), **player.by)
    player.forget("service", service)


@event("buy_number", {"number": a_number}, makes={"number": "number"})
def _buy_number(player: Player, number: str) -> None:
    player.give("number", number, numbers.add_number(player.account, number, **player.by))


@event(
    "assign_number",
    {"number": a_number, "to": a_name},
    needs={"number": ("number",), "to": ("user", "service")},
)
def _assign_number(player: Player, number: str, to: str) -> None:
    held: Number = player.find(number, "number")
    holder = _installed(player).service if to == CONTACT_CENTER else player.find(to, "user", "service")
    numbers.assign_number(held, to=holder, **player.by)


@event("park_number", {"number": a_number}, needs={"number": ("number",)})
def _park_number(player: Player, number: str) -> None:
    numbers.park_number(player.find(number, "number"), **player.by)


@event("release_number", {"number": a_number}, needs={"number": ("number",)})
def _release_number(player: Player, number: str) -> None:
    numbers.release_number(player.find(number, "number"), **player.by)
    player.forget("number", number)


@event("install_contact_center", {"edition": one_of(*Edition.values)})
def _install_contact_center(player: Player, edition: str) -> None:
    contact_center.install(player.account, Edition(edition), **player.by)


@event("activate_contact_center", {})
def _activate_contact_center(player: Player) -> None:
    contact_center.activate(_installed(player), reason="Set up and tested", **player.by)


@event("add_item", {"product": a_product, "quantity": a_quantity})
def _add_item(player: Player, product: str, quantity: int) -> None:
    contact_center.add_items(player.account, player.product(product), quantity, **player.by)


@event("remove_item", {"product": a_product, "quantity": a_quantity})
def _remove_item(player: Player, product: str, quantity: int) -> None:
    contact_center.remove_items(player.account, player.product(product), quantity, **player.by)


@event("set_toll_free_package", {"package": a_package})
def _set_toll_free_package(player: Player, package: str) -> None:
    contact_center.set_toll_free_package(player.account, package, **player.by)


@event(
    "call",
    {"id": a_name, "from": a_number, "to": a_number, "seconds": a_count, "at": an_instant},
    optional=("at",),
)
def _call(player: Player, seconds: int, at: datetime | None = None, **told: str) -> None:
    call_records.record_call(
        player.account,
        told["id"],
        caller=told["from"],
        called=told["to"],
        seconds=seconds,
        occurred_at=at or player.at,
        **player.by,
    )


def _installed(player: Player) -> ContactCenter:
    found = contact_center.contact_center_of(player.account)
    if found is None:
        raise Refused("Contact Center is not installed in this account. Nothing was changed.", rule="ONB-1")
    return found
