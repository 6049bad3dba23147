"""What an end user holds, chosen for several licences at once: none, the account's own, or a subscription's (SUB-9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import EndUser
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.licences import assign_licence, unassign_licence
from billing.models import Product, Subscription


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen of a product: to hold a licence, of a subscription or of the account's own; or none."""

    holds: bool
    subscription: Subscription | None = None


def choose_licences(
    end_user: EndUser, chosen: Mapping[Product, Choice], *, actor: Actor, at: datetime
) -> None:
    """Give, move and take licences as chosen, all or nothing; what is so already stays as it is (SUB-9).

    Raises Refused where none is free, a subscription has ended, or the end user was removed; its field is
    the product's code.
    """
    with transaction.atomic():
        for product, choice in chosen.items():
            try:
                if choice.holds:
                    assign_licence(end_user, product, subscription=choice.subscription, actor=actor, at=at)
                else:
                    unassign_licence(end_user, product, actor=actor, at=at)
            except Refused as refusal:
                raise Refused(refusal.message, rule=refusal.rule, field=product.pk) from refusal
