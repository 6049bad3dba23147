"""Template tags with which the help pages are written: sections, cross-references, worked examples.

The figures of an example are stated by the page's author, never computed here, so that the tests can hold
them against the product's own engine.
"""

from datetime import date
from typing import Any

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from controlpanel.help import TOPICS

register = template.Library()


@register.simple_block_tag(takes_context=True)
def section(context: Context, content: str, anchor: str) -> SafeString:
    """A section of the page's topic, with its heading and a link to itself.

    Raises KeyError when the topic does not declare the anchor: a fault of the page, met by its first test.
    """
    shown = context["topic"].section(anchor)
    return render_to_string("help/section.html", {"section": shown, "content": content})


@register.simple_tag
def word(anchor: str, text: str) -> SafeString:
    """A word linked to its entry in the glossary."""
    glossary = next(topic for topic in TOPICS if topic.slug == "glossary")
    return format_html(
        '<a class="help-word" href="{}#{}">{}</a>', glossary.url, glossary.section(anchor).anchor, text
    )


@register.simple_block_tag
def invoice_example(content: str, caption: str, bdom: int, total: str) -> SafeString:
    """A table of invoice lines with their total, both stated by the author, for an account with this BDOM."""
    context = {
        "content": content,
        "caption": caption,
        "bdom": bdom,
        "total": total,
        "is_credit": total.startswith("-"),
    }
    return render_to_string("help/example.html", context)


@register.inclusion_tag("help/example_line.html")
def invoice_line(what: str, price: str, dates: str, days: str, amount: str) -> dict[str, Any]:
    """A recurring line: ``"UC licence" "24.50 x 3" "2026-02-03 to 2026-02-28" "25 of 28" "65.63"``.

    The second date is the first day that is not billed. A credit's amount begins with a minus sign.
    """
    unit_price, quantity = price.split(" x ")
    start, end = (date.fromisoformat(day) for day in dates.split(" to "))
    counted, of_days = days.split(" of ")
    return {
        "what": what,
        "price": unit_price,
        "quantity": quantity,
        "start": start,
        "end": end,
        "days": counted,
        "of_days": of_days,
        "amount": amount,
        "is_credit": amount.startswith("-"),
        "is_whole": counted == of_days,
    }
