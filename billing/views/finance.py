"""Finance: the invoices of all accounts, what they come to, files of them, and what happens to one (INV-5)."""

from __future__ import annotations

from datetime import UTC, date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import show_refusal
from accounts.paging import COUNT_CAP, chosen_order, page_of
from accounts.permissions import FINANCE, StaffRequest, staff_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import corrections, explain, finance, queries
from billing.explain import MOST_LINES
from billing.finance_forms import CreditForm, InvoiceFilter, VoidForm
from billing.gather import decimals_of
from billing.models import Invoice, InvoiceKind, InvoiceLine, InvoiceState
from billing.payments.reading import story_of
from billing.views.places import window
from billing.views.transfers import transfer_page

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

ORDERS: Final = {
    "date": ("issued_on", "id"),
    "number": ("number", "id"),
    "total": ("total", "id"),
}
NEWEST: Final = "-date"
MOST_CREDITED: Final = 100
"""So many lines are offered on one credit note; a search finds the others."""
MOST_REVIEWED: Final = 50


@require_safe
@staff_page(FINANCE)
def invoices(request: StaffRequest) -> HttpResponse:
    """The invoices of all accounts with their totals, filtered, sorted and paged by key."""
    form = _filter_form(request)
    if not form.is_valid():
        return _not_understood(request, form)
    filters = form.filters(_today(request))
    found = finance.issued_invoices(filters)
    order = chosen_order(request.GET, ORDERS, default=NEWEST)
    rows = found.select_related("account", "brand")
    if not order[0].lstrip("-").startswith("issued_on"):
        rows = rows.exclude(number=None)
    page = page_of(rows, order=order, query=request.GET)
    context = {
        "form": form,
        "page": page,
        "rows": [(invoice, *explain.state_of(invoice, filters.today)) for invoice in page.rows],
        "is_filtered": filters != finance.Filters(filters.today),
        "totals": None if page.is_capped else finance.totals_of(found),
        "columns": (
            ("Invoices", finance.INVOICE_COLUMNS.items()),
            ("Lines", finance.LINE_COLUMNS.items()),
        ),
        "cap": COUNT_CAP,
    }
    return render(request, "finance/invoices.html", context)


@require_safe
@staff_page(FINANCE)
def totals(request: StaffRequest) -> HttpResponse:
    """What the invoices of a filter come to, however many; the list asks for it when there are very many."""
    form = _filter_form(request)
    if not form.is_valid():
        return _not_understood(request, form)
    found = finance.issued_invoices(form.filters(_today(request)))
    context = {"form": form, "totals": finance.totals_of(found)}
    return render(request, "finance/totals.html", context)


@require_safe
@staff_page(FINANCE)
def invoices_csv(request: StaffRequest) -> HttpResponseBase:
    """A row for each invoice of the filter, newest first, all of them."""
    form = _filter_form(request)
    if not form.is_valid():
        return _not_understood(request, form)
    found = finance.issued_invoices(form.filters(_today(request)))
    return csv_response("invoices", list(finance.INVOICE_COLUMNS), finance.invoice_rows(found))


@require_safe
@staff_page(FINANCE)
def lines_csv(request: StaffRequest) -> HttpResponseBase:
    """A row for each line of the invoices of the filter, with ledger codes, all of them."""
    form = _filter_form(request)
    if not form.is_valid():
        return _not_understood(request, form)
    found = finance.issued_invoices(form.filters(_today(request)))
    return csv_response("invoice-lines", list(finance.LINE_COLUMNS), finance.line_rows(found))


@require_safe
@staff_page(FINANCE)
def invoice(request: StaffRequest, number: str) -> HttpResponse:
    """One invoice as its account sees it, what corrects it, and what can be done with it."""
    found = _found(number)
    whole = queries.whole_invoice(found)
    first, part = window(request, len(whole.entries))
    lines = InvoiceLine.objects.filter(invoice=found).order_by("position")[first : first + MOST_LINES]
    today = found.account.local_date(request.at)
    notes = list(Invoice.objects.filter(corrects=found).order_by("pk"))
    credited = -sum((note.total for note in notes if note.state != InvoiceState.VOID), Decimal(0))
    state, tone = explain.state_of(found, today)
    context: dict[str, Any] = {
        "invoice": found,
        "document": explain.document(found, list(lines), today=today, subtotals=whole.subtotals),
        "state": state,
        "tone": tone,
        "notes": [(note, *explain.state_of(note, today)) for note in notes],
        "credited": credited,
        "left": found.total - credited,
        "is_open": found.state == InvoiceState.ISSUED,
        "can_be_void": found.state == InvoiceState.ISSUED and not credited,
        "can_be_credited": _can_be_credited(found, credited),
        "covered": story_of(found).covered,
        "line_sum": sum(whole.subtotals.values(), Decimal(0)),
        "part": part,
    }
    return render(request, "finance/invoice.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def pay(request: StaffRequest, number: str) -> HttpResponse:
    """Record a bank transfer, from the page of an invoice that it is for; older ones are paid first (INV-6)."""
    found = _found(number)
    try:
        corrections.check_open(found, "paid")
    except Refused as refusal:
        messages.error(request, refusal.message)
        return _to(found)
    return transfer_page(request, found.account, found)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def void(request: StaffRequest, number: str) -> HttpResponse:
    """Make an invoice void, once its number has been typed."""
    found = _found(number)
    form = VoidForm(request.POST or None)
    error = ""
    if request.method == "POST":
        if request.POST.get("confirm_name", "").strip() != found.number:
            error = f"Type {found.number} to confirm. Nothing was changed."
        if form.is_valid() and not error:
            try:
                corrections.void_invoice(
                    found, reason=form.cleaned_data["reason"], actor=Actor.of(request), at=request.at
                )
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{found} is void.")
                return _to(found)
    context = {
        "invoice": found,
        "form": form,
        "error": error,
        "consequences": [
            "It keeps its number and stays readable, for the customer too.",
            "What is on it is not billed again: the next invoice goes on from here.",
            "This cannot be undone. To correct amounts, issue a credit note instead.",
        ],
    }
    return render(request, "finance/void.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def credit(request: StaffRequest, number: str) -> HttpResponse:
    """Issue a credit note: choose lines and amounts, look at the sum, then issue it."""
    found = _found(number)
    can = corrections.correctable(found)
    search = request.GET.get("q", "").replace("\0", "").strip()[:100]
    open_lines = [each for each in can.lines if each.left]
    matching = [each for each in open_lines if _matches(each.line, search)]
    form = CreditForm(
        request.POST or None, lines=matching[:MOST_CREDITED], decimals=decimals_of(found.currency)
    )
    review: dict[str, Any] | None = None
    if request.method == "POST" and form.is_valid() and "edit" not in request.POST:
        amounts = form.amounts(open_lines)
        try:
            total = corrections.check_credit(found, amounts)
            if "confirmed" in request.POST:
                note = corrections.credit_invoice(
                    found,
                    amounts,
                    reason=form.cleaned_data["reason"],
                    actor=Actor.of(request),
                    at=request.at,
                    seen=_decimal(request.POST.get("seen", "")),
                )
                messages.success(request, f"Credit note {note} issued.")
                return _to(note)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            review = _review(form, open_lines, amounts, total, can)
    context = {
        "invoice": found,
        "form": form,
        "can": can,
        "search": search,
        "matching": len(matching),
        "shown": min(len(matching), MOST_CREDITED),
        "has_search": bool(search) or len(open_lines) > MOST_CREDITED,
        "can_be_credited": _can_be_credited(found, can.credited) and bool(open_lines),
        "review": review,
    }
    return render(request, "finance/credit.html", context)


# --- parts ---------------------------------------------------------------------------------------


def _today(request: StaffRequest) -> date:
    """The day by which invoices of all time zones are called overdue."""
    return request.at.astimezone(UTC).date()


def _filter_form(request: StaffRequest) -> InvoiceFilter:
    return InvoiceFilter(request.GET, brands=finance.brands(), currencies=settings.CURRENCIES)


def _not_understood(request: StaffRequest, form: InvoiceFilter) -> HttpResponse:
    """The list's page with what was wrong in its address, and no list (400)."""
    return render(request, "finance/invoices.html", {"form": form, "page": None}, status=400)


def _found(number: str) -> Invoice:
    if "\0" in number:  # PostgreSQL takes none in a text
        raise Http404
    invoices: QuerySet[Invoice] = Invoice.objects.select_related("account", "brand", "corrects", "run")
    found = invoices.filter(number=number).exclude(state=InvoiceState.DRAFT).first()
    if found is None:
        raise Http404
    return found


def _to(invoice: Invoice) -> HttpResponse:
    return redirect(reverse("finance:invoice", kwargs={"number": invoice.number}))


def _can_be_credited(invoice: Invoice, credited: Decimal) -> bool:
    is_issued = invoice.state in (InvoiceState.ISSUED, InvoiceState.PAID)
    return is_issued and invoice.kind != InvoiceKind.CREDIT_NOTE and invoice.total > credited


def _matches(line: InvoiceLine, search: str) -> bool:
    words = f"{line.description} {line.subject_label} {line.holder} {line.product}".casefold()
    return all(word in words for word in search.casefold().split())


def _decimal(text: str) -> Decimal:
    """An amount that the page itself wrote; anything else is one that nothing is equal to."""
    return Decimal(text) if text.replace(".", "", 1).isdecimal() and len(text) < 30 else Decimal(-1)


def _review(
    form: CreditForm,
    lines: list[corrections.LineLeft],
    amounts: dict[int, Decimal],
    total: Decimal,
    can: corrections.Correctable,
) -> dict[str, Any]:
    """The credit note to be, and the form's fields to send once more with it."""
    chosen = [
        (each.line, explain.describe(each.line), -amounts[each.line.position])
        for each in lines
        if each.line.position in amounts
    ]
    fields = [("reason", form.cleaned_data["reason"]), ("seen", str(can.credited))]
    if form.cleaned_data["everything"]:
        fields.append(("everything", "on"))
    else:
        fields += [(f"line_{position}", str(amount)) for position, amount in amounts.items()]
    return {
        "reason": form.cleaned_data["reason"],
        "total": -total,
        "left_after": can.left - total,
        "lines": chosen[:MOST_REVIEWED],
        "more": max(0, len(chosen) - MOST_REVIEWED),
        "fields": fields,
    }
