"""What pages read of accounts, members, end users and the trail."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from django.db.models import Count, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from accounts.models import Account, AuditEntry, EndUser, Membership, PartnerAccess, User
from accounts.permissions import STAFF_GROUPS, is_in_group
from accounts.standing import opened_by, with_standing

SCHEDULED_TASKS = "tasks"
# Nothing was done before and nothing will be after; the very first and last days have no beginning in UTC.
EARLIEST, LATEST = date(1900, 1, 1), date(2999, 12, 31)


def visible_accounts(user: User, search: str = "") -> QuerySet[Account]:
    """The accounts a person may open: those of memberships and of a partner, for staff all (ACC-1 to ACC-3).

    Each carries what `standing_in` reads. `search` is looked for in name and address.
    """
    accounts = with_standing(Account.objects.select_related("brand").filter(is_simulation=False), user)
    if not is_in_group(user, *STAFF_GROUPS):
        accounts = accounts.filter(opened_by(user))
    for word in search.split():
        accounts = accounts.filter(Q(name__icontains=word) | Q(slug__icontains=word))
    return accounts


def end_users_of(
    account: Account, *, search: str = "", department: str = "", location: int | None = None
) -> QuerySet[EndUser]:
    """The account's end users, the removed ones left out; each carries `place`, the location's name.

    Every word of `search` is looked for in name, e-mail address, extension and department.
    """
    end_users = (
        EndUser.objects.filter(account=account, removed_on=None)
        .select_related("location")
        .annotate(place=Coalesce(F("location__name"), Value("")))
    )
    if department:
        end_users = end_users.filter(department=department)
    if location is not None:
        end_users = end_users.filter(location=location)
    for word in search.split():
        end_users = end_users.filter(
            Q(name__icontains=word)
            | Q(email__icontains=word)
            | Q(extension__startswith=word)
            | Q(department__icontains=word)
        )
    return end_users


def departments_of(account: Account) -> list[str]:
    """The departments that end users of the account are in, in order."""
    return list(
        EndUser.objects.filter(account=account, removed_on=None)
        .exclude(department="")
        .order_by("department")
        .values_list("department", flat=True)
        .distinct()
    )


def members_of(account: Account) -> QuerySet[Membership]:
    """The account's members with their users, by name."""
    return (
        Membership.objects.filter(account=account)
        .select_related("user", "account")
        .order_by("user__full_name", "pk")
    )


def partners_of(account: Account) -> QuerySet[PartnerAccess]:
    """The account's partners in the order in which they came in, each with `people`: how many sign in for it."""
    signing_in = Count("partner__people", filter=Q(partner__people__is_active=True))
    places = PartnerAccess.objects.filter(account=account).select_related("partner", "account")
    return places.annotate(people=signing_in).order_by("since", "pk")


def trail_of(
    account: Account,
    *,
    search: str = "",
    person: str = "",
    action: str = "",
    first: date | None = None,
    last: date | None = None,
) -> QuerySet[AuditEntry]:
    """The account's trail with the people in it, newest first (ACC-5).

    `person`: a user's key, or SCHEDULED_TASKS; `first` and `last`: the account's own days, both included.
    """
    trail = AuditEntry.objects.filter(account=account).select_related("user")
    if person == SCHEDULED_TASKS:
        trail = trail.filter(is_task=True)
    elif person:
        trail = trail.filter(user=int(person))
    if action:
        trail = trail.filter(action=action)
    if first is not None:
        trail = trail.filter(at__gte=day_begins(account, min(max(first, EARLIEST), LATEST)))
    if last is not None:
        last = min(max(last, EARLIEST), LATEST)
        trail = trail.filter(at__lt=day_begins(account, last + timedelta(days=1)))
    for word in search.split():
        trail = trail.filter(Q(summary__icontains=word) | Q(target__icontains=word) | Q(by__icontains=word))
    return trail


def actions_in_trail(account: Account) -> list[str]:
    """The kinds of change that the account's trail holds, in order."""
    return list(
        AuditEntry.objects.filter(account=account)
        .order_by("action")
        .values_list("action", flat=True)
        .distinct()
    )


def people_in_trail(account: Account) -> Iterable[User]:
    """Who has changed something in the account, by name: members, former ones and staff."""
    return User.objects.filter(
        pk__in=AuditEntry.objects.filter(account=account, user__isnull=False).values("user")
    ).order_by("full_name", "pk")


def day_begins(account: Account, on: date) -> datetime:
    """The instant at which a day of the account begins."""
    return datetime.combine(on, time.min, tzinfo=account.zone)
