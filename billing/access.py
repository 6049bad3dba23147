"""Who has access: it follows the assignment and the subscription that it is of, not the tenant (SUB-8).

The one place that says so. A licence of the account's own gives access while it is assigned; one of a
subscription only on the days on which that subscription is active, whatever other subscriptions are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.db.models import Count, Exists, Model, OuterRef, Q, QuerySet, Subquery

from accounts.models import Account, EndUser, User
from billing.models import LicenceAssignment, Subscription

SOON: Final = timedelta(days=30)
"""From so many days before its end on, the panel says that a subscription ends (SUB-8)."""


@dataclass(frozen=True, slots=True)
class Access:
    """Whether an assigned licence gives access on a day; what `words` say has ISO dates.

    `is_ending`: it does, and for no more than 30 days.
    """

    has_it: bool
    is_ending: bool
    words: str

    @property
    def tone(self) -> str:
        """How it is shown."""
        return "warn" if self.is_ending else "ok" if self.has_it else "bad"


def access_by(subscription: Subscription | None, on: date) -> Access:
    """What a licence of this subscription, or without one of the account's own, gives on the day `on`."""
    if subscription is None:
        return Access(has_it=True, is_ending=False, words="")
    if subscription.has_ended(on):
        words = f"No access: subscription {subscription} {subscription.end_words}"
        return Access(has_it=False, is_ending=False, words=words)
    if subscription.starts_on > on:
        words = f"No access yet: subscription {subscription} begins on {subscription.starts_on}"
        return Access(has_it=False, is_ending=False, words=words)
    is_ending = subscription.ends_on <= on + SOON
    words = f"Access ends with subscription {subscription} on {subscription.ends_on}" if is_ending else ""
    return Access(has_it=True, is_ending=is_ending, words=words)


def gives_access(on: date) -> Q:
    """The assignments that give access on the day `on`."""
    return _stands(on) & (
        Q(subscription=None) | Q(subscription__starts_on__lte=on, subscription__ends_on__gt=on)
    )


def gives_none(on: date) -> Q:
    """The assignments that stand on the day `on` and give no access: their subscription is not active."""
    return _stands(on) & (Q(subscription__ends_on__lte=on) | Q(subscription__starts_on__gt=on))


def has_access(end_user: EndUser, product: str, on: date) -> bool:
    """Whether an end user has access to a product, by its code, on a day."""
    held = LicenceAssignment.objects.filter(gives_access(on), end_user=end_user, product=product)
    return end_user.removed_on is None and held.exists()


def own_assignments(user: User, account: Account) -> QuerySet[LicenceAssignment]:
    """The licences of a person who signs in to the panel: those of the end user with the same e-mail address.

    An administrator works with the contact center by a licence like everybody else (SUB-8).
    """
    return LicenceAssignment.objects.filter(
        account=account,
        unassigned_on=None,
        end_user__removed_on=None,
        end_user__email__iexact=user.email,
    ).select_related("product", "subscription")


@dataclass(frozen=True, slots=True)
class Ending:
    """A subscription that ends soon, or that has ended with people still on it. `left`: days, none once ended."""

    key: int
    name: str
    ends_on: date
    left: int
    people: int

    @property
    def has_ended(self) -> bool:
        """Whether access is lost already."""
        return self.left <= 0


def first_ending(account: Account, today: date) -> dict[str, Subquery]:
    """The subscriptions of which something is to be said: they end within 30 days, or ended with people on.

    The soonest of them and how many there are, as annotations of whatever a page asks anyway: see `told_by`.
    """
    found = _ending(account, today)
    counted = found.order_by().values("tenancy").annotate(count=Count("pk")).values("count")
    first = found.annotate(people=people_on())
    return {
        "ending_count": Subquery(counted),
        **{
            f"ending_{name}": Subquery(first.values(name)[:1]) for name in ("pk", "name", "ends_on", "people")
        },
    }


def told_by(row: Model | None, today: date) -> tuple[list[Ending], int]:
    """What a row that carries `first_ending` says: the soonest, or nothing, and how many there are beside it."""
    asked = {} if row is None else vars(row)
    if asked.get("ending_pk") is None:
        return [], 0
    on: date = asked["ending_ends_on"]
    first = Ending(asked["ending_pk"], asked["ending_name"], on, (on - today).days, asked["ending_people"])
    return [first], asked["ending_count"] - 1


def _ending(account: Account, today: date) -> QuerySet[Subscription]:
    held = LicenceAssignment.objects.filter(subscription=OuterRef("pk"), unassigned_on=None)
    return Subscription.objects.filter(
        Q(ends_on__gt=today) | Exists(held),
        tenancy=account.pk,
        starts_on__lte=today,
        ends_on__lte=today + SOON,
    ).order_by("ends_on", "pk")


def people_on() -> Count:
    """How many end users hold a licence of a subscription, as an annotation of a query of subscriptions."""
    return Count("assignments__end_user", filter=Q(assignments__unassigned_on=None), distinct=True)


def _stands(on: date) -> Q:
    return Q(assigned_on__lte=on) & (Q(unassigned_on=None) | Q(unassigned_on__gt=on))
