"""Contact Center for several end users at once: all of them or none (ONB-4, LIC-1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts.models import EndUser
from accounts.trail import Actor
from billing.licences import assign_licence, unassign_licence
from billing.models import Product
from telephony.contact_center import LICENCES
from telephony.models import ContactCenter, Edition


def licence_of(contact_center: ContactCenter) -> Product:
    """The licence of the edition that is installed."""
    return Product.objects.get(pk=LICENCES[Edition(contact_center.edition)])


def assign_users(
    contact_center: ContactCenter, end_users: Sequence[EndUser], *, actor: Actor, at: datetime
) -> None:
    """Assign Contact Center to these end users of its account; those who have it keep it.

    Raises Refused where licences are too few, or one of them was removed, and then none is assigned.
    """
    product = licence_of(contact_center)
    with transaction.atomic():
        for end_user in end_users:
            assign_licence(end_user, product, actor=actor, at=at)


def unassign_users(
    contact_center: ContactCenter, end_users: Sequence[EndUser], *, actor: Actor, at: datetime
) -> None:
    """Take Contact Center from these end users of its account; those who have none stay as they are."""
    product = licence_of(contact_center)
    with transaction.atomic():
        for end_user in end_users:
            unassign_licence(end_user, product, actor=actor, at=at)
