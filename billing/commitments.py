"""What customers may commit to by themselves, on their own pages (SUB-6).

A commitment costs nothing and takes overage away. So customers commit to as many agents as they pay Contact
Center licences for, and to nothing else: the rest is agreed with the provider, whose staff set it with
`billing.subscriptions`. The actions here are those of the account's pages; they hold the limit and hand on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.db.models import Sum

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.charges import open_ledger
from billing.licences import remove_licences
from billing.models import Charge, Family, Product, Subscription
from billing.subscriptions import (
    Terms,
    add_subscription,
    check_runs,
    open_commitments,
    set_commitment,
)

AGENTS: Final = "agents"
"""The one meter that customers commit to by themselves."""


def seats_agents(product: Product) -> bool:
    """Whether each unit of a product is a Contact Center licence, for which an agent can be committed to."""
    return product.is_licence and product.family == Family.CONTACT_CENTER


def add_own_subscription(account: Account, terms: Terms, *, actor: Actor, at: datetime) -> Subscription:
    """Enter a subscription for the customer itself: agents up to the Contact Center licences bought with it.

    Raises Refused where more is committed to, and where `add_subscription` does; `field` is then the meter.
    """
    licences = sum(units for product, units in terms.products.items() if seats_agents(product))
    for meter, quantity in terms.commitments.items():
        if quantity:
            _check_own(meter, quantity, licences)
    return add_subscription(account, terms, actor=actor, at=at)


def set_own_commitments(
    subscription: Subscription, wanted: Mapping[str, int], *, actor: Actor, at: datetime
) -> None:
    """From today the customer's subscription commits to these quantities, by meter; all of them or none.

    What is the same as before stays, however much it is: it was agreed. Raises Refused where it is
    another, and more than the licences that are on the subscription or of another meter than agents;
    `field` is then the meter.
    """
    with open_ledger(subscription.account, actor=actor, at=at) as ledger:
        check_runs(subscription, ledger.on)
        current = open_commitments(subscription)
        licences = licences_on(subscription)
        for meter, quantity in wanted.items():
            if quantity != current.get(meter, 0):
                _check_own(meter, quantity, licences)
                set_commitment(subscription, meter, quantity, actor=actor, at=at)


def give_back_licences(
    subscription: Subscription, product: Product, quantity: int, *, actor: Actor, at: datetime
) -> list[Charge]:
    """Give back unassigned licences of the customer's subscription; returns the charges that ended (LIC-1).

    Raises Refused where fewer Contact Center licences would be left than agents are committed to, and where
    `remove_licences` does.
    """
    account = subscription.account
    with open_ledger(account, actor=actor, at=at):
        held = licences_on(subscription)
        ended = remove_licences(account, product, quantity, subscription=subscription, actor=actor, at=at)
        committed = open_commitments(subscription).get(AGENTS, 0)
        if seats_agents(product) and held - quantity < committed:
            spare = max(0, held - committed)
            raise Refused(
                f"Subscription {subscription} commits to {committed:,} agents and has {held:,} Contact Center "
                f"licences, so {f'only {spare:,}' if spare else 'none'} can be given back. Lower the commitment "
                "first. Nothing was changed.",
                rule="SUB-6",
                field="quantity",
            )
    return ended


def licences_on(subscription: Subscription) -> int:
    """The Contact Center licences that are on a subscription, assigned or not. One query."""
    found = Charge.objects.filter(
        subscription=subscription,
        ended_on=None,
        product__is_licence=True,
        product__family=Family.CONTACT_CENTER,
    )
    return found.aggregate(units=Sum("quantity"))["units"] or 0


def _check_own(meter: str, quantity: int, licences: int) -> None:
    """Raise Refused where a customer cannot decide on this commitment."""
    if meter != AGENTS:
        raise Refused(
            "Only commitments to agents are made here. Others are agreed with the provider, and set by support.",
            rule="SUB-6",
            field=meter,
        )
    if quantity > licences:
        most = f"At most {licences:,} agent{'' if licences == 1 else 's'}" if licences else "No agents"
        raise Refused(
            f"{most} can be committed to here: as many as there are Contact Center licences on the subscription. "
            "Add licences, or ask support for more.",
            rule="SUB-6",
            field=meter,
        )
