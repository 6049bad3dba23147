"""A quote as a PDF, set by Typst from templates/quotes/quote.typ in a font that it brings along."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import typst
from django.conf import settings
from django.http import HttpResponse
from django.utils import translation

from accounts.colours import accent
from accounts.refusals import Refused
from billing.engine import BillingFault
from billing.explain import day_words, label_words, money_words, quantity_words, unit_price_words, whole
from billing.gather import decimals_of
from billing.models import Quote, QuoteState
from billing.quote_words import Offered, offer_of, waits_sentences
from billing.quotes import forecast, today_of, url_of

TEMPLATE: Final = settings.BASE_DIR / "templates" / "quotes" / "quote.typ"
FREE: Final = "Free"


def quote_pdf(quote: Quote, at: datetime) -> bytes:
    """The quote on paper, as it stands at an instant: US letter for dollars, else A4.

    What is in the quote comes in as data, so nothing of it is read as the template's own language.
    """
    with translation.override(quote.language):
        words = json.dumps(_words(quote, at))
    made = typst.compile(
        TEMPLATE,
        format="pdf",
        root=TEMPLATE.parent,
        sys_inputs={"quote": words},
        ignore_system_fonts=True,
    )
    if not isinstance(made, bytes):
        raise TypeError("a PDF is one file")
    return made


def pdf_answer(quote: Quote, at: datetime) -> HttpResponse:
    """The PDF as an answer that no cache keeps and no search engine lists."""
    return HttpResponse(
        quote_pdf(quote, at),
        content_type="application/pdf",
        headers={
            "Content-Disposition": f'inline; filename="{quote.number}.pdf"',
            "Cache-Control": "private, no-store",
            "X-Robots-Tag": "noindex, nofollow",
            "Referrer-Policy": "same-origin",
        },
    )


def _words(quote: Quote, at: datetime) -> dict[str, object]:
    brand, offer, today = quote.brand, offer_of(quote), today_of(quote, at)
    facts = [("Valid until", day_words(quote.valid_until))]
    if quote.sent_at is not None:
        facts.insert(0, ("Date", day_words(today_of(quote, quote.sent_at))))
    billing_day = f"day {quote.bdom} of each month" if quote.bdom else "the day of acceptance"
    facts.append(("Billing day", billing_day))
    is_open = quote.state in (QuoteState.DRAFT, QuoteState.SENT) and not quote.is_over(today)
    return {
        "title": f"Quote {quote.number}",
        "number": quote.number,
        "lang": quote.language.partition("-")[0],
        "paper": "us-letter" if quote.currency == "USD" else "a4",
        "accent": accent(brand.accent).light.text,
        "brand": brand.name,
        "seller": brand.legal_name,
        "seller_address": brand.legal_address,
        "facts": [{"term": term, "value": value} for term, value in facts],
        "company": quote.company,
        "contact": quote.contact_name,
        "billing_address": quote.billing_address,
        "shipping_address": quote.shipping_address,
        "monthly": [_row(line, quote.currency) for line in offer.monthly],
        "monthly_sum": money_words(offer.sums.monthly, quote.currency),
        "once": [_row(line, quote.currency) for line in offer.once],
        "once_sum": money_words(offer.sums.once, quote.currency),
        **(_expected(quote, today) if is_open else {"invoices": [], "waits": []}),
        "assumption": f"If it is accepted on {day_words(today)}, and all of it ships that day.",
        "terms": quote.terms,
        "validity": _validity(quote, is_open=is_open),
        "url": url_of(quote) if is_open else "",
        "footer": " · ".join(
            way for way in (brand.support_name, brand.support_email, label_words(brand.support_phone)) if way
        ),
    }


def _row(line: Offered, currency: str) -> dict[str, str]:
    return {
        "name": line.name,
        "begins": line.begins,
        "quantity": quantity_words(line.quantity),
        "unit_price": "" if line.unit_price is None else _price_words(line.unit_price, currency),
        "amount": FREE if line.amount is None else money_words(line.amount, currency),
    }


def _price_words(price: Decimal, currency: str) -> str:
    """A unit price, with more decimals than the currency has where it has them (BIL-4)."""
    if whole(price, currency) == price:
        return money_words(price, currency)
    return unit_price_words(price, decimals_of(currency))


def _expected(quote: Quote, today: date) -> dict[str, object]:
    """What the first invoices would be and what they do not hold; nothing where that cannot be told."""
    try:
        found = forecast(quote, accepted_on=today, shipped_on=today)
    except (Refused, BillingFault):
        return {"invoices": [], "waits": []}
    return {
        "invoices": [
            {"on": day_words(draft.on), "total": money_words(draft.total, quote.currency)}
            for draft in found.invoices
        ],
        "waits": waits_sentences(found, quote.currency),
    }


def _validity(quote: Quote, *, is_open: bool) -> str:
    if is_open:
        return f"This quote can be accepted until {day_words(quote.valid_until)}."
    if quote.state == QuoteState.ACCEPTED and quote.decided_at is not None:
        return f"Accepted by {quote.decided_by} on {day_words(today_of(quote, quote.decided_at))}."
    if quote.state == QuoteState.DECLINED:
        return "This quote was declined."
    return f"This quote was valid until {day_words(quote.valid_until)}."
