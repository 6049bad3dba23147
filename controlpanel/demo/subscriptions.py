"""The contact center of a freight company on two subscriptions, of two departments and through two partners."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from accounts.models import Account, EndUser
from accounts.trail import Actor
from billing.engine.calendar import months_after
from billing.licences import assign_licence
from billing.models import LicenceMode, Offer, Subscription, TelephonyOption
from billing.subscriptions import Terms, add_subscription
from billing.usage import NewUsage, UsageBook
from controlpanel.demo import cast
from controlpanel.demo.stage import STAFF_ADDRESS, Stage, Story

ACCOUNT: Final = "meridian-freight"
# The pilot ends about ten days from now.
PILOT_BEGAN: Final = 112
SERVICE_BEGAN: Final = 30
# The peaks of a working day, by turns. Together 10 and 15 agents are included: now and then a day is above.
PILOT_AGENTS: Final = (8, 9, 7, 9, 8, 12, 9, 8, 6)
SERVICE_AGENTS: Final = (13, 14, 15, 12, 14, 18, 13, 15, 14, 12, 11)


def two_subscriptions(stage: Stage) -> Story:
    """Dispatch tried the contact center for four months; Claims joined for two years. The pilot nears its end."""
    plan = next(plan for plan in cast.ACCOUNTS if plan.slug == ACCOUNT)
    zone = ZoneInfo(plan.timezone)
    today = stage.now.astimezone(zone).date()
    yield _at(today, PILOT_BEGAN, "11:05", zone)
    account = Account.objects.get(slug=ACCOUNT)
    by = Actor(user=account.memberships.get(user__full_name="Ravi Menon").user, address="203.0.113.77")
    at = _at(today, PILOT_BEGAN, "11:05", zone)
    pilot = add_subscription(account, _pilot(stage, today), actor=by, at=at)
    _seat(stage, account, pilot, "Dispatch", 6, by, at + timedelta(minutes=20))
    service: Subscription | None = None
    book = UsageBook(Actor(user=stage.staff[cast.BOOKKEEPER].user, address=STAFF_ADDRESS), "contact center")
    for days_ago in range(PILOT_BEGAN, -1, -1):
        if days_ago == SERVICE_BEGAN:
            at = _at(today, days_ago, "14:40", zone)
            yield at
            service = add_subscription(account, _service(stage, today), actor=by, at=at)
            _seat(stage, account, service, "Billing", 8, by, at + timedelta(minutes=20))
        at = _at(today, days_ago, "19:10", zone)
        yield at
        book.take(_day(account, today - timedelta(days=days_ago), at, pilot, service), at)


def _at(today: date, days_ago: int, clock: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(today - timedelta(days=days_ago), time.fromisoformat(clock), tzinfo=zone)


def _pilot(stage: Stage, today: date) -> Terms:
    starts_on = today - timedelta(days=PILOT_BEGAN)
    return Terms(
        name="Dispatch pilot",
        offer=Offer.FLEX,
        starts_on=starts_on,
        ends_on=months_after(starts_on, 4),
        licence_mode=LicenceMode.CONCURRENT,
        telephony_option=TelephonyOption.WEBEX_CALLING,
        commitments={"agents": 10, "ivr-ports": 8, "connect-messages": 2000},
        products={stage.products["cc-pro-licence"]: 10},
        partner=stage.partners[cast.LAKESHORE.slug],
        department="Dispatch",
        billing_contact="dispatch@meridianfreight.example",
    )


def _service(stage: Stage, today: date) -> Terms:
    starts_on = today - timedelta(days=SERVICE_BEGAN)
    return Terms(
        name="Claims and billing",
        starts_on=starts_on,
        ends_on=months_after(starts_on, 24),
        licence_mode=LicenceMode.CONCURRENT,
        telephony_option=TelephonyOption.WEBEX_CALLING,
        commitments={"agents": 15, "ivr-ports": 6, "ai-agent": 150},
        products={stage.products["cc-pro-licence"]: 15, stage.products["cc-addon-wfo"]: 1},
        partner=stage.partners[cast.BEACON.slug],
        department="Billing",
        billing_contact="claims@meridianfreight.example",
    )


def _seat(
    stage: Stage,
    account: Account,
    subscription: Subscription,
    department: str,
    seats: int,
    by: Actor,
    at: datetime,
) -> None:
    """Give people of a department the licences of a subscription; the first is left to the account's own."""
    people = EndUser.objects.filter(account=account, department=department, removed_on=None).order_by("pk")
    for person in people[4 : 4 + seats]:
        assign_licence(person, stage.products["cc-pro-licence"], subscription=subscription, actor=by, at=at)


def _day(
    account: Account, on: date, at: datetime, pilot: Subscription, service: Subscription | None
) -> list[NewUsage]:
    """What was used on a day: little at weekends."""
    works = on.weekday() < 5
    turn = on.toordinal()
    found = {
        (pilot, "agents"): PILOT_AGENTS[turn % len(PILOT_AGENTS)] if works else 2,
        (pilot, "ivr-ports"): 5 + turn % 3 if works else 1,
        (pilot, "connect-messages"): 60 + turn % 7 * 9 if works else 12,
    }
    if service is not None:
        found |= {
            (service, "agents"): SERVICE_AGENTS[turn % len(SERVICE_AGENTS)] if works else 3,
            (service, "ivr-ports"): 5 + turn % 2 if works else 1,
            (service, "ai-agent"): 9 + turn % 4 if works else 2,
            (service, "connect-messages"): 35 + turn % 5 * 8 if works else 6,
        }
    return [
        NewUsage(account, f"{meter}-{subscription.pk}-{on:%y%m%d}", meter, at, units, subscription.pk)
        for (subscription, meter), units in found.items()
    ]
