"""The billing overview of an account, and its next invoice (BIL-10, BIL-11)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.permissions import BILLING_ADMINS, EVERY_ROLE, AccountRequest, account_page
from billing import explain, queries
from billing.engine import BillingFault
from billing.engine.bridge import Side
from billing.faults import told_to_customer
from billing.models import BillingSchedule
from billing.preview import next_invoice as next_draft
from billing.views.places import charges_url_of, invoice_url, tabs, window

if TYPE_CHECKING:
    from django.http import HttpResponse

log = logging.getLogger(__name__)

LATEST = 5
MOST_PENDING = 25


@require_safe
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, while_suspended=True)
def overview(request: AccountRequest) -> HttpResponse:
    """What is owed, what comes next, what is not billed yet, and the latest invoices."""
    account = request.account
    schedule = BillingSchedule.objects.select_related("account__quote").get(account=account)
    groups = queries.ledger_groups(account, schedule.last_bdom_on)
    pending = queries.not_billed_yet(account, schedule, groups)
    latest = list(queries.invoices_of(account, request.today).order_by("-issued_on", "-id")[:LATEST])
    context: dict[str, Any] = {
        "tabs": tabs(request, "overview"),
        "schedule": schedule,
        "balance": queries.balance_of(account, request.today),
        "pending": pending_rows(pending[:MOST_PENDING]),
        "more_pending": len(pending) - MOST_PENDING,
        "latest": [(invoice, *explain.state_of(invoice, request.today)) for invoice in latest],
        "quote": getattr(schedule.account, "quote", None),
        **ahead_context(request, schedule),
    }
    return render(request, "billing/overview.html", context)


@require_safe
@account_page(read=EVERY_ROLE)
def next_invoice(request: AccountRequest) -> HttpResponse:
    """The next invoice as a whole, if nothing else happens, and how it comes from the last one."""
    account = request.account
    context: dict[str, Any] = {"tabs": tabs(request, "next-invoice")}
    try:
        draft = next_draft(account)
    except BillingFault as fault:
        context["fault"] = told(request, fault)
        return render(request, "billing/next_invoice.html", context)
    names = queries.product_names()
    first, shown = window(request, len(draft.lines))
    invoice, lines = explain.preview(account, draft, names, first)
    before = queries.earlier_invoice(account, draft.on)
    if before is not None:
        context["bridge"] = explain.bridge_rows(
            queries.bridge_between(before.side, Side(draft.on, draft.lines), account.currency),
            names,
            account.currency,
            before=f"Last invoice, {before.number}",
            before_url=invoice_url(request, before.number),
            after="Next invoice",
        )
    context |= {
        "draft": draft,
        "shown": shown,
        "invoice": explain.document(
            invoice,
            lines,
            today=request.today,
            traces=queries.traces_of(account, lines),
            url_of=charges_url_of(request),
            subtotals=queries.subtotals_of(draft.lines),
        ),
    }
    return render(request, "billing/next_invoice.html", context)


def ahead_context(request: AccountRequest, schedule: BillingSchedule) -> dict[str, Any]:
    """The next invoice in figures and words, or why it cannot be drawn. Four queries at most."""
    account = request.account
    products = queries.catalogue()
    last = queries.invoice_before(account, schedule.next_bdom_on)
    try:
        ahead = queries.ahead_of(account, schedule, products.terms, last.pk if last else None)
    except BillingFault as fault:
        return {"fault": told(request, fault)}
    return {
        "ahead": ahead,
        "why_different": explain.difference_words(ahead.bridge, products.names),
    }


def told(request: AccountRequest, fault: BillingFault) -> str:
    """Why an invoice cannot be drawn, as the customer is told; the log has it for those who mend it."""
    log.warning("the next invoice of %s cannot be drawn: %s", request.account.slug, fault)
    return told_to_customer(fault)


def pending_rows(pending: list[queries.Pending]) -> list[dict[str, Any]]:
    """What is not billed yet as a table shows it."""
    return [
        {
            "pending": row,
            "label": explain.units_words(row.units, row.name),
            "subject": explain.label_words(row.label),
            "reason": explain.begins_words(row.basis, row.basis_days),
            "waits": explain.waits_words(row.basis),
        }
        for row in pending
    ]
