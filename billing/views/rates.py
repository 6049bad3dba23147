"""Finance: the rates of meters by date, setting one, and rating records anew that came in before it (USE-3)."""

from __future__ import annotations

from datetime import UTC, date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import show_refusal
from accounts.models import Brand
from accounts.permissions import FINANCE, StaffRequest, staff_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import rates
from billing.models import Meter, MeterRate
from billing.rate_forms import RateChooser, RateForm, RerateForm
from billing.rating import INTERNATIONAL
from billing.tasks import rerate_now

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.http.response import HttpResponseBase


@require_safe
@staff_page(FINANCE)
def meters(request: StaffRequest) -> HttpResponse:
    """Every meter with the rate in force, for a brand and a currency."""
    chooser = _chooser(request)
    standings = rates.standings(chooser.chosen_brand, chooser.chosen_currency, _today(request))
    context = {
        "form": chooser,
        "brand": chooser.chosen_brand,
        "currency": chooser.chosen_currency,
        "standings": standings,
        "missing": sum(standing.rate is None for standing in standings),
        "international": INTERNATIONAL,
    }
    return render(request, "finance/rates.html", context)


@require_safe
@staff_page(FINANCE)
def meters_csv(request: StaffRequest) -> HttpResponseBase:
    """A row for each dated rate of all meters."""
    return csv_response("rates", list(rates.RATE_COLUMNS), rates.rate_rows())


@require_safe
@staff_page(FINANCE)
def meter(request: StaffRequest, code: str) -> HttpResponse:
    """A meter's rates by date, with the one in force."""
    found = _meter(code)
    chooser = _chooser(request)
    today = _today(request)
    history = rates.history(found, chooser.chosen_brand, chooser.chosen_currency)
    now = rates.in_force_of(history, today)
    context = {
        "meter": found,
        "form": chooser,
        "brand": chooser.chosen_brand,
        "currency": chooser.chosen_currency,
        "now": now,
        "rows": [(rate, *_state(rate, now, today)) for rate in history],
        "per": rates.per(found),
        "is_international": found.pk == INTERNATIONAL,
    }
    return render(request, "finance/rate.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def add(request: StaffRequest, code: str) -> HttpResponse:
    """Set a rate from a day on; where the day is over, on to rating anew what has come in since."""
    found = _meter(code)
    chooser = _chooser(request)
    today = _today(request)
    now = rates.in_force_of(rates.history(found, chooser.chosen_brand, chooser.chosen_currency), today)
    initial: dict[str, Any] = {
        "brand": chooser.chosen_brand and chooser.chosen_brand.slug,
        "currency": chooser.chosen_currency,
        "effective_on": today,
    }
    if now is not None:
        initial |= {"minimum_seconds": now.minimum_seconds, "increment_seconds": now.increment_seconds}
    form = RateForm(request.POST or None, meter=found, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            rate = rates.set_rate(found, form.rate(), actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(
                request,
                f"{found}: {rates.amount_text(rate.per_unit.amount)} {rate.per_unit.currency} {rates.per(found)} "
                f"from {rate.effective_on}.",
            )
            return redirect(_after(rate, today))
    context = {"meter": found, "form": form, "now": now, "per": rates.per(found), "today": today}
    return render(request, "finance/rate_add.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def rerate(request: StaffRequest, code: str) -> HttpResponse:
    """How many records no invoice holds yet, and rating them anew by the rates of their own days."""
    found = _meter(code)
    form = RerateForm(request.POST if request.method == "POST" else request.GET or None)
    context: dict[str, Any] = {"meter": found, "form": form, "asked": None}
    if form.is_valid():
        asked = form.cleaned_data
        records = rates.open_records(found, asked["brand"], asked["currency"], asked["first"])
        if request.method == "POST":
            rerate_now(found, asked["brand"], asked["currency"], asked["first"], user=request.user)
            messages.success(
                request, "The records are being rated anew. Each account's activity says how many changed."
            )
            return redirect(_address("finance:rate", found, asked["brand"], asked["currency"]))
        context |= {
            "asked": asked,
            "records": records.count(),
            "accounts": records.order_by().values("account").distinct().count(),
            "kept": [(name, request.GET.get(name, "")) for name in form.fields],
        }
    return render(request, "finance/rerate.html", context)


# --- parts ---------------------------------------------------------------------------------------


def _today(request: StaffRequest) -> date:
    """The day by which rates of all time zones are called in force."""
    return request.at.astimezone(UTC).date()


def _chooser(request: StaffRequest) -> RateChooser:
    return RateChooser(request.GET, brands=Brand.objects.order_by("name"))


def _meter(code: str) -> Meter:
    if "\0" in code:  # PostgreSQL takes none in a text
        raise Http404
    found = Meter.objects.filter(pk=code).first()
    if found is None:
        raise Http404
    return found


def _state(rate: MeterRate, now: MeterRate | None, today: date) -> tuple[str, str]:
    """How a rate stands, in words and a tone."""
    if rate == now:
        return "In force", "ok"
    if rate.effective_on > today:
        return "To come", "info"
    if now is not None and now.brand_id is not None and rate.brand_id is None:
        return "The brand has its own", "neutral"
    return "Before", "neutral"


def _after(rate: MeterRate, today: date) -> str:
    """Where to go once a rate is set."""
    currency = str(rate.per_unit.currency)
    if rate.effective_on < today:
        return _address("finance:rerate", rate.meter, rate.brand, currency, first=rate.effective_on)
    return _address("finance:rate", rate.meter, rate.brand, currency)


def _address(
    name: str, meter: Meter, brand: Brand | None, currency: str, *, first: date | None = None
) -> str:
    asked = {"first": first, "currency": currency, "brand": brand.slug if brand else ""}
    query = urlencode({key: value for key, value in asked.items() if value})
    url = reverse(name, kwargs={"code": meter.pk})
    return f"{url}?{query}" if query else url
