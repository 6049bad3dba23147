"""Where gateways send their messages: nobody is signed in, and what is not signed is not read (INV-6)."""

from __future__ import annotations

import logging
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseNotFound
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from accounts.refusals import Refused
from billing.payments import gateways
from billing.payments.events import receive_event
from billing.payments.gateways.base import EventForged

log = logging.getLogger(__name__)

MOST_BYTES: Final = 256 * 1024
"""No message of a gateway's is as large as that."""


@csrf_exempt
def stripe(request: HttpRequest) -> HttpResponse:
    """Take a message of Stripe's. 200 when it is done; whatever else makes Stripe send it again for some days."""
    if not settings.STRIPE_WEBHOOK_SECRET:
        return HttpResponseNotFound()
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    payload = request.read(MOST_BYTES + 1)
    if len(payload) > MOST_BYTES:
        return HttpResponse(status=413)
    try:
        event = gateways.named("stripe").read_event(payload, request.headers)
    except EventForged as forged:
        log.warning("a message that is not Stripe's, from %s: %s", request.META.get("REMOTE_ADDR"), forged)
        return HttpResponse(status=400)
    try:
        receive_event("stripe", event, timezone.now)
    except Refused as refusal:
        log.warning("message %s (%s) could not be worked on yet: %s", event.id, event.kind, refusal)
        return HttpResponse(status=500)
    return HttpResponse(status=200)
