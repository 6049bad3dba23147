"""The invoices of an account: the list, one of them, and both as files (INV-1, INV-2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of
from accounts.paging import chosen_order, page_of
from accounts.permissions import BILLING_ADMINS, EVERY_ROLE, AccountRequest, account_page
from billing import explain, queries
from billing.engine.bridge import Side
from billing.forms import InvoiceFilter
from billing.models import Invoice, InvoiceKind, InvoiceLine, InvoiceState
from billing.payments.reading import story_of
from billing.quote_walk import quote_of
from billing.views.places import charges_url_of, invoice_url, place, tabs, window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS = {
    "date": ("issued_on", "id"),
    "due": ("due_on", "id"),
    "number": ("number", "id"),
    "total": ("total", "id"),
}
COLUMNS = (
    "number",
    "kind",
    "state",
    "date",
    "due",
    "period from",
    "period to (excluded)",
    "currency",
    "subtotal",
    "tax",
    "total",
    "paid",
    "open",
    "paid on",
    "corrects",
)
LINE_COLUMNS = (
    "line",
    "section",
    "product",
    "description",
    "for",
    "end user or service",
    "subscription",
    "quantity",
    "unit price",
    "from",
    "to (excluded)",
    "days",
    "of days",
    "amount",
    "currency",
    "rule",
    "why",
)


@require_safe
@account_page(read=EVERY_ROLE)
def invoices(request: AccountRequest) -> HttpResponse:
    """The account's invoices and credit notes, searched, filtered and sorted."""
    form, found = _asked(request)
    order = chosen_order(request.GET, ORDERS, default="-date")
    page = page_of(found.select_related("corrects"), order=order, query=request.GET)
    context = {
        "tabs": tabs(request, "invoices"),
        "form": form,
        "page": page,
        "rows": [(invoice, *explain.state_of(invoice, request.today)) for invoice in page.rows],
        "is_filtered": any(filters_of(form).values()),
        "export_url": place(request, "billing:invoices-csv"),
    }
    return render(request, "billing/invoices.html", context)


@require_safe
@account_page(read=EVERY_ROLE)
def invoices_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same invoices as a file, all of them."""
    _, found = _asked(request)
    found = found.select_related("corrects").order_by("-issued_on", "-id")

    def rows() -> Iterator[list[Cell]]:
        for invoice in found.iterator(chunk_size=1000):
            yield [
                invoice.number,
                InvoiceKind(invoice.kind).label,
                InvoiceState(invoice.state).label,
                invoice.issued_on,
                invoice.due_on,
                invoice.period_start,
                invoice.period_end,
                invoice.currency,
                explain.whole(invoice.subtotal, invoice.currency),
                explain.whole(invoice.tax, invoice.currency),
                explain.whole(invoice.total, invoice.currency),
                explain.whole(invoice.settled, invoice.currency),
                explain.whole(invoice.open_amount, invoice.currency),
                invoice.paid_on,
                invoice.corrects.number if invoice.corrects else None,
            ]

    return csv_response(f"{request.account.slug}-invoices", COLUMNS, rows())


@require_safe
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, while_suspended=True)
def invoice(request: AccountRequest, number: str) -> HttpResponse:
    """One invoice: the document, its lines by who they serve, and what differs from the one before."""
    found = own_invoice(request, number)
    story = story_of(found)
    whole = queries.whole_invoice(found)
    first, shown = window(request, len(whole.entries))
    lines = list(
        InvoiceLine.objects.filter(invoice=found).order_by("position")[first : first + explain.MOST_LINES]
    )
    context: dict[str, Any] = {
        "found": found,
        "document": explain.document(
            found,
            lines,
            today=request.today,
            traces=queries.traces_of(request.account, lines),
            url_of=charges_url_of(request),
            subtotals=whole.subtotals,
        ),
        "shown": shown,
        "holders": explain.by_holder(lines),
        "credit_notes": story.notes,
        "covered": story.covered,
        "csv_url": place(request, "billing:invoice-csv", number=number),
    }
    if found.kind == InvoiceKind.BDOM:
        bridge = _bridge(request, found, whole)
        context |= {"bridge": bridge, "quote": None if bridge else quote_of(request.account)}
    return render(request, "billing/invoice.html", context)


@require_safe
@account_page(read=EVERY_ROLE)
def invoice_csv(request: AccountRequest, number: str) -> StreamingHttpResponse:
    """The lines of one invoice as a file."""
    found = own_invoice(request, number)
    lines = InvoiceLine.objects.filter(invoice=found).order_by("position")

    def rows() -> Iterator[list[Cell]]:
        for line in lines.iterator(chunk_size=1000):
            yield [
                line.position,
                explain.SECTION_LABELS[line.section],
                line.product,
                line.description,
                line.subject_label,
                line.holder,
                line.subscription,
                line.quantity,
                line.unit_price.normalize(),
                line.starts_on,
                line.ends_on,
                line.days,
                line.of_days,
                explain.whole(line.amount, found.currency),
                found.currency,
                line.rule,
                line.why,
            ]

    return csv_response(f"{found.number}", LINE_COLUMNS, rows())


def own_invoice(request: AccountRequest, number: str) -> Invoice:
    """The invoice of the account by its number; 404 for another account's, and for a draft (ACC-4)."""
    if "\0" in number:  # PostgreSQL takes none in a text
        raise Http404
    found = Invoice.objects.select_related("brand", "corrects").exclude(state=InvoiceState.DRAFT)
    invoice = get_object_or_404(found, account=request.account, number=number)
    invoice.account = request.account
    return invoice


def _bridge(request: AccountRequest, found: Invoice, whole: queries.Whole) -> list[dict[str, Any]]:
    """From the invoice before to this one; nothing for the first."""
    before = queries.earlier_invoice(request.account, found.issued_on)
    if before is None:
        return []
    return explain.bridge_rows(
        queries.bridge_between(before.side, Side(found.issued_on, whole.entries), found.currency),
        before.names | whole.names,
        found.currency,
        before=f"Invoice before, {before.number}",
        before_url=invoice_url(request, before.number),
        after=str(found),
    )


def _asked(request: AccountRequest) -> tuple[InvoiceFilter, QuerySet[Invoice]]:
    form = InvoiceFilter(request.GET)
    asked = filters_of(form)
    found = queries.invoices_of(
        request.account,
        request.today,
        search=asked["q"] or "",
        state=asked["state"] or "",
        first=asked["first"],
        last=asked["last"],
    )
    return form, found
