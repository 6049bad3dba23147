"""The quote against the first invoice, on the account's page (ORD-4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.permissions import EVERY_ROLE, AccountRequest, account_page
from billing import queries, quote_words
from billing.engine import BillingFault
from billing.faults import told_to_customer
from billing.quote_walk import compare, quote_of
from billing.views.places import tabs

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.models import Account
    from billing.models import Quote


@require_safe
@account_page(read=EVERY_ROLE)
def quote(request: AccountRequest) -> HttpResponse:
    """From what was quoted to the first invoice, line by line, each difference with its reason."""
    found = quote_of(request.account)
    if found is None:
        raise Http404
    context = {"tabs": tabs(request, "overview"), **walk_context(found, request.account)}
    return render(request, "billing/quote.html", context)


def walk_context(quote: Quote, account: Account) -> dict[str, Any]:
    """What quotes/_walk.html expects: the walk as a picture with reasons, or why it cannot be told."""
    context: dict[str, Any] = {"quote": quote, "account": account, "offer": quote_words.offer_of(quote)}
    try:
        found = compare(quote, account)
    except BillingFault as fault:
        return {**context, "fault": told_to_customer(fault)}
    invoice = found.invoice
    if invoice is not None:
        after = f"First invoice, {invoice.number}"
        url = reverse("billing:invoice", kwargs={"account": account.slug, "number": invoice.number})
    else:
        after = "First invoice, as it will be"
        url = reverse("billing:next-invoice", kwargs={"account": account.slug})
    rows = quote_words.walk_rows(
        found.walk,
        queries.product_names(),
        found.on,
        before=f"Quote {quote}",
        after=after,
        after_url=url,
    )
    return {**context, "compared": found, "rows": rows}
