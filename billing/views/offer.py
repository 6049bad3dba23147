"""The customer's page of a quote: read, accepted, declined, without signing in (ORD-1).

Its address is the secret. An unknown token, and the token of a quote that nobody has sent, are not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from django.http import Http404, HttpRequest
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.views.decorators.http import require_POST, require_safe

from accounts.forms import show_refusal
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import quote_words
from billing.engine import BillingFault
from billing.models import BillingSchedule, Family, Quote, QuoteState
from billing.quote_forms import AcceptForm, DeclineForm
from billing.quote_pdf import pdf_answer
from billing.quotes import accept_quote, decline_quote, forecast, today_of

if TYPE_CHECKING:
    from datetime import date, datetime

    from django import forms
    from django.http import HttpResponse

    from accounts.models import Brand

NOT_NOW: Final = "The quote cannot be accepted as it stands. Please write or call us. Nothing was changed."


class OfferRequest(HttpRequest):
    """A request for a quote's page. `brand` gives the page its look, `at` is the instant that counts as now."""

    brand: Brand
    at: datetime


@require_safe
def offer(request: HttpRequest, token: str) -> HttpResponse:
    """What is offered, what it comes to, and the two answers; once there is an answer, what comes next."""
    asked, quote = _asked(request, token)
    return _page(asked, quote, AcceptForm(), DeclineForm())


@require_safe
def pdf(request: HttpRequest, token: str) -> HttpResponse:
    """The quote on paper."""
    asked, quote = _asked(request, token)
    return pdf_answer(quote, asked.at)


@require_POST
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Accept it. Done twice, in two tabs or too late, it says so and changes nothing."""
    asked, quote = _asked(request, token)
    form = AcceptForm(request.POST)
    if form.is_valid():
        try:
            accept_quote(quote, by=form.cleaned_data["by"], actor=_customer(asked, quote), at=asked.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        except BillingFault:
            show_refusal(form, Refused(NOT_NOW))
        else:
            return redirect("offer:offer", token=token)
    asked, quote = _asked(request, token)
    return _page(asked, quote, form, DeclineForm(), wrong=form)


@require_POST
def decline(request: HttpRequest, token: str) -> HttpResponse:
    """Decline it, with a reason."""
    asked, quote = _asked(request, token)
    form = DeclineForm(request.POST)
    if form.is_valid():
        try:
            decline_quote(quote, **form.cleaned_data, actor=_customer(asked, quote), at=asked.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            return redirect("offer:offer", token=token)
    asked, quote = _asked(request, token)
    return _page(asked, quote, AcceptForm(), form, wrong=form)


# --- parts ---------------------------------------------------------------------------------------


def _asked(request: HttpRequest, token: str) -> tuple[OfferRequest, Quote]:
    found = Quote.objects.select_related("brand", "account").filter(token=token)
    quote = found.exclude(state=QuoteState.DRAFT).first()
    if quote is None:
        raise Http404
    asked = cast(OfferRequest, request)
    asked.brand = quote.brand
    asked.at = timezone.now()
    return asked, quote


def _customer(request: OfferRequest, quote: Quote) -> Actor:
    """Whoever has the link: the trail keeps the quote's number and the address that the answer came from."""
    return Actor(task=f"the link of quote {quote}", address=request.META.get("REMOTE_ADDR") or None)


def _page(
    request: OfferRequest,
    quote: Quote,
    accepting: AcceptForm,
    declining: DeclineForm,
    *,
    wrong: forms.Form | None = None,
) -> HttpResponse:
    today = today_of(quote, request.at)
    is_open = quote.state == QuoteState.SENT and not quote.is_over(today)
    label, tone = quote_words.state_of(quote, request.at)
    context: dict[str, Any] = {
        "quote": quote,
        "offer": quote_words.offer_of(quote),
        "state": label,
        "tone": tone,
        "is_open": is_open,
        "accepting": accepting,
        "declining": declining,
        "wrong": wrong,
    }
    context["has_hardware"] = quote.lines.filter(product__family=Family.HARDWARE).exists()
    if is_open:
        # Whom it was sent to does not send it.
        context["state"] = "Open"
        context |= _expected(quote, today)
    if quote.account is not None:
        schedule = BillingSchedule.objects.filter(account=quote.account, last_bdom_on=None).first()
        context["first_on"] = schedule.next_bdom_on if schedule else None
    with timezone.override(quote.timezone), translation.override(quote.language):
        answer = render(request, "quotes/offer.html", context, status=400 if wrong else 200)
    # Nobody else is to learn the address: no list of a search engine, no cache, no page that it links to.
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _expected(quote: Quote, today: date) -> dict[str, Any]:
    """The first invoices if it is accepted today and ships today; nothing where that cannot be told."""
    try:
        found = forecast(quote, accepted_on=today, shipped_on=today)
    except (Refused, BillingFault):
        return {}
    return {"box": quote_words.forecast_box(found, quote.currency)}
