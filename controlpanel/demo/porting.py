"""A dental practice brings its old numbers along: one try was rejected, one has its day, one waits for an answer."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from accounts.models import Account
from accounts.trail import Actor
from controlpanel.demo import cast
from controlpanel.demo.stage import STAFF_ADDRESS, Stage, Story
from telephony.models import PortDirection
from telephony.porting import confirm_port, reject_port, request_port, submit_port

ACCOUNT: Final = "harbor-dental"
CARRIER: Final = "Bay State Telephone"
# Of the numbers that nobody gives out, those that lie in no inventory of the demo.
REJECTED: Final = ("+16175550190", "+16175550191")
CONFIRMED: Final = ("+16175550190", "+16175550191")
SUBMITTED: Final = ("+16175550192",)
DAYS_AHEAD: Final = 9


def ports(stage: Stage) -> Story:
    """Rejected for a name three weeks ago, asked anew and confirmed for a day to come, and another one submitted."""
    zone = ZoneInfo(next(plan.timezone for plan in cast.ACCOUNTS if plan.slug == ACCOUNT))
    today = stage.now.astimezone(zone).date()
    support = Actor(user=stage.staff[cast.SUPPORTER].user, address=STAFF_ADDRESS)
    at = _at(today, 24, "10:40", zone)
    yield at
    account = Account.objects.get(slug=ACCOUNT)
    by = Actor(user=account.memberships.get(user__full_name="Devon Pratt").user, address="203.0.113.41")
    request = request_port(
        account,
        PortDirection.IN,
        REJECTED,
        carrier=CARRIER,
        carrier_account="4410-77",
        authorised_by="Devon Pratt",
        actor=by,
        at=at,
    )
    submit_port(request, actor=by, at=at + timedelta(seconds=40))
    at = _at(today, 21, "15:05", zone)
    yield at
    reason = f"{CARRIER} knows Olivia Hart as the one who may speak for these numbers, not Devon Pratt."
    reject_port(request, reason, actor=support, at=at)
    at = _at(today, 20, "09:15", zone)
    yield at
    request = request_port(
        account,
        PortDirection.IN,
        CONFIRMED,
        carrier=CARRIER,
        carrier_account="4410-77",
        authorised_by="Olivia Hart",
        wanted_on=today + timedelta(days=7),
        actor=by,
        at=at,
    )
    submit_port(request, actor=by, at=at + timedelta(seconds=35))
    at = _at(today, 13, "11:30", zone)
    yield at
    confirm_port(request, today + timedelta(days=DAYS_AHEAD), actor=support, at=at)
    at = _at(today, 3, "16:20", zone)
    yield at
    request = request_port(
        account,
        PortDirection.IN,
        SUBMITTED,
        carrier="Quincy Cable",
        authorised_by="Olivia Hart",
        actor=by,
        at=at,
    )
    submit_port(request, actor=by, at=at + timedelta(seconds=30))


def _at(today: date, days_ago: int, clock: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(today - timedelta(days=days_ago), time.fromisoformat(clock), tzinfo=zone)
