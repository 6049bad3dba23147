"""One payment by card: where it stands, and the way back from the bank (INV-6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.permissions import BILLING_ADMINS, EVERY_ROLE, AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.models import Collection, CollectionState, Settlement
from billing.payments.collecting import cancel_collection, collection_url, drive

if TYPE_CHECKING:
    from django.http import HttpResponse


@require_safe
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, while_suspended=True)
def collection(request: AccountRequest, key: Any) -> HttpResponse:
    """Where a payment stands. Known, it leads to what it was for; not known, the bank is asked.

    Whoever only looks asks nothing of the bank. One that was just sent is shown first, so that nobody has a page
    that does not answer; the page then asks by itself, with `ask`.
    """
    found = own_collection(request, key)
    is_fresh = found.state in (CollectionState.NEW, CollectionState.SENT) and "ask" not in request.GET
    if found.is_live and request.can_write and not is_fresh:
        found = drive(found, actor=Actor.of(request), clock=timezone.now)
    there = leads_to(found)
    if there != collection_url(found):
        return HttpResponseClientRedirect(there) if request.htmx else redirect(there)
    context: dict[str, Any] = {
        "collection": found,
        "waits": found.state in (CollectionState.NEW, CollectionState.SENT),
        "back": _what_for(found),
        "settled": _settled(found),
    }
    return render(request, "billing/collection.html", context)


@require_POST
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, while_suspended=True)
def collection_cancel(request: AccountRequest, key: Any) -> HttpResponse:
    """Have a payment never be made, unless it has been by now."""
    found = own_collection(request, key)
    try:
        found = cancel_collection(found, actor=Actor.of(request), clock=timezone.now)
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect(collection_url(found))
    if found.state == CollectionState.CANCELLED:
        messages.success(request, "The payment is cancelled. Nothing was charged.")
    return redirect(leads_to(found))


def leads_to(found: Collection) -> str:
    """Where a payment leads: its own page while it is not known what comes of it, then to what it was for."""
    return collection_url(found) if found.is_live else _what_for(found) or collection_url(found)


def _what_for(found: Collection) -> str:
    """The page of the plan's order or the invoice that is paid; "" where it is what the account owes."""
    slug = found.account.slug
    if found.plan_order is not None:
        return reverse("billing:plan-order", kwargs={"account": slug, "key": found.plan_order.key})
    if found.invoice is not None:
        return reverse("billing:invoice", kwargs={"account": slug, "number": found.invoice.number})
    return ""


def _settled(found: Collection) -> list[Settlement]:
    """The invoices that the payment went to."""
    if found.payment_id is None:
        return []
    return list(Settlement.objects.filter(payment=found.payment_id).select_related("invoice"))


def own_collection(request: AccountRequest, key: Any) -> Collection:
    """The account's own payment by its key; 404 for another's (ACC-4)."""
    found = Collection.objects.select_related("method", "plan_order", "invoice", "payment")
    collection = get_object_or_404(found, account=request.account, key=key)
    collection.account = request.account
    return collection
