"""The pages of the built-in test gateway, which stand for those of a bank. They are there with it, and only then."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.permissions import BILLING_ADMINS, EVERY_ROLE, AccountRequest, account_page
from billing.models import CardSetup, Collection, TestIntent
from billing.payments.gateways.base import Status
from billing.payments.gateways.test_gateway import CARDS, NAME, TestGateway
from billing.views.places import place

if TYPE_CHECKING:
    from django.http import HttpResponse

View = Callable[Concatenate[AccountRequest, ...], "HttpResponse"]


class CardForm(forms.Form):
    """Which of the test cards; there is no number to be entered anywhere."""

    card = forms.ChoiceField(
        label="Test card",
        widget=forms.RadioSelect,
        choices=[
            (card.code, f"{card.label} ({card.brand} ending in {card.last4})") for card in CARDS.values()
        ],
        error_messages={"required": "Choose a card.", "invalid_choice": "Choose a card of the list."},
    )


def while_testing(view: View) -> View:
    """404 wherever money is real."""

    @wraps(view)
    def page(request: AccountRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if settings.PAYMENT_GATEWAY != NAME:
            raise Http404
        return view(request, *args, **kwargs)

    return page


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True, while_suspended=True)
@while_testing
def bank_card(request: AccountRequest, key: Any) -> HttpResponse:
    """Enter a card: one is chosen by what it does."""
    setup = get_object_or_404(CardSetup, account=request.account, key=key, gateway=NAME)
    there = place(request, "billing:card-return", key=setup.key)
    form = CardForm(request.POST if request.method == "POST" else None, initial={"card": "succeeds"})
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            if setup.method_id is None:
                setup.gateway_id = f"{setup.key}:{form.cleaned_data['card']}"
                setup.save(update_fields=["gateway_id"])
            return redirect(there)
    context = {"form": form, "setup": setup, "there": there}
    return render(request, "test_bank/card.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True, while_suspended=True)
@while_testing
def bank_confirm(request: AccountRequest, key: Any) -> HttpResponse:
    """Confirm a payment or refuse it, as the bank's own page would ask."""
    collection = get_object_or_404(
        Collection.objects.select_related("method"),
        account=request.account,
        gateway=NAME,
        gateway_id=str(key),
    )
    intent = get_object_or_404(TestIntent, key=str(key))
    if request.method == "POST":
        there = TestGateway().answer(intent.key, is_confirmed="confirm" in request.POST)
        # The panel's own page; its host is the one that the person is on.
        return redirect(urlsplit(there).path)
    context = {
        "intent": intent,
        "card": collection.method,
        "is_open": intent.status == Status.ACTION,
        "there": urlsplit(intent.return_url).path,
    }
    return render(request, "test_bank/confirm.html", context)
