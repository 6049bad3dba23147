"""Template tags and filters of the design system: icons, money, dates, phone numbers, fields, lists.

Every template may use them: ``{% load ui %}``. Filters come in pairs where it matters: ``money`` gives markup
(tabular figures, never wrapped), ``money_text`` plain text for attributes and sentences; ``day``/``day_text`` and
``moment``/``moment_text`` likewise. All of them follow the active language and the active time zone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, cast

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, get_month_names
from babel.numbers import format_currency, format_decimal, get_currency_precision, get_currency_symbol
from django import template
from django.forms import BaseForm, BoundField
from django.http import HttpRequest, QueryDict
from django.middleware.csrf import get_token
from django.template import Context, RequestContext
from django.template.loader_tags import BLOCK_CONTEXT_KEY, BlockContext
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.encoding import force_str
from django.utils.html import conditional_escape, format_html, strip_tags
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, ngettext, to_locale
from lucide.templatetags.lucide import lucide

from controlpanel.help import rule_title, rule_url

register = template.Library()

MINUS = "−"
"""A true minus sign: as wide as a plus and aligned with the figures, which a hyphen is not."""

PAGING_PARAMETERS = ("after", "before")
"""Query parameters of keyset paging, dropped whenever a filter or the order changes."""

_E164 = re.compile(r"(?<![\w+])\+[1-9]\d{6,14}\b")
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_RULE = re.compile(r"^[A-Z]{3}-\d+$")
_RULE_IN_TEXT = re.compile(r"\b[A-Z]{3}-\d+\b")

TONES: Mapping[str, str] = {
    "active": "ok",
    "assigned": "ok",
    "billing": "ok",
    "paid": "ok",
    "done": "ok",
    "finished": "ok",
    "succeeded": "ok",
    "issued": "info",
    "submitted": "info",
    "confirmed": "info",
    "running": "info",
    "waiting": "info",
    "preview": "info",
    "queued": "info",
    "onboarding": "warn",
    "parked": "warn",
    "due": "warn",
    "failed": "bad",
    "overdue": "bad",
    "refused": "bad",
    "rejected": "bad",
    "draft": "neutral",
    "ended": "neutral",
    "released": "neutral",
    "void": "neutral",
}
TONE_ICONS: Mapping[str, str] = {
    "ok": "circle-check",
    "warn": "triangle-alert",
    "bad": "circle-x",
    "info": "info",
    "neutral": "circle-dashed",
}


# Icons


@lru_cache(maxsize=512)
def icon_svg(name: str, size: int = 16, label: str = "", css: str = "") -> SafeString:
    """Inline SVG of a lucide icon. Without ``label`` it is decoration and hidden from assistive technology.

    Raises ``IconDoesNotExist`` of lucide for a name lucide does not have.
    """
    attributes = {"class": f"icon {css}".strip(), "stroke_width": "1.75", "focusable": "false"}
    if label:
        attributes |= {"role": "img", "aria-label": label}
    else:
        attributes |= {"aria-hidden": "true"}
    return mark_safe(lucide(name, size=size, **attributes))  # its own SVG; ElementTree escapes the attributes


@register.simple_tag
def icon(name: str, size: int = 16, label: str = "", css: str = "") -> SafeString:
    """``{% icon "phone" %}``: see ``icon_svg``."""
    return icon_svg(str(name), int(size), str(label), str(css))


@register.filter
def tone(state: object) -> str:
    """The tone a state is shown in: ``{{ invoice.state|tone }}`` gives ok, warn, bad, info or neutral."""
    return TONES.get(str(state).lower(), "neutral")


@register.filter
def tone_icon(name: object) -> str:
    """The icon that goes with a tone, so that colour is never alone."""
    return TONE_ICONS.get(str(name), TONE_ICONS["neutral"])


# Money


@lru_cache(maxsize=64)
def _locale(language: str | None) -> Locale:
    try:
        return Locale.parse(to_locale(language or "en-us"))
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en_US")


def current_locale() -> Locale:
    """Babel's locale for the active language."""
    return _locale(get_language())


def _amount_and_currency(value: object, currency: object) -> tuple[Decimal, str] | None:
    """``Money`` objects carry their currency; anything else is a number with ``currency`` beside it."""
    code = str(currency or "")
    if hasattr(value, "amount") and hasattr(value, "currency"):
        code = code or str(value.currency)
        value = value.amount
    if value is None or value == "":
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise template.TemplateSyntaxError(f"not an amount of money: {value!r}") from error
    return amount, code


def format_money(amount: Decimal, currency: str, *, places: int | None = None) -> str:
    """An amount as people of the active language write it, rounded half up to ``places``.

    ``places`` defaults to the currency's minor unit (2 for USD, 0 for JPY). Without a currency: the bare figure.
    """
    digits = (
        get_currency_precision(currency) if places is None and currency else (2 if places is None else places)
    )
    rounded = amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    locale = current_locale()
    if not currency:
        text = format_decimal(
            abs(rounded), format=f"#,##0.{'0' * digits}" if digits else "#,##0", locale=locale
        )
    else:
        pattern = locale.currency_formats["standard"]
        text = format_currency(
            abs(rounded),
            currency,
            format=_with_places(pattern.pattern, digits),
            locale=locale,
            currency_digits=False,
        )
    # Asked of what was rounded: never a minus in front of nothing.
    return f"{MINUS}{text}" if rounded < 0 else text


def _with_places(pattern: str, digits: int) -> str:
    positive = pattern.split(";", maxsplit=1)[0]
    fraction = f".{'0' * digits}" if digits else ""
    return re.sub(r"0\.0+", f"0{fraction}", positive)


@register.filter
def money_text(value: object, currency: object = "") -> str:
    """``{{ line.amount|money_text:invoice.currency }}`` -> ``$29.99``; a dash for no amount."""
    parsed = _amount_and_currency(value, currency)
    return "–" if parsed is None else format_money(*parsed)


@register.filter
def money(value: object, currency: object = "") -> SafeString:
    """As ``money_text``, in tabular figures that never wrap; negative amounts get a class of their own."""
    parsed = _amount_and_currency(value, currency)
    if parsed is None:
        return mark_safe('<span class="money muted">–</span>')
    css = "money money-negative" if parsed[0] < 0 else "money"
    return format_html('<span class="{}">{}</span>', css, format_money(*parsed))


@register.filter
def unit_price(value: object, currency: object = "") -> SafeString:
    """A unit price with all the decimals it has (BIL-4: unit prices are not rounded), at least the minor unit."""
    parsed = _amount_and_currency(value, currency)
    if parsed is None:
        return mark_safe('<span class="money muted">–</span>')
    amount, code = parsed
    exponent = amount.normalize().as_tuple().exponent
    needed = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    places = max(needed, get_currency_precision(code) if code else 2)
    return format_html('<span class="money">{}</span>', format_money(amount, code, places=places))


@register.filter
def signed_money(value: object, currency: object = "") -> SafeString:
    """A difference, always with its sign: ``+$12.00``, ``−$3.10``, ``$0.00``."""
    parsed = _amount_and_currency(value, currency)
    if parsed is None:
        return mark_safe('<span class="money muted">–</span>')
    text = format_money(*parsed)
    return format_html('<span class="money">{}</span>', f"+{text}" if parsed[0] > 0 else text)


@register.filter
def currency_symbol(currency: object) -> str:
    """``USD`` -> ``$`` in the active language."""
    return get_currency_symbol(str(currency), locale=current_locale())


@register.filter
def count(value: object) -> str:
    """A whole number with the separators of the active language: 12345 -> 12,345."""
    return format_decimal(int(str(value)), locale=current_locale())


# Phone numbers


@register.filter
def phone(value: object) -> str:
    """E.164 as people write it: ``+12125550100`` -> ``(212) 555-0100``, ``+442079460000`` -> ``+44 20 7946 0000``.

    What is no phone number comes back as it is.
    """
    raw = str(value or "")
    try:
        parsed = phonenumbers.parse(raw, None)
    except phonenumbers.NumberParseException:
        return raw
    style = (
        phonenumbers.PhoneNumberFormat.NATIONAL
        if parsed.country_code == 1
        else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    )
    return phonenumbers.format_number(parsed, style)


# Dates


def _as_date(value: object) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return timezone.localtime(value).date() if timezone.is_aware(value) else value.date()
    if isinstance(value, dt.date):
        return value
    if isinstance(value, str) and value:
        return dt.date.fromisoformat(value)
    return None


def format_day(day_: dt.date) -> str:
    """A date by locale with the month's name: ``Jan 10, 2026``."""
    return format_date(day_, format="medium", locale=current_locale())


@register.filter
def day_text(value: object) -> str:
    """``{{ invoice.issued_on|day_text }}`` -> ``Jan 10, 2026``; a dash for no date."""
    found = _as_date(value)
    return "–" if found is None else format_day(found)


@register.filter
def day(value: object) -> SafeString:
    """As ``day_text``, as a ``<time>`` element that never wraps."""
    found = _as_date(value)
    if found is None:
        return mark_safe('<span class="muted">–</span>')
    return format_html('<time class="day" datetime="{}">{}</time>', found.isoformat(), format_day(found))


@register.filter
def month_text(value: object) -> str:
    """``2026-01-10`` -> ``January 2026``."""
    found = _as_date(value)
    if found is None:
        return "–"
    names = get_month_names("wide", context="stand-alone", locale=current_locale())
    return f"{names[found.month]} {found.year}"


@register.filter
def moment_text(value: dt.datetime | None) -> str:
    """An instant in the active time zone: ``Jan 10, 2026, 3:05 PM``."""
    if value is None:
        return "–"
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    locale = current_locale()
    date_part = format_date(local.date(), format="medium", locale=locale)
    time_part = format_datetime(
        local.replace(tzinfo=None), format=locale.time_formats["short"].pattern, locale=locale
    )
    return f"{date_part}, {time_part}".replace("\u202f", " ")


@register.filter
def moment(value: dt.datetime | None) -> SafeString:
    """As ``moment_text``, as a ``<time>`` element with the time in UTC behind it."""
    if value is None:
        return mark_safe('<span class="muted">–</span>')
    utc = f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC" if timezone.is_aware(value) else ""
    return format_html(
        '<time class="day" datetime="{}" title="{}">{}</time>', value.isoformat(), utc, moment_text(value)
    )


def relative_day(value: dt.date, today: dt.date) -> str:
    """``in 3 days``, ``tomorrow``, ``today``, ``yesterday``, ``3 days ago``; past two months the date itself."""
    days = (value - today).days
    if days == 0:
        return gettext("today")
    if days == 1:
        return gettext("tomorrow")
    if days == -1:
        return gettext("yesterday")
    if abs(days) > 62:
        return format_day(value)
    if days > 0:
        return ngettext("in %(count)d day", "in %(count)d days", days) % {"count": days}
    return ngettext("%(count)d day ago", "%(count)d days ago", -days) % {"count": -days}


@register.simple_tag(takes_context=True)
def when(
    context: Context, value: object, today: dt.date | None = None, with_date: bool = False
) -> SafeString:
    """``{% when charge.billing_starts_on %}`` -> "in 3 days", with the date behind it (hover, and for readers).

    ``today``: the account's own day; defaults to the context's ``today``, the request's, the active time zone's.
    ``with_date``: write the date too, "Jan 10, 2026 (in 3 days)".
    """
    found = _as_date(value)
    if found is None:
        return mark_safe('<span class="muted">–</span>')
    given = today or context.get("today") or getattr(_request(context), "today", None)
    reference = _as_date(given) or timezone.localdate()
    relative, written = relative_day(found, reference), format_day(found)
    if relative == written:
        return day(found)
    if with_date:
        return format_html(
            '<time class="day" datetime="{}">{}</time> <span class="muted">{}</span>',
            found.isoformat(),
            written,
            relative,
        )
    return format_html(
        '<time class="when" datetime="{}" title="{}">{}<span class="sr-only"> ({})</span></time>',
        found.isoformat(),
        written,
        relative,
        written,
    )


@register.filter
def humanise_dates(value: object) -> SafeString:
    """Every ISO date inside a text becomes the localised one: "7-day delay from 2026-01-10" -> "... Jan 10, 2026"."""

    def localised(match: re.Match[str]) -> str:
        try:
            return format_day(dt.date(int(match[1]), int(match[2]), int(match[3])))
        except ValueError:
            return match[0]

    return mark_safe(
        _ISO_DATE.sub(localised, conditional_escape(force_str(value if value is not None else "")))
    )


@register.filter
def humanise_numbers(value: object) -> SafeString:
    """Every phone number in E.164 inside a text as people write it: "+12125550100 added" -> "(212) 555-0100 added"."""
    return mark_safe(
        _E164.sub(
            lambda match: phone(match[0]), conditional_escape(force_str(value if value is not None else ""))
        )
    )


# Rules and help


def rule_address(rule: str) -> str:
    """The address of the sentence in help that states the rule, or "" where help states no such rule."""
    try:
        return rule_url(rule)
    except (KeyError, NoReverseMatch):
        return ""


def _rule_link(rule: str) -> SafeString:
    url = rule_address(rule)
    if not url:
        return format_html('<span class="rule">{}</span>', rule)
    return format_html('<a class="rule" href="{}" title="{}">{}</a>', url, rule_title(rule), rule)


@register.simple_tag(name="rule")
def rule_tag(number: object) -> SafeString:
    """``{% rule "BIL-4" %}``: the rule's number as a link to the sentence in help; nothing for no rule."""
    text = str(number or "")
    return _rule_link(text) if _RULE.match(text) else conditional_escape(text)


@register.filter
def link_rules(value: object) -> SafeString:
    """Every rule number inside a text becomes a link to help."""
    return mark_safe(
        _RULE_IN_TEXT.sub(lambda match: _rule_link(match[0]), conditional_escape(force_str(value or "")))
    )


# Forms


@register.simple_tag(takes_context=True)
def csrf(context: Context) -> SafeString:
    """The CSRF field, also inside ``{% include ... only %}`` where Django's own tag finds no token."""
    request = _request(context)
    if request is None:
        return SafeString("")
    return format_html('<input type="hidden" name="csrfmiddlewaretoken" value="{}">', get_token(request))


@register.filter
def errors_of(field: BoundField) -> list[dict[str, str]]:
    """The errors of a field as ``message`` and ``rule``: an error whose code is a rule's number links to it."""
    return _errors(field.errors.as_data())


@register.filter
def own_errors(form: BaseForm) -> list[dict[str, str]]:
    """The errors of the form as a whole, like ``errors_of``."""
    return _errors(form.non_field_errors().as_data())


def _errors(found: Iterable[Any]) -> list[dict[str, str]]:
    result = []
    for error in found:
        code = str(getattr(error, "code", "") or "")
        rule = code if _RULE.match(code) else ""
        result += [{"message": str(message), "rule": rule} for message in error.messages]
    return result


# Lists


def _request(context: Context) -> HttpRequest | None:
    request = context.request if isinstance(context, RequestContext) else context.get("request")
    return cast("HttpRequest | None", request)


def _query(context: Context) -> QueryDict:
    request = _request(context)
    return request.GET.copy() if request is not None else QueryDict(mutable=True)


def _address(query: QueryDict) -> str:
    return f"?{query.urlencode()}" if query else "?"


def query_with(query: QueryDict, **changes: object) -> str:
    """The address of the same list with some parameters changed (None removes), back on its first page."""
    changed = query.copy()
    for name in (*PAGING_PARAMETERS, "page"):
        changed.pop(name, None)
    for name, value in changes.items():
        if value is None or value == "":
            changed.pop(name, None)
        else:
            changed[name] = str(value)
    return _address(changed)


@register.simple_tag(takes_context=True)
def list_url(context: Context, **changes: object) -> str:
    """``{% list_url state="issued" %}``: this list with other filters, back on its first page."""
    return query_with(_query(context), **changes)


@register.simple_tag(takes_context=True)
def page_url(context: Context, direction: str, cursor: object) -> str:
    """``{% page_url "after" page.next %}``: the next or previous page of this list, filters kept."""
    query = _query(context)
    for name in (*PAGING_PARAMETERS, "page"):
        query.pop(name, None)
    query[direction] = str(cursor)
    return _address(query)


@register.inclusion_tag("components/th.html", takes_context=True)
def th(
    context: Context,
    label: str,
    sort: str = "",
    css: str = "",
    default: str = "",
    parameter: str = "sort",
) -> dict[str, object]:
    """A column heading, a link that sorts when ``sort`` names the order: ``{% th "Total" sort="total" css="num" %}``.

    The list's order is the query parameter ``sort``: ``total`` ascending, ``-total`` descending. ``default`` is the
    list's order when the parameter is absent.
    """
    query = _query(context)
    current = query.get(parameter) or default
    direction = ""
    if sort and current.lstrip("-") == sort:
        direction = "descending" if current.startswith("-") else "ascending"
    following = f"-{sort}" if direction == "ascending" else sort
    return {
        "label": label,
        "css": css,
        "sort": sort,
        "direction": direction,
        "url": query_with(query, **{parameter: following}) if sort else "",
        "icon": {"ascending": "arrow-up", "descending": "arrow-down"}.get(direction, "chevrons-up-down"),
    }


@register.simple_tag(takes_context=True)
def filter_chips(context: Context, form: BaseForm) -> list[dict[str, str]]:
    """What is filtered, from a bound filter form: ``label``, ``value`` and the ``url`` that takes the filter away."""
    query = _query(context)
    chips = []
    for bound in form:
        name = form.add_prefix(bound.name)
        chosen = [value for value in query.getlist(name) if value]
        if not chosen or bound.errors or bound.is_hidden:
            continue
        shown = ", ".join(_shown(bound, value) for value in chosen)
        chips.append({"label": str(bound.label), "value": shown, "url": query_with(query, **{name: None})})
    return chips


def _shown(bound: BoundField, value: str) -> str:
    choices = getattr(bound.field, "choices", None)
    if choices is not None:
        for key, label in _flat(choices):
            if str(key) == value:
                return str(label)
    try:
        return format_day(dt.date.fromisoformat(value))
    except ValueError:
        return value


def _flat(choices: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    for key, label in choices:
        if isinstance(label, (list, tuple)):
            yield from label
        else:
            yield key, label


@register.filter
def has_filters(form: BaseForm | str | None) -> bool:
    """Whether a list's form has fields to filter by, besides the search box."""
    return isinstance(form, BaseForm) and any(name != "q" for name in form.fields)


@register.simple_tag(takes_context=True)
def kept_query(context: Context, form: BaseForm | None = None) -> list[tuple[str, str]]:
    """The query parameters a filter form must carry along as hidden fields: all but its own and the paging ones."""
    own = {form.add_prefix(name) for name in form.fields} if form else set()
    own |= {*PAGING_PARAMETERS, "page", "q"}
    return [(name, value) for name, values in _query(context).lists() if name not in own for value in values]


# Titles


@register.simple_tag(takes_context=True)
def block_text(context: Context, name: str) -> SafeString:
    """The text of a block once more: a page writes its title once, and it is both ``<title>`` and heading."""
    blocks: BlockContext | None = context.render_context.get(BLOCK_CONTEXT_KEY)
    block = blocks.get_block(name) if blocks is not None else None
    return SafeString("") if block is None else block.nodelist.render(context)


@register.filter
def plain(value: object) -> str:
    """Markup taken away and white space collapsed, for titles and attributes."""
    return " ".join(strip_tags(str(value)).split())


# The audit trail


@register.filter
def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[dict[str, object]]:
    """Before and after of a trail entry side by side, one row for each name that differs."""
    old, new = before or {}, after or {}
    rows = []
    for name in [*old, *(name for name in new if name not in old)]:
        if name in old and name in new and old[name] == new[name]:
            continue
        rows.append(
            {
                "name": name.replace("_", " ").replace("-", " ").capitalize(),
                "before": _plain_value(old.get(name)),
                "after": _plain_value(new.get(name)),
                "has_before": name in old,
                "has_after": name in new,
            }
        )
    return rows


def _plain_value(value: object) -> str:
    if value is None or value == "":
        return gettext("nothing")
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return str(value)


# Blocks with a body


@register.simple_block_tag
def card(
    content: str,
    title: str = "",
    hint: str = "",
    url: str = "",
    link: str = "",
    css: str = "",
    anchor: str = "",
    level: int = 2,
    flush: bool = False,
) -> SafeString:
    """``{% card title="Next invoice" url=... link="Open" %}...{% endcard %}``: a section with a heading.

    ``flush``: the body goes to the edges (a table or a list of rows inside). ``level``: the heading's level.
    """
    heading: SafeString | str = ""
    if title:
        more = format_html('<a class="card-link" href="{}">{}</a>', url, link) if url and link else ""
        below = format_html('<p class="card-hint">{}</p>', hint) if hint else ""
        heading = format_html(
            '<header class="card-head"><div><h{0} class="card-title">{1}</h{0}>{2}</div>{3}</header>',
            int(level),
            title,
            below,
            more,
        )
    name = format_html(' id="{}"', anchor) if anchor else ""
    classes = " ".join(part for part in ("card", "card-flush" if flush else "", css) if part)
    return format_html(
        '<section class="{}"{}>{}<div class="card-body">{}</div></section>',
        classes,
        name,
        heading,
        mark_safe(content),
    )


@register.simple_block_tag
def menu(content: str, label: str = "", icon: str = "", css: str = "", name: str = "") -> SafeString:
    """``{% menu label="More" %}<a ...>...{% endmenu %}``: a button that opens a list of links; works without script.

    With ``icon`` and ``name`` instead of ``label`` the button is the icon alone, named for readers.
    """
    face = icon_svg(icon, 16, name) if icon else ""
    text = format_html("<span>{}</span>", label) if label else ""
    return format_html(
        '<details class="menu {}" data-menu><summary class="button button-quiet">{}{}{}</summary>'
        '<div class="menu-panel">{}</div></details>',
        css,
        face,
        text,
        icon_svg("chevron-down", 14) if label else "",
        mark_safe(content),
    )


# Pictures that are tables too


@register.inclusion_tag("components/bridge.html")
def bridge(rows: Sequence[Mapping[str, Any]], currency: str, caption: str = "") -> dict[str, object]:
    """From the last invoice to this one, as a table with a bar in each row.

    ``rows``: mappings with ``label``, ``amount`` (Decimal), ``kind`` (``total`` for a sum that stands, else a change),
    and perhaps ``note``, ``url`` and ``rule``. The changes must lead from one total to
    the next; the bars show what is given.
    """
    running = Decimal(0)
    spans: list[tuple[Mapping[str, Any], Decimal, Decimal]] = []
    for row in rows:
        amount = Decimal(row["amount"])
        if row.get("kind") == "total":
            spans.append((row, Decimal(0), amount))
            running = amount
        else:
            spans.append((row, running, running + amount))
            running += amount
    low = min([Decimal(0), *(min(start, end) for _, start, end in spans)])
    high = max([Decimal(0), *(max(start, end) for _, start, end in spans)])
    width = high - low or Decimal(1)
    drawn = []
    for row, start, end in spans:
        left = (min(start, end) - low) / width * 100
        size = abs(end - start) / width * 100
        kind = "total" if row.get("kind") == "total" else ("up" if end >= start else "down")
        drawn.append(
            {
                "label": row["label"],
                "note": row.get("note", ""),
                "url": row.get("url", ""),
                "rule": row.get("rule", ""),
                "amount": Decimal(row["amount"]),
                "kind": kind,
                "x": f"{min(left, Decimal('99.4')):.2f}",
                "width": f"{max(size, Decimal('0.6')):.2f}",
            }
        )
    return {"rows": drawn, "currency": currency, "caption": caption}


@register.inclusion_tag("components/line_of_days.html")
def line_of_days(
    events: Iterable[Mapping[str, Any]],
    today: dt.date,
    days: int = 31,
    currency: str = "",
    bdom: dt.date | None = None,
) -> dict[str, object]:
    """What happens on which of the coming days, one cell a day, with the list of it below.

    ``events``: mappings with ``on`` (date), ``label``, and perhaps ``amount`` (Decimal a month), ``url``, ``note``.
    Events outside the days shown are left out of the line but kept in the list. ``bdom``: the next billing day.
    """
    ordered = sorted(events, key=lambda event: (event["on"], str(event["label"])))
    cells = []
    for offset in range(days):
        on = today + dt.timedelta(days=offset)
        here = [event for event in ordered if event["on"] == on]
        classes = ["day-cell"]
        if here:
            classes.append("day-cell-event")
        if on == bdom:
            classes.append("day-cell-bdom")
        if offset == 0:
            classes.append("day-cell-today")
        cells.append(
            {
                "on": on,
                "events": here,
                "css": " ".join(classes),
                "shows_month": offset == 0 or on.day == 1,
                "month": get_month_names("abbreviated", locale=current_locale())[on.month],
                "is_bdom": on == bdom,
                "title": "; ".join(
                    [
                        format_day(on),
                        *([gettext("billing day")] if on == bdom else []),
                        *(str(event["label"]) for event in here),
                    ]
                ),
            }
        )
    return {"cells": cells, "events": ordered, "today": today, "currency": currency, "bdom": bdom}


CHART_HEIGHT = 168
"""The height of a chart's plot in pixels; its width is that of the page."""
CHART_TOP = 12
SERIES = 6
"""How many colours there are for series; what comes after them begins anew."""


@register.inclusion_tag("components/day_chart.html")
def day_chart(
    days: Sequence[dt.date],
    series: Sequence[Mapping[str, Any]],
    caption: str,
    unit: str = "",
    limit: Mapping[str, Any] | None = None,
    marked: dt.date | None = None,
    mark: str = "",
    has_table: bool = True,
) -> dict[str, object]:
    """Bars by day, the series of a day on one another, drawn here as SVG; the same figures as a table below.

    ``series``: mappings with ``label`` and ``values``, a number for each of ``days``. ``limit``: a mapping like
    one of them, drawn as a line that the bars are to stay under. ``unit`` is what the figures are. ``marked`` is a
    day that is pointed out, ``mark`` why. Without ``has_table`` the page has the figures in a table of its own.
    """
    totals = [
        sum((Decimal(row["values"][place]) for row in series), Decimal(0)) for place in range(len(days))
    ]
    limits = [Decimal(value) for value in limit["values"]] if limit else []
    top = _round_top(max([*totals, *limits, Decimal(1)]))
    plot = CHART_HEIGHT - CHART_TOP
    slot = Decimal(100) / max(1, len(days))
    bars, ticks, steps = [], [], []
    every = 1 if len(days) <= 10 else 7
    for place, on in enumerate(days):
        base = Decimal(CHART_HEIGHT)
        for number, row in enumerate(series):
            value = Decimal(row["values"][place])
            if value <= 0:
                continue
            height = max(value / top * plot, Decimal(1))
            base -= height
            bars.append(
                {
                    "x": f"{slot * place + slot * Decimal('0.14'):.3f}%",
                    "width": f"{slot * Decimal('0.72'):.3f}%",
                    "y": f"{base:.2f}",
                    "height": f"{height:.2f}",
                    "css": f"series-{number % SERIES + 1}",
                    "title": f"{format_day(on)}: {row['label']}, {_figure(value)} {unit}".strip(),
                }
            )
        if limits:
            y = CHART_HEIGHT - limits[place] / top * plot
            steps.append({"x1": f"{slot * place:.3f}%", "x2": f"{slot * (place + 1):.3f}%", "y": f"{y:.2f}"})
        if place % every == 0:
            ticks.append(
                {"x": f"{slot * place + slot / 2:.3f}%", "label": _short_day(on, is_first=place == 0)}
            )
    return {
        "caption": caption,
        "unit": unit,
        "mark": _mark(days, totals, limits, top, marked, mark),
        "has_table": has_table,
        "bars": bars,
        "steps": steps,
        "limit": limit,
        "ticks": ticks,
        "height": CHART_HEIGHT,
        "lines": [
            {"y": f"{CHART_HEIGHT - plot * part / 2:.2f}", "label": _figure(top * part / 2)}
            for part in (2, 1, 0)
        ],
        "legend": [
            {"label": row["label"], "css": f"series-{number % SERIES + 1}"}
            for number, row in enumerate(series)
        ],
        "table": [
            {
                "on": on,
                "values": [_figure(Decimal(row["values"][place])) for row in series],
                "limit": _figure(limits[place]) if limits else "",
            }
            for place, on in enumerate(days)
        ],
        "most": _most_words(days, totals, unit),
    }


def _mark(
    days: Sequence[dt.date],
    totals: Sequence[Decimal],
    limits: Sequence[Decimal],
    top: Decimal,
    marked: dt.date | None,
    label: str,
) -> dict[str, str] | None:
    """Where the sign over a day that is pointed out stands, above its bar and its limit."""
    if marked is None or marked not in days:
        return None
    place = list(days).index(marked)
    highest = max([totals[place], *limits[place : place + 1]])
    slot = Decimal(100) / len(days)
    y = CHART_HEIGHT - highest / top * (CHART_HEIGHT - CHART_TOP) - CHART_TOP
    return {"x": f"{slot * place + slot / 2:.3f}%", "y": f"{y:.2f}", "label": label}


def _round_top(most: Decimal) -> Decimal:
    """The least of 1, 2, 3, 4, 5, 6, 8, 10, 20, ... that is not below the highest bar: its half is plain too."""
    scale = Decimal(10) ** most.adjusted()
    return next(step * scale for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * scale >= most)


def _figure(value: Decimal) -> str:
    return str(format_decimal(value, format="#,##0.#", locale=current_locale()))


def _short_day(on: dt.date, *, is_first: bool) -> str:
    """A day under a chart: its number, with the month's name where one begins to be told."""
    names = get_month_names("abbreviated", locale=current_locale())
    return f"{names[on.month]} {on.day}" if is_first or on.day <= 7 else str(on.day)


def _most_words(days: Sequence[dt.date], totals: Sequence[Decimal], unit: str) -> str:
    """What a chart shows in one sentence, for who does not see it."""
    if not any(totals):
        return gettext("Nothing on any day")
    place = max(range(len(totals)), key=totals.__getitem__)
    return gettext("The most, %(figure)s %(unit)s, on %(day)s") % {
        "figure": _figure(totals[place]),
        "unit": unit,
        "day": format_day(days[place]),
    }
