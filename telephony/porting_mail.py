"""Mail about ports: confirmed for a day, done, rejected."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.urls import reverse

from accounts.mail import admins_of, panel_url, queue_mail
from billing.explain import label_words
from telephony.models import PortDirection, PortRequest, PortState

MOST_NUMBERS: Final = 10
KINDS: Final = {
    PortState.CONFIRMED: "port-confirmed",
    PortState.DONE: "port-done",
    PortState.REJECTED: "port-rejected",
}


def announce_port(request: PortRequest, at: datetime) -> None:
    """Write to the owners and admins what became of a request, in the transaction that changed it."""
    account = request.account
    if account.is_simulation:
        return
    numbers = list(request.numbers.values_list("e164", flat=True))
    page = reverse("telephony:number-port", kwargs={"account": account.slug, "pk": request.pk})
    context = {
        "is_in": request.direction == PortDirection.IN,
        "carrier": request.carrier,
        "numbers": [label_words(e164) for e164 in numbers[:MOST_NUMBERS]],
        "more": max(0, len(numbers) - MOST_NUMBERS),
        "day": request.done_on or request.confirmed_for,
        "reason": request.reason,
        "url": panel_url(page),
    }
    queue_mail(account, KINDS[PortState(request.state)], admins_of(account), context, at=at)
