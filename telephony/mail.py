"""Mail about the contact center: installed, asked for, about to go live by itself, active (ONB-7, ONB-9)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from accounts.mail import admins_of, panel_url, queue_mail
from accounts.trail import Actor
from telephony.contact_center import MOST_LICENCES
from telephony.models import ContactCenter
from telephony.onboarding import activates_on, steps, with_progress

if TYPE_CHECKING:
    from datetime import date


def announce(contact_center: ContactCenter, what: str, actor: Actor, at: datetime) -> None:
    """Write to the owners and admins what happened to their contact center, in its transaction.

    `what` is installed, requested, activated or warned. A request goes to the brand's onboarding team and,
    to confirm it, to who asked.
    """
    account = contact_center.account
    page = panel_url(reverse("telephony:contact-center", kwargs={"account": account.slug}))
    context = _facts(contact_center, account.local_date(at)) | {"url": page}
    if what == "requested":
        queue_page = reverse("admin:telephony_contactcenter_activate", args=[contact_center.pk])
        asked = context | {"asker": actor.label, "left": _left(contact_center)}
        team = [account.brand.onboarding_email]
        queue_mail(
            account,
            "activation-requested",
            team,
            asked | {"url": panel_url(queue_page)},
            at=at,
            language="en",
        )
        if actor.user is not None:
            queue_mail(account, "activation-request-received", [actor.user.email], asked, at=at)
        return
    kinds = {
        "installed": "contact-center-installed",
        "activated": "contact-center-activated",
        "warned": "activation-warning",
    }
    if what == "activated":
        invoice = reverse("billing:next-invoice", kwargs={"account": account.slug})
        context["url"] = panel_url(invoice)
    queue_mail(account, kinds[what], admins_of(account), context, at=at)


def _facts(contact_center: ContactCenter, today: date) -> dict[str, Any]:
    due = activates_on(contact_center)
    return {
        "contact_center": str(contact_center),
        "is_onboarding": contact_center.is_onboarding,
        "installed_on": contact_center.installed_on,
        "age": (today - contact_center.installed_on).days,
        "requested_on": today,
        "activates_on": due,
        "days_left": (due - today).days if due else None,
        "activated_on": contact_center.activated_on,
        "is_automatic": bool(contact_center.activation_rule) and contact_center.activation_rule != "ONB-1",
        "most_licences": MOST_LICENCES,
        "upgrade_allowed": contact_center.account.brand.toll_free_upgrade_in_onboarding,
    }


def _left(contact_center: ContactCenter) -> list[str]:
    found = with_progress(ContactCenter.objects.filter(pk=contact_center.pk)).get()
    return [step.label for step in steps(found) if not step.is_done]
