"""What pages read of subscriptions: which is primary and why, how far each is, and what it used (SUB-4, SUB-5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from django.db.models import Count, F, Max, Q, QuerySet, Sum

from accounts.models import Account
from billing.catalogue import prices_on
from billing.engine import Period, Pooling, SubscriptionFacts
from billing.engine.usage import primary_on
from billing.models import (
    Charge,
    Family,
    LicenceAssignment,
    Meter,
    Product,
    Subscription,
    UsageRecord,
)

_DAY = timedelta(days=1)
ENDS_SOON_DAYS = 30
"""The first warning goes out so many days before an end (SUB-8)."""


class Status(StrEnum):
    """How far a subscription is in its term."""

    UPCOMING = "upcoming"
    ACTIVE = "active"
    ENDS_SOON = "ends-soon"
    ENDED = "ended"

    @property
    def label(self) -> str:
        """The status in words."""
        return self.value.replace("-", " ").capitalize()

    @property
    def tone(self) -> str:
        """The tone in which it is shown."""
        return {"upcoming": "info", "active": "ok", "ends-soon": "warn"}.get(self.value, "neutral")


def status_of(subscription: Subscription, today: date) -> Status:
    """The status of a subscription on the account's own day."""
    if subscription.has_ended(today):
        return Status.ENDED
    if subscription.starts_on > today:
        return Status.UPCOMING
    if subscription.ends_on <= today + timedelta(days=ENDS_SOON_DAYS):
        return Status.ENDS_SOON
    return Status.ACTIVE


def in_status(status: str, today: date) -> Q:
    """The subscriptions of a status; all for one that is none."""
    soon = today + timedelta(days=ENDS_SOON_DAYS)
    found: dict[str, Q] = {
        Status.ENDED: Q(ends_on__lte=today) | Q(ends_on=F("starts_on")),
        Status.UPCOMING: Q(starts_on__gt=today, ends_on__gt=F("starts_on")),
        Status.ENDS_SOON: Q(starts_on__lte=today, ends_on__gt=today, ends_on__lte=soon),
        Status.ACTIVE: Q(starts_on__lte=today, ends_on__gt=soon),
    }
    return found.get(status, Q())


def subscriptions_in(
    account: Account,
    today: date,
    *,
    search: str = "",
    status: str = "",
    offer: str = "",
    partner: int | None = None,
) -> QuerySet[Subscription]:
    """The account's subscriptions with their partners; words of `search` are looked for in names and people."""
    found = Subscription.objects.filter(in_status(status, today), tenancy=account.pk).select_related(
        "partner"
    )
    if offer:
        found = found.filter(offer=offer)
    if partner:
        found = found.filter(partner=partner)
    for word in search.split():
        found = found.filter(
            Q(name__icontains=word)
            | Q(department__icontains=word)
            | Q(billing_contact__icontains=word)
            | Q(partner__name__icontains=word)
        )
    return found


class Succession(NamedTuple):
    """Who is primary today and who is next, with whom the primary shares its start; None where nobody is (SUB-4).

    `is_active`: the primary's term covers today; else it is the last that was, and is billed what comes in.
    """

    primary: SubscriptionFacts | None
    is_active: bool
    following: SubscriptionFacts | None
    same_start: Sequence[SubscriptionFacts]


def succession(subscriptions: Sequence[SubscriptionFacts], today: date) -> Succession:
    """Who is primary, by the rule by which invoices are drawn."""
    primary = primary_on(subscriptions, today)
    if primary is None:
        return Succession(
            None, is_active=False, following=_first_to_come(subscriptions, today), same_start=()
        )
    is_active = primary.is_active(today)
    same = [
        one
        for one in subscriptions
        if one.starts_on == primary.starts_on and one is not primary and one.is_active(today)
    ]
    if not is_active:
        return Succession(primary, is_active, _first_to_come(subscriptions, today), same)
    after = primary_on(subscriptions, primary.ends_on)
    is_next = after is not None and after is not primary and after.is_active(primary.ends_on)
    return Succession(primary, is_active, after if is_next else None, same)


def _first_to_come(subscriptions: Sequence[SubscriptionFacts], today: date) -> SubscriptionFacts | None:
    to_come = [one for one in subscriptions if today < one.starts_on < one.ends_on]
    return min(to_come, key=lambda one: (one.starts_on, one.id), default=None)


def on_offer(account: Account, today: date) -> list[Product]:
    """What a subscription can hold: billed monthly, on sale, with a price of today. Two queries."""
    products = Product.objects.filter(
        is_on_sale=True, is_recurring=True, family__in=(Family.LICENCE, Family.CONTACT_CENTER)
    )
    found = list(products)
    prices = prices_on([product.pk for product in found], account, today)
    return [product for product in found if product.pk in prices]


def meters_by_code() -> dict[str, Meter]:
    """All meters, in their order. One query."""
    return {meter.pk: meter for meter in Meter.objects.all()}


def pooled(meters: Mapping[str, Meter]) -> list[Meter]:
    """The meters that can be committed to."""
    return [meter for meter in meters.values() if meter.pooling not in (Pooling.NONE, Pooling.PACKAGE)]


def commitments_on(subscription: SubscriptionFacts, today: date) -> dict[str, int]:
    """What a subscription has committed to, by meter: today; at its start or on its last day if it does not run."""
    on = min(max(today, subscription.starts_on), max(subscription.starts_on, subscription.ends_on - _DAY))
    meters = {commitment.meter for commitment in subscription.commitments}
    return {meter: quantity for meter in meters if (quantity := subscription.committed(meter, on))}


def monthly_of(account: Account, subscriptions: Sequence[int]) -> dict[int, Decimal]:
    """What each of these subscriptions (by id) costs a month, not rounded. One query."""
    rows = (
        Charge.objects.filter(
            account=account, subscription__in=subscriptions, ended_on=None, unit_price__isnull=False
        )
        .order_by()
        .values_list("subscription", "unit_price")
        .annotate(units=Sum("quantity"))
    )
    found: dict[int, Decimal] = defaultdict(Decimal)
    for key, price, units in rows:
        found[key] += price * units
    return found


class Used(NamedTuple):
    """What one subscription used of a meter: units (seconds for calls), the highest record, different ones, records."""

    meter: Meter
    units: int
    peak: int
    different: int
    records: int


def used_by(
    account: Account,
    subscription: Subscription,
    period: Period,
    meters: Mapping[str, Meter],
    *,
    is_primary: bool,
) -> list[Used]:
    """The usage of one subscription in a period, by meter in its order (SUB-5). One query.

    The primary has all messages and what names no subscription of pooled meters; the others have neither.
    `is_primary` is asked of the period's last day, which decides who pays (SUB-6).
    """
    primarys = [code for code, meter in meters.items() if meter.pooling == Pooling.PRIMARY]
    shared = [meter.pk for meter in pooled(meters)]
    own = Q(subscription=subscription) & ~Q(meter__in=primarys)
    if is_primary:
        own |= Q(meter__in=primarys) | Q(subscription=None, meter__in=shared)
    rows = (
        UsageRecord.objects.filter(
            own, account=account, occurred_on__gte=period.start, occurred_on__lt=period.end
        )
        .order_by()
        .values_list("meter")
        .annotate(
            units_used=Sum("units"),
            highest=Max("units"),
            different=Count("subject", distinct=True),
            records=Count("id"),
        )
    )
    found = [Used(meters[code], *rest) for code, *rest in rows if code in meters]
    return sorted(found, key=lambda used: used.meter.rank)


@dataclass(frozen=True, slots=True)
class Held:
    """Units of a product on a subscription: how many, assigned of them, at which prices. Prices are per month."""

    product: str
    name: str
    is_licence: bool
    is_on_sale: bool
    units: int
    assigned: int
    charges: Sequence[Charge]

    @property
    def free(self) -> int:
        """How many licences can be assigned, or given back."""
        return max(0, self.units - self.assigned)


def held_on(account: Account, subscription: Subscription, today: date) -> list[Held]:
    """What is billed for a subscription, or was until it ended, by product. Two queries."""
    charges: dict[str, list[Charge]] = defaultdict(list)
    rows = Charge.objects.filter(account=account, subscription=subscription).select_related("product")
    if subscription.ends_on > today:
        rows = rows.filter(ended_on=None)
    else:
        rows = rows.filter(Q(ended_on=None) | Q(ended_on__gte=subscription.ends_on))
    for charge in rows.order_by("product__rank", "product", "id"):
        charges[charge.product_id].append(charge)
    assigned: Mapping[str, int] = dict(
        LicenceAssignment.objects.filter(subscription=subscription, unassigned_on=None)
        .order_by()
        .values_list("product")
        .annotate(units=Count("id"))
    )
    return [
        Held(
            code,
            found[0].product.name,
            found[0].product.is_licence,
            found[0].product.is_on_sale,
            sum(charge.quantity for charge in found),
            assigned.get(code, 0),
            found,
        )
        for code, found in charges.items()
    ]
