"""A quote given to the customer: as a link, and as a PDF in the message (ORD-1)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import translation

from accounts.mail import Attachment, queue_brand_mail
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.explain import money_words
from billing.models import Quote, QuoteState
from billing.quote_pdf import quote_pdf
from billing.quotes import forecast, locked_quote, one_line, record_quote, sums_of, today_of, url_of


def send_quote(quote: Quote, *, actor: Actor, at: datetime) -> Quote:
    """Give the quote to the customer; it does not change any more.

    Raises Refused where it is empty or over, or could not be accepted as it stands: then with the very
    reason that acceptance would meet.
    """
    with transaction.atomic():
        quote = locked_quote(quote)
        if quote.state != QuoteState.DRAFT:
            raise Refused(f"Quote {quote} has been sent already. Nothing was changed.", rule="ORD-1")
        if not quote.lines.exists():
            raise Refused("The quote is empty. Put something into it first.", rule="ORD-1")
        if quote.is_over(today_of(quote, at)):
            raise Refused(
                f"Its last day, {quote.valid_until}, is over. Choose a later one.",
                rule="ORD-1",
                field="valid_until",
            )
        forecast(quote, accepted_on=today_of(quote, at), shipped_on=None, count=1)
        quote.send(at)
        quote.save()
        record_quote(None, "send-quote", quote, f"Quote {quote} sent to {quote.contact_email}", actor, at)
        _mail_it(quote, at)
    return quote


def _mail_it(quote: Quote, at: datetime) -> None:
    """Tell the contact where the quote is, and what it comes to; on paper it is attached."""
    with translation.override(quote.language):
        sums = sums_of(quote)
        monthly, once = (money_words(amount, quote.currency) for amount in (sums.monthly, sums.once))
    context = {
        "number": quote.number,
        "company": one_line(quote.company, 120),
        "contact": one_line(quote.contact_name, 120),
        "monthly": monthly,
        "once": once if sums.once else "",
        "valid_until": quote.valid_until,
        "url": url_of(quote),
    }
    queue_brand_mail(
        quote.brand,
        "quote-sent",
        [quote.contact_email],
        context,
        at=at,
        language=quote.language,
        attachment=Attachment(f"{quote.number}.pdf", quote_pdf(quote, at)),
    )
