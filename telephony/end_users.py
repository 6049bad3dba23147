"""What happens to an end user's numbers when the end user changes (NUM-8)."""

from __future__ import annotations

from datetime import datetime

from accounts import end_users
from accounts.models import EndUser, Location
from accounts.trail import Actor
from billing.charges import Ledger, open_ledger
from billing.licences import UC_LICENCE, unassign_all
from billing.models import Product
from telephony.charging import numbers_of, relabel
from telephony.numbers import park_in


def park_numbers(ledger: Ledger, end_user: EndUser, product: Product) -> None:
    """The UC licence was taken from an end user: the numbers are parked (NUM-8)."""
    if product.pk != UC_LICENCE:
        return
    for number in reversed(numbers_of(end_user)):
        park_in(ledger, number)


def edit_end_user(
    end_user: EndUser,
    *,
    name: str,
    email: str,
    extension: str,
    department: str,
    location: Location | None,
    actor: Actor,
    at: datetime,
) -> EndUser:
    """Change an end user's details; coming invoices show the new name.

    Raises Refused where the name is missing, or the address or the extension is taken.
    """
    with open_ledger(end_user.account, actor=actor, at=at) as ledger:
        edited = end_users.edit_end_user(
            end_user,
            name=name,
            email=email,
            extension=extension,
            department=department,
            location=location,
            actor=actor,
            at=at,
        )
        relabel(ledger, edited)
    return edited


def remove_end_user(end_user: EndUser, *, actor: Actor, at: datetime) -> EndUser:
    """Remove an end user: licences are free again, numbers are parked, the extension is free.

    Raises Refused where the end user was removed already.
    """
    with open_ledger(end_user.account, actor=actor, at=at):
        unassign_all(end_user, actor=actor, at=at)
        return end_users.retire_end_user(end_user, actor=actor, at=at)
