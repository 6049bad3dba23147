"""Who can sign in to the demo."""

from __future__ import annotations

from typing import Final, NamedTuple

from django.conf import settings

from accounts.models import User
from controlpanel.demo import cast, quoted


class SignIn(NamedTuple):
    """Somebody of the demo, and what they are good for."""

    email: str
    what: str


SIGN_INS: Final = (
    SignIn("devon@harbordental.example", "Admin of Harbor Dental: a small practice with a bit of everything"),
    SignIn(
        "joan@meridianfreight.example",
        "Admin of Meridian Freight: more than 200 licences, 120 numbers, four sites, two subscriptions",
    ),
    SignIn("jutta@kranich.example", "Owner of Kranich Werkzeugbau: billed in euro by HostPilot, BDOM 30"),
    SignIn("amy@fernwood.example", "Owner of Fernwood Clinic: opened yesterday, with nothing in it"),
    SignIn("grant@tidewater.example", "Owner of Tidewater Insurance: tries a plan that ends in some days"),
    SignIn(
        "lena@copperline.example", "Admin of Copperline Electric: its plan is unsubscribed, and lasts a while"
    ),
    SignIn("lucia@harbordental.example", "Read-only at Harbor Dental"),
    SignIn(cast.PRIYA.email, "Admin of three accounts of two brands"),
    SignIn(cast.MARTA.email, "Billing role in three accounts"),
    SignIn(cast.BEACON.people[0][0], "Partner: full administration of three accounts, read-only in a fourth"),
    SignIn(quoted.OWNER, "Owner of Saltmarsh Books: opened by a quote, one phone still to ship"),
    *(SignIn(plan.email, plan.what) for plan in cast.STAFF),
)


def is_loaded() -> bool:
    """Whether the demo is in this database."""
    return User.objects.filter(email=cast.ADMINISTRATOR).exists()


def sign_ins() -> list[SignIn]:
    """Those worth trying, that are in the database still."""
    there = set(
        User.objects.filter(email__in=[row.email for row in SIGN_INS]).values_list("email", flat=True)
    )
    return [row for row in SIGN_INS if row.email in there]


def shown() -> list[dict[str, str]]:
    """The sign-ins as the sign-in page shows them: nothing where there is no demo, or in production."""
    if settings.PRODUCTION or not is_loaded():
        return []
    return [{"label": row.what, "email": row.email, "password": cast.KNOWN_TO_ALL} for row in sign_ins()]
