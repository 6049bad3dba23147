"""What the contact center's pages read of its subscription, users and numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet, Subquery, Sum

from accounts.models import Account, EndUser
from accounts.queries import end_users_of
from billing.access import Access, access_by, gives_none
from billing.catalogue import prices_on
from billing.models import Charge, ChargeState, Family, LicenceAssignment, Product
from telephony.contact_center import LICENCES, STORAGE
from telephony.models import ContactCenter, Edition, Number, NumberState

CHANNELS: Final = "cc-channel-"
ADDONS: Final = "cc-addon-"


@dataclass(frozen=True, slots=True)
class Item:
    """Something of the subscription: how many there are, at today's `price` and at what they cost `monthly`.

    `waiting`: how many of them are not billed before activation; `since`: the first day on which some are.
    """

    product: Product
    held: int
    waiting: int
    since: date | None
    monthly: Decimal
    price: Decimal | None

    @property
    def pk(self) -> str:
        """The product's code."""
        return self.product.pk


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an account has of a contact center, and what there is to have."""

    licences: Sequence[Item]
    channels: Sequence[Item]
    addons: Sequence[Item]
    storage: Sequence[Item]
    fee: Decimal | None

    @property
    def items(self) -> list[Item]:
        """All of it, in the order of the page."""
        return [*self.licences, *self.channels, *self.addons, *self.storage]

    @property
    def monthly(self) -> Decimal:
        """What all of it costs a month, from the day on which it is billed."""
        return sum((item.monthly for item in self.items), Decimal(0))

    @property
    def current_storage(self) -> Item | None:
        """The storage package in use, the largest if there are several."""
        return next((item for item in reversed(self.storage) if item.held), None)


def subscription_of(contact_center: ContactCenter, today: date) -> Subscription:
    """The contact center's subscription; three queries. Of the licences that of the edition, and what is held."""
    account = contact_center.account
    products = list(Product.objects.filter(family=Family.CONTACT_CENTER))
    prices = prices_on([product.pk for product in products], account, today)
    held = _held(account)
    items = [
        Item(product, *held.get(product.pk, (0, 0, None, Decimal(0))), price=prices.get(product.pk))
        for product in products
        if product.is_on_sale or product.pk in held
    ]
    own = LICENCES[Edition(contact_center.edition)]
    fee = next((product.brings_id for product in products if product.pk == own), None)
    return Subscription(
        licences=[item for item in items if item.product.is_licence and (item.pk == own or item.held)],
        channels=[item for item in items if item.pk.startswith(CHANNELS)],
        addons=[item for item in items if item.pk.startswith(ADDONS)],
        storage=[item for item in items if item.pk in STORAGE],
        fee=prices.get(fee) if fee else None,
    )


def _held(account: Account) -> dict[str, tuple[int, int, date | None, Decimal]]:
    """By product: units, those that wait for activation, the first billed day, and the sum a month."""
    charges = (
        Charge.objects.filter(
            account=account,
            ended_on=None,
            subscription=None,
            product__family=Family.CONTACT_CENTER,
            product__is_recurring=True,
        )
        .order_by()
        .values_list("product", "unit_price", "billing_starts_on")
        .annotate(units=Sum("quantity"))
    )
    parts: dict[str, list[tuple[Decimal | None, date | None, int]]] = defaultdict(list)
    for product, unit_price, starts_on, units in charges:
        parts[product].append((unit_price, starts_on, units))
    return {
        product: (
            sum(units for _, _, units in found),
            sum(units for _, starts_on, units in found if starts_on is None),
            min((starts_on for _, starts_on, _ in found if starts_on is not None), default=None),
            sum(((unit_price or Decimal(0)) * units for unit_price, _, units in found), Decimal(0)),
        )
        for product, found in parts.items()
    }


def assigned_users(contact_center: ContactCenter) -> int:
    """How many end users Contact Center is assigned to, from whatever licence."""
    return _assigned(contact_center).count()


def own_assigned(contact_center: ContactCenter) -> int:
    """How many of the account's own licences are assigned; those of subscriptions are counted there."""
    return _assigned(contact_center).filter(subscription=None).count()


def bought_licences(contact_center: ContactCenter) -> int:
    """How many licences of the contact center there are: the account's own and those of subscriptions."""
    charges = Charge.objects.filter(
        account=contact_center.account,
        ended_on=None,
        product__family=Family.CONTACT_CENTER,
        product__is_licence=True,
    ).exclude(state=ChargeState.ENDED)
    found: int | None = charges.aggregate(units=Sum("quantity"))["units"]
    return found or 0


def _assigned(contact_center: ContactCenter) -> QuerySet[LicenceAssignment]:
    return LicenceAssignment.objects.filter(
        account=contact_center.account,
        unassigned_on=None,
        product=LICENCES[Edition(contact_center.edition)],
    )


def accesses(contact_center: ContactCenter, end_users: Sequence[EndUser], on: date) -> dict[int, Access]:
    """What the assignment of each of these end users gives on a day, by their keys (SUB-8). One query."""
    held = _assigned(contact_center).filter(end_user__in=[end_user.pk for end_user in end_users])
    return {one.end_user_id: access_by(one.subscription, on) for one in held.select_related("subscription")}


def contact_center_users(
    contact_center: ContactCenter,
    *,
    search: str = "",
    has_it: bool | None = None,
    barred_on: date | None = None,
) -> QuerySet[EndUser]:
    """The account's end users; each carries `since`, the day on which Contact Center was assigned, or None.

    `barred_on`: only those whose assignment gives no access on that day (SUB-8).
    """
    held = _assigned(contact_center).filter(end_user=OuterRef("pk"))
    end_users = end_users_of(contact_center.account, search=search)
    end_users = end_users.annotate(since=Subquery(held.values("assigned_on")[:1]))
    if barred_on is not None:
        return end_users.filter(Exists(held.filter(gives_none(barred_on))))
    return end_users if has_it is None else end_users.filter(since__isnull=not has_it)


def count_numbers(contact_center: ContactCenter) -> int:
    """How many numbers the contact center has."""
    return Number.objects.filter(service=contact_center.service, state=NumberState.ASSIGNED).count()
