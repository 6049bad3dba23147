"""The cards that an account has saved: entered on the gateway's own page, known here by a token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from accounts.mail import admins_of
from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.models import CardSetup, Collection, PaymentCustomer, PaymentMethod
from billing.models.payments import LIVE
from billing.payments import gateways
from billing.payments.gateways.base import Card, Gateway, GatewayDown, GatewayRefused
from billing.payments.settling import open_books

RULE: Final = "INV-6"
NOT_NOW: Final = (
    "The bank's page cannot be reached at the moment. Nothing was changed. Try again in a minute."
)


def saved_methods(account: Account) -> QuerySet[PaymentMethod]:
    """The cards that can be charged, the default one first."""
    return PaymentMethod.objects.filter(account=account, removed_at=None)


def default_method(account: Account) -> PaymentMethod | None:
    """The card to which goes what is collected by itself; None where none is saved."""
    return saved_methods(account).filter(is_default=True).first()


def begin_card(
    account: Account,
    *,
    return_url: Callable[[CardSetup], str],
    next_url: str,
    actor: Actor,
    at: datetime,
) -> CardSetup:
    """A card on its way: its `url` is where the person enters it.

    `return_url` says for a setup where the gateway sends the person back to; `next_url` is the page of the
    panel from there. Raises Refused where no gateway is set up, or it does not answer.
    """
    gateway = gateways.current()
    if gateway is None:
        raise Refused("Cards are not taken here. Pay by bank transfer.", rule=RULE)
    with transaction.atomic():
        setup = CardSetup.objects.create(
            account=account,
            gateway=gateway.name,
            next_url=next_url[:300],
            began_at=at,
            began_by=actor.label[:120],
        )
    try:
        customer = customer_of(account, gateway)
        begun = gateway.begin_setup(customer, key=str(setup.key), return_url=return_url(setup))
    except (GatewayDown, GatewayRefused) as error:
        raise Refused(NOT_NOW, rule=RULE) from error
    setup.gateway_id, setup.url = begun.id, begun.url
    setup.save(update_fields=["gateway_id", "url"])
    return setup


def finish_card(setup: CardSetup, *, actor: Actor, at: datetime) -> PaymentMethod | None:
    """The card that was entered, saved; None while none was. Asked again, it is the same card.

    The first one is what is collected from. Raises Refused where the gateway does not answer.
    """
    if setup.method is not None:
        return setup.method
    try:
        card = gateways.named(setup.gateway).finish_setup(setup.gateway_id)
    except (GatewayDown, GatewayRefused) as error:
        raise Refused(NOT_NOW, rule=RULE) from error
    if card is None:
        return None
    with open_books(setup.account):
        method = _saved(setup.account, setup.gateway, card, actor, at)
        CardSetup.objects.filter(pk=setup.pk).update(method=method)
    setup.method = method
    return method


def make_default(method: PaymentMethod, *, actor: Actor, at: datetime) -> None:
    """What is collected by itself goes to this card from now on."""
    with open_books(method.account):
        found = _present(method)
        if found.is_default:
            return
        saved_methods(method.account).update(is_default=False)
        found.is_default = True
        found.save(update_fields=["is_default"])
        record(found.account, "choose-card", found, f"{found} is what is collected from", actor=actor, at=at)


def remove_method(method: PaymentMethod, *, actor: Actor, at: datetime) -> None:
    """Keep a card no longer; the oldest of those left is what is collected from.

    Raises Refused while a payment by it is on its way.
    """
    with open_books(method.account):
        found = _present(method)
        if Collection.objects.filter(method=found, state__in=LIVE).exists():
            raise Refused("A payment by this card is on its way. Remove it when that is done.", rule=RULE)
        was_default = found.is_default
        found.is_default, found.removed_at = False, at
        found.save(update_fields=["is_default", "removed_at"])
        following = saved_methods(found.account).order_by("id").first()
        if was_default and following is not None:
            following.is_default = True
            following.save(update_fields=["is_default"])
        record(found.account, "remove-card", found, f"{found} removed", actor=actor, at=at)
    try:
        gateways.named(found.gateway).forget(found.gateway_id)
    except (GatewayDown, GatewayRefused):
        # It is of no use to the panel any more; what the gateway keeps cannot be charged by anybody else.
        return


def customer_of(account: Account, gateway: Gateway) -> str:
    """The account's id at a gateway. Raises GatewayDown."""
    known = PaymentCustomer.objects.filter(account=account, gateway=gateway.name).first()
    if known is not None:
        return known.gateway_id
    email = next(iter(admins_of(account)), account.brand.support_email)
    found = gateway.customer(key=f"account-{account.pk}", name=account.name, email=email)
    known, _ = PaymentCustomer.objects.get_or_create(
        account=account, gateway=gateway.name, defaults={"gateway_id": found}
    )
    return known.gateway_id


def _saved(account: Account, gateway: str, card: Card, actor: Actor, at: datetime) -> PaymentMethod:
    found = PaymentMethod.objects.filter(gateway=gateway, gateway_id=card.token).first()
    if found is not None:
        return found
    method = PaymentMethod.objects.create(
        account=account,
        gateway=gateway,
        gateway_id=card.token,
        brand=card.brand[:20],
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        is_default=not saved_methods(account).filter(is_default=True).exists(),
        added_at=at,
    )
    record(account, "add-card", method, f"{method} saved", actor=actor, at=at)
    return method


def _present(method: PaymentMethod) -> PaymentMethod:
    found = PaymentMethod.objects.select_for_update(of=("self",)).select_related("account").get(pk=method.pk)
    if found.removed_at is not None:
        raise Refused("This card has been removed already. Nothing was changed.", rule=RULE)
    return found
