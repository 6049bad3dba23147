"""The contact center of the account that a request is about: it comes with the account, for page and banner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from django.http import HttpRequest

from accounts.models import Account
from accounts.permissions import ADMINS, ALL_BUT_BILLING, fetched_with
from telephony.contact_center import MOST_LICENCES
from telephony.deadlines import is_near
from telephony.models import ContactCenter
from telephony.onboarding import Step, activates_on, day_of, progress, steps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from django.db.models import QuerySet

    from accounts.models import Brand
    from accounts.permissions import AccountRequest

PROGRESS: Final = ("has_users", "has_numbers", "has_channels", "has_storage", "has_package")


@dataclass(frozen=True, slots=True)
class Onboarding:
    """What the banner says while a contact center is being set up (ONB-2).

    `day` counts from 1 on the day of installation. `activates_on`: when it goes live by itself;
    `is_near`: so soon that warnings go out (ONB-9). `may_open`: the person may look at the checklist;
    `may_ask`: and may ask to go live, which a suspended account does not.
    """

    contact_center: ContactCenter
    day: int
    steps: Sequence[Step]
    activates_on: date | None
    is_near: bool
    may_open: bool
    may_ask: bool

    @property
    def done(self) -> int:
        """How many steps are done."""
        return sum(step.is_done for step in self.steps)

    @property
    def total(self) -> int:
        """How many steps there are."""
        return len(self.steps)

    @property
    def most_licences(self) -> int:
        """How many licences an account holds at most until it is live (ONB-3)."""
        return MOST_LICENCES

    @property
    def brand(self) -> Brand:
        """Whose onboarding team it is."""
        return self.contact_center.account.brand


@fetched_with
def with_contact_center(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """The accounts with their contact centers and the progress of these, so that no page asks once more."""
    return accounts.select_related("contact_center__service", "contact_center__requested_by").annotate(
        **progress("pk", "contact_center__service")
    )


def installed_in(request: AccountRequest) -> ContactCenter | None:
    """The contact center of the request's account with its progress, None where none is. It came with the account."""
    try:
        contact_center: ContactCenter = request.account.contact_center
    except ContactCenter.DoesNotExist:
        return None
    known = vars(request.account)
    vars(contact_center).update({name: known[name] for name in PROGRESS})
    return contact_center


def onboarding_of(request: HttpRequest) -> Onboarding | None:
    """What the banner of a page says: None on a page of no account, and where nothing is in onboarding."""
    if getattr(request, "account", None) is None:
        return None
    asked = cast("AccountRequest", request)
    contact_center = installed_in(asked)
    if contact_center is None or not contact_center.is_onboarding:
        return None
    role = asked.membership_role
    due = activates_on(contact_center)
    return Onboarding(
        contact_center,
        day=day_of(contact_center, asked.today),
        steps=steps(contact_center),
        # One that is due already goes live with the next tick.
        activates_on=due and max(due, asked.today),
        is_near=is_near(contact_center, asked.today),
        may_open=role is None or role in ALL_BUT_BILLING,
        may_ask=role in ADMINS and not asked.account.is_suspended,
    )
