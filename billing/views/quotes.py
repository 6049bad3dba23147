"""Sales: quotes listed, composed, looked ahead from, sent, copied, held against the first invoice (ORD-1, ORD-4)."""

from __future__ import annotations

from datetime import UTC, date
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib import messages
from django.db.models import Prefetch, Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.models import AuditEntry, Brand
from accounts.paging import chosen_order, page_of
from accounts.permissions import SALES, StaffRequest, staff_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import quote_drafts, quote_words
from billing.engine import BillingFault
from billing.explain import whole
from billing.models import Quote, QuoteLine, QuoteState
from billing.quote_forms import ForecastForm, QuoteFilter, QuoteForm
from billing.quote_pdf import pdf_answer
from billing.quote_sending import send_quote
from billing.quotes import forecast, sums_of_lines, today_of, url_of
from billing.views.quote_walk import walk_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from decimal import Decimal

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell
    from billing.quotes import Forecast

ORDERS: Final = {
    "number": ("id",),
    "company": ("company", "id"),
    "valid": ("valid_until", "id"),
    "state": ("state", "id"),
}
COLUMNS: Final = (
    "quote",
    "state",
    "company",
    "contact",
    "e-mail address",
    "brand",
    "currency",
    "per month",
    "once",
    "valid until",
    "composed by",
    "sent",
    "decided",
    "decided by",
    "reason",
    "account",
)
CHUNK: Final = 500
NO_PRICE: Final = "A price is missing, so the first invoices cannot be told. Finance sets prices."


@require_safe
@staff_page(SALES)
def quotes(request: StaffRequest) -> HttpResponse:
    """All quotes, newest first unless another order is asked for."""
    form, found = _asked(request)
    order = chosen_order(request.GET, ORDERS, default="-number")
    lines = Prefetch("lines", QuoteLine.objects.select_related("product"))
    page = page_of(
        found.select_related("brand", "account").prefetch_related(lines), order=order, query=request.GET
    )
    context = {
        "form": form,
        "page": page,
        "rows": [
            (quote, *quote_words.state_of(quote, request.at), quote_words.subject_words(quote))
            for quote in page.rows
        ],
        "is_filtered": any(filters_of(form).values()),
    }
    return render(request, "quotes/quotes.html", context)


@require_safe
@staff_page(SALES)
def quotes_csv(request: StaffRequest) -> StreamingHttpResponse:
    """The same quotes as a file, all of them."""
    _, found = _asked(request)

    def rows() -> Iterator[list[Cell]]:
        lines = Prefetch("lines", QuoteLine.objects.select_related("product"))
        rows = found.select_related("brand", "account", "created_by").prefetch_related(lines)
        for quote in rows.order_by("-id").iterator(chunk_size=CHUNK):
            sums = sums_of_lines(quote.lines.all(), quote.currency)
            yield [
                quote.number,
                quote_words.state_of(quote, request.at)[0],
                quote.company,
                quote.contact_name,
                quote.contact_email,
                quote.brand.name,
                quote.currency,
                whole(sums.monthly, quote.currency),
                whole(sums.once, quote.currency),
                quote.valid_until,
                quote.created_by.email,
                quote.sent_at,
                quote.decided_at,
                quote.decided_by,
                quote.decline_reason,
                quote.account.slug if quote.account else None,
            ]

    return csv_response("quotes", COLUMNS, rows())


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(SALES)
def compose(request: StaffRequest) -> HttpResponse:
    """Compose a quote; beside it stands what the first invoices would be."""
    return _form_page(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(SALES)
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Change a draft."""
    quote = _quote(pk)
    if quote.state != QuoteState.DRAFT:
        messages.error(request, "This quote has been sent, so it does not change. Copy it as a new one.")
        return redirect("quotes:quote", pk=quote.pk)
    return _form_page(request, quote)


@require_safe
@staff_page(SALES)
def quote(request: StaffRequest, pk: int) -> HttpResponse:
    """A quote: what it offers, how it stands, what came of it, and the first invoices for two chosen days."""
    found = _quote(pk)
    label, tone = quote_words.state_of(found, request.at)
    history = AuditEntry.objects.filter(target_kind="quote", target_id=str(found.pk)).select_related("user")
    entries = list(history.order_by("-id"))
    context: dict[str, Any] = {
        "quote": found,
        "offer": quote_words.offer_of(found),
        "state": label,
        "tone": tone,
        "url": url_of(found),
        "entries": entries,
        "owner_missing": next((entry for entry in entries if entry.action == "owner-missing"), None),
    }
    if found.state in (QuoteState.DRAFT, QuoteState.SENT):
        today = today_of(found, request.at)
        asked = request.GET if "accepted_on" in request.GET else None
        form = ForecastForm(asked, today=today, initial={"accepted_on": today, "shipped_on": today})
        context["form"] = form
        days = _days(form, today)
        if days is not None:
            context |= _box(lambda: forecast(found, accepted_on=days[0], shipped_on=days[1]), found.currency)
    return render(request, "quotes/quote.html", context)


@require_safe
@staff_page(SALES)
def pdf(request: StaffRequest, pk: int) -> HttpResponse:
    """The quote on paper, a draft too."""
    return pdf_answer(_quote(pk), request.at)


@require_POST
@staff_page(SALES)
def send(request: StaffRequest, pk: int) -> HttpResponse:
    """Send it to the contact."""
    found = _quote(pk)
    try:
        send_quote(found, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        messages.error(request, refusal.message)
    except BillingFault:
        messages.error(request, NO_PRICE)
    else:
        messages.success(request, f"Quote {found} is on its way to {found.contact_email}.")
    return redirect("quotes:quote", pk=found.pk)


@require_POST
@staff_page(SALES)
def copy(request: StaffRequest, pk: int) -> HttpResponse:
    """Copy it as a new draft."""
    found = _quote(pk)
    made = quote_drafts.copy_quote(found, actor=Actor.of(request), at=request.at)
    messages.success(request, f"Quote {made} says what {found} says. Change what differs.")
    return redirect("quotes:edit", pk=made.pk)


@require_safe
@staff_page(SALES)
def against_invoice(request: StaffRequest, pk: int) -> HttpResponse:
    """The walk from an accepted quote to the first invoice (ORD-4)."""
    found = _quote(pk)
    if found.account is None:
        raise Http404
    account = found.account
    with timezone.override(account.zone), translation.override(account.language):
        context = walk_context(found, account)
        return render(request, "quotes/against_invoice.html", context)


# --- parts ---------------------------------------------------------------------------------------


def _form_page(request: StaffRequest, quote: Quote | None) -> HttpResponse:
    form, listed = _form(request, quote)
    is_saving = request.method == "POST" and "forecast" not in request.POST
    context: dict[str, Any] = {"form": form, "quote": quote}
    if form.is_valid() if is_saving else form.is_bound and form.is_enough():
        items = form.items(listed)
        details = form.details(_today(request))
        if is_saving and not form.errors:
            actor = Actor.of(request)
            try:
                if quote is None:
                    saved = quote_drafts.compose_quote(details, items, actor=actor, at=request.at)
                else:
                    saved = quote_drafts.edit_quote(quote, details, items, actor=actor, at=request.at)
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"Quote {saved} is saved. Nobody has it before you send it.")
                return redirect("quotes:quote", pk=saved.pk)
        elif items and not form.errors:
            cleaned = form.cleaned_data
            context |= _box(
                lambda: quote_drafts.foretell(
                    details,
                    items,
                    accepted_on=cleaned["accepted_on"],
                    shipped_on=cleaned["shipped_on"],
                    actor=Actor.of(request),
                    at=request.at,
                ),
                cleaned["currency"],
            )
    elif quote is not None and not form.is_bound:
        today = today_of(quote, request.at)
        context |= _box(lambda: forecast(quote, accepted_on=today, shipped_on=today), quote.currency)
    context |= {
        "shelves": form.shelves(listed),
        "currency": _currency(form),
        "complimentary": quote_words.COMPLIMENTARY,
    }
    status = 400 if is_saving and form.errors else 200
    return render(request, "quotes/compose.html", context, status=status)


def _form(request: StaffRequest, quote: Quote | None) -> tuple[QuoteForm, Mapping[str, Decimal]]:
    """The form as it was filled in, and the list prices of the brand and currency that it names."""
    data = request.POST if request.method == "POST" else request.GET if "currency" in request.GET else None
    today = _today(request)
    form = QuoteForm(
        data, products=quote_drafts.quotable_products(), today=today, initial=_initial(quote, today)
    )
    slug = form["brand"].value()
    brands = Brand.objects.order_by("name")
    brand = brands.filter(slug=str(slug)).first() if slug and "\0" not in str(slug) else brands.first()
    listed = quote_drafts.list_prices(brand, _currency(form), today) if brand else {}
    return form, listed


def _initial(quote: Quote | None, today: date) -> dict[str, Any]:
    days = {"accepted_on": today, "shipped_on": today}
    if quote is None:
        return {**days, "valid_until": today + quote_drafts.VALID_FOR}
    said = {
        name: getattr(quote, name)
        for name in QuoteForm.base_fields
        if name not in {"accepted_on", "shipped_on", "brand"}
    }
    for line in quote.lines.all():
        said[f"quantity-{line.product_id}"] = line.quantity
        said[f"price-{line.product_id}"] = format(line.unit_price.normalize(), "f")
    return {**days, **said, "brand": quote.brand.slug}


def _currency(form: QuoteForm) -> str:
    """The currency in which the form's prices are; the panel's first one where that is no currency."""
    asked = str(form["currency"].value() or "")
    return asked if asked in settings.CURRENCIES else settings.CURRENCIES[0]


def _days(form: ForecastForm, today: date) -> tuple[date, date | None] | None:
    """The days of a forecast: as asked for, today at first, None where they were not understood."""
    if not form.is_bound:
        return today, today
    if not form.is_valid():
        return None
    return form.cleaned_data["accepted_on"], form.cleaned_data["shipped_on"]


def _box(look: Callable[[], Forecast], currency: str) -> dict[str, Any]:
    """What the forecast's box shows, or why it shows nothing."""
    try:
        found = look()
    except Refused as refusal:
        return {"refusal": refusal}
    except BillingFault:
        return {"refusal": Refused(NO_PRICE, rule="BIL-10")}
    return {"box": quote_words.forecast_box(found, currency)}


def _quote(pk: int) -> Quote:
    return get_object_or_404(
        Quote.objects.select_related("brand", "account__brand", "created_by", "order"), pk=pk
    )


def _asked(request: StaffRequest) -> tuple[QuoteFilter, QuerySet[Quote]]:
    form = QuoteFilter(request.GET, brands=Brand.objects.order_by("name"))
    asked = filters_of(form)
    found = Quote.objects.all()
    if asked["q"]:
        search = asked["q"]
        wanted = (
            Q(company__icontains=search)
            | Q(contact_name__icontains=search)
            | Q(contact_email__icontains=search)
        )
        number = search.upper().removeprefix("Q-").lstrip("0")
        if number.isascii() and number.isdigit() and len(number) < 10:
            wanted |= Q(pk=int(number))
        found = found.filter(wanted)
    if asked["state"]:
        found = found.filter(state=asked["state"])
    if asked["brand"]:
        found = found.filter(brand__slug=asked["brand"])
    return form, found


def _today(request: StaffRequest) -> date:
    return request.at.astimezone(UTC).date()
