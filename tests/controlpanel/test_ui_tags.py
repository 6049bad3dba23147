"""The design system's tags and filters: what they write for what they are given."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict
from django.template import RequestContext, Template, TemplateSyntaxError
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone, translation
from djmoney.money import Money
from lucide import IconDoesNotExist

from controlpanel.templatetags import ui

TODAY = dt.date(2026, 1, 10)


def rendered(source: str, path: str = "/", **context: Any) -> str:
    """What a template that loads the tags writes for a request to ``path``."""
    request = RequestFactory().get(path)
    return Template("{% load ui %}" + source).render(RequestContext(request, context))


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (Decimal("1234.5"), "USD", "$1,234.50"),
        (Decimal("29.99"), "EUR", "€29.99"),
        (Decimal("-3.1"), "USD", "−$3.10"),
        (Decimal(0), "USD", "$0.00"),
        (Decimal("-0.001"), "USD", "$0.00"),
        (Decimal("0.005"), "USD", "$0.01"),
        (Decimal("0.015"), "USD", "$0.02"),
        (Decimal("-0.005"), "USD", "−$0.01"),
        (Decimal(1500), "JPY", "¥1,500"),
        (Decimal("12.345"), "", "12.35"),
        ("5.98", "USD", "$5.98"),
        (7, "USD", "$7.00"),
        (Money("8.5", "EUR"), "", "€8.50"),
        (None, "USD", "–"),
        ("", "USD", "–"),
    ],
)
def test_money_text(amount: object, currency: str, written: str) -> None:
    """Half up to the currency's minor unit (BIL-4), a true minus, never a minus in front of nothing."""
    assert ui.money_text(amount, currency) == written


def test_money_follows_the_language() -> None:
    with translation.override("de"):
        assert ui.money_text(Decimal("1234.5"), "EUR") == "1.234,50\xa0€"
        assert ui.money_text(Decimal("-1.5"), "EUR") == "−1,50\xa0€"


def test_money_is_never_an_unreadable_text() -> None:
    with pytest.raises(TemplateSyntaxError, match="not an amount"):
        ui.money_text("12,50", "USD")


def test_money_marks_what_is_negative() -> None:
    assert ui.money(Decimal(-3), "USD") == '<span class="money money-negative">−$3.00</span>'
    assert ui.money(Decimal(3), "USD") == '<span class="money">$3.00</span>'


@pytest.mark.parametrize(
    ("price", "written"),
    [
        ("29.99", "$29.99"),
        ("2.9925", "$2.9925"),
        ("2.500000", "$2.50"),
        ("30", "$30.00"),
        ("0.0001", "$0.0001"),
    ],
)
def test_unit_prices_keep_their_decimals(price: str, written: str) -> None:
    """BIL-4: unit prices are not rounded and may have more decimals."""
    assert ui.unit_price(Decimal(price), "USD") == f'<span class="money">{written}</span>'


@pytest.mark.parametrize(("amount", "written"), [("12", "+$12.00"), ("-3.1", "−$3.10"), ("0", "$0.00")])
def test_differences_carry_their_sign(amount: str, written: str) -> None:
    assert ui.signed_money(Decimal(amount), "USD") == f'<span class="money">{written}</span>'


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("+12125550100", "(212) 555-0100"),
        ("+18005550199", "(800) 555-0199"),
        ("+442079460000", "+44 20 7946 0000"),
        ("+31201234567", "+31 20 123 4567"),
        ("front desk", "front desk"),
        ("", ""),
        (None, ""),
    ],
)
def test_phone(number: object, written: str) -> None:
    """Numbers are kept in E.164 (NUM-1) and shown as people write them."""
    assert ui.phone(number) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (dt.date(2026, 1, 10), "Jan 10, 2026"),
        ("2026-03-01", "Mar 1, 2026"),
        (None, "–"),
        ("", "–"),
        (dt.datetime(2026, 1, 10, 3, tzinfo=dt.UTC), "Jan 9, 2026"),
    ],
)
def test_day_text(value: object, written: str) -> None:
    with timezone.override(ZoneInfo("America/New_York")):
        assert ui.day_text(value) == written


def test_days_follow_the_language() -> None:
    with translation.override("fr"):
        assert ui.day_text(TODAY) == "10 janv. 2026"
        assert ui.month_text(TODAY) == "janvier 2026"
    assert ui.month_text(TODAY) == "January 2026"


def test_day_says_the_date_to_machines() -> None:
    assert ui.day(TODAY) == '<time class="day" datetime="2026-01-10">Jan 10, 2026</time>'


def test_moments_are_told_in_the_active_zone() -> None:
    at = dt.datetime(2026, 1, 10, 20, 5, tzinfo=dt.UTC)
    with timezone.override(ZoneInfo("Pacific/Honolulu")):
        assert ui.moment_text(at) == "Jan 10, 2026, 10:05 AM"
    with timezone.override(ZoneInfo("Pacific/Auckland")):
        assert ui.moment_text(at) == "Jan 11, 2026, 9:05 AM"
    assert ui.moment_text(None) == "–"


@pytest.mark.parametrize(
    ("days", "written"),
    [
        (0, "today"),
        (1, "tomorrow"),
        (-1, "yesterday"),
        (3, "in 3 days"),
        (-12, "12 days ago"),
        (62, "in 62 days"),
        (63, "Mar 14, 2026"),
        (-63, "Nov 8, 2025"),
    ],
)
def test_relative_day(days: int, written: str) -> None:
    assert ui.relative_day(TODAY + dt.timedelta(days=days), TODAY) == written


def test_when_keeps_the_date_behind_it() -> None:
    html = rendered("{% when on today=today %}", on=TODAY + dt.timedelta(days=3), today=TODAY)
    assert 'title="Jan 13, 2026"' in html
    assert ">in 3 days<" in html
    assert rendered("{% when on %}", on=TODAY, today=TODAY).count("today") == 1
    assert "Jan 13, 2026</time>" in rendered(
        "{% when on with_date=True %}", on=TODAY + dt.timedelta(days=3), today=TODAY
    )


def test_when_takes_the_accounts_own_day_from_the_request() -> None:
    request: Any = RequestFactory().get("/")
    request.today = TODAY
    context = RequestContext(request, {"on": TODAY + dt.timedelta(days=1)})
    assert "tomorrow" in Template("{% load ui %}{% when on %}").render(context)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("7-day delay from 2026-01-10", "7-day delay from Jan 10, 2026"),
        ("2026-01-31 to 2026-02-27", "Jan 31, 2026 to Feb 27, 2026"),
        ("order 2026-13-45", "order 2026-13-45"),
        ("part 12026-01-10", "part 12026-01-10"),
        ("<b>2026-01-10</b>", "&lt;b&gt;Jan 10, 2026&lt;/b&gt;"),
        (None, ""),
    ],
)
def test_humanise_dates(text: object, written: str) -> None:
    assert ui.humanise_dates(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("+12125550100 added, parked", "(212) 555-0100 added, parked"),
        (
            "+12125550100 and +493023125010 changed places",
            "(212) 555-0100 and +49 30 23125010 changed places",
        ),
        ("1+12125550100, +12 days, + 5", "1+12125550100, +12 days, + 5"),
        ("<b>+12125550100</b>", "&lt;b&gt;(212) 555-0100&lt;/b&gt;"),
        (None, ""),
    ],
)
def test_humanise_numbers(text: object, written: str) -> None:
    assert ui.humanise_numbers(text) == written


def test_rules_link_to_help() -> None:
    assert 'href="/help/billing/#BIL-4"' in rendered('{% rule "BIL-4" %}')
    assert rendered('{% rule "" %}') == ""
    not_stated = "BIL" + "-999"
    assert "href" not in rendered(f'{{% rule "{not_stated}" %}}')
    linked = ui.link_rules("<i>by BIL-4</i>")
    assert linked.startswith("&lt;i&gt;by <a ")
    assert 'href="/help/billing/#BIL-4"' in linked


def test_icons_are_decoration_unless_they_are_named() -> None:
    assert 'aria-hidden="true"' in rendered('{% icon "phone" %}')
    named = rendered('{% icon "phone" label=name %}', name='a "call" <now>')
    assert 'role="img"' in named
    assert "aria-hidden" not in named
    assert "<now>" not in named
    with pytest.raises(IconDoesNotExist):
        ui.icon_svg("no-such-icon")


def test_every_tone_has_a_sign_of_its_own() -> None:
    assert set(ui.TONES.values()) <= set(ui.TONE_ICONS)
    assert len(set(ui.TONE_ICONS.values())) == len(ui.TONE_ICONS)
    for name in ui.TONE_ICONS.values():
        ui.icon_svg(name)
    assert ui.tone("PAID") == "ok"
    assert ui.tone("never heard of") == "neutral"


@pytest.mark.parametrize(
    ("path", "changes", "address"),
    [
        ("/?state=issued&after=40", {"state": "paid"}, "?state=paid"),
        ("/?state=issued&before=7&q=ann", {"state": None}, "?q=ann"),
        ("/?state=issued", {"state": ""}, "?"),
        ("/?q=a%26b", {"sort": "-total"}, "?q=a%26b&sort=-total"),
        ("/?brand=1&brand=2", {"q": "x"}, "?brand=1&brand=2&q=x"),
    ],
)
def test_other_filters_begin_at_the_first_page(path: str, changes: dict[str, object], address: str) -> None:
    assert ui.query_with(QueryDict(path.partition("?")[2]), **changes) == address


def test_pages_keep_the_filters() -> None:
    assert rendered('{% page_url "after" "50" %}', "/?q=a&before=9") == "?q=a&amp;after=50"


@pytest.mark.parametrize(
    ("path", "url", "direction"),
    [
        ("/", "?sort=total", None),
        ("/?sort=total", "?sort=-total", "ascending"),
        ("/?sort=-total", "?sort=total", "descending"),
        ("/?sort=name&after=3", "?sort=total", None),
    ],
)
def test_headings_sort(path: str, url: str, direction: str | None) -> None:
    html = rendered('{% th "Total" sort="total" css="num" %}', path)
    assert f'href="{url}"' in html
    assert (f'aria-sort="{direction}"' in html) if direction else ("aria-sort" not in html)


def test_a_heading_knows_the_lists_own_order() -> None:
    assert 'aria-sort="descending"' in rendered('{% th "Date" sort="date" default="-date" %}')
    assert "<a" not in rendered('{% th "Holder" %}')
    assert "Actions" in rendered('{% th "" %}')


class Filters(forms.Form):
    """A list's filters."""

    q = forms.CharField(required=False, label="Search")
    state = forms.ChoiceField(required=False, choices=[("", "Any"), ("Now", [("issued", "Issued")])])
    since = forms.DateField(required=False)


def chips(path: str) -> list[dict[str, str]]:
    request = RequestFactory().get(path)
    return ui.filter_chips(RequestContext(request), Filters(request.GET))


def test_chips_say_what_is_filtered_and_take_it_away() -> None:
    assert chips("/?state=issued&since=2026-01-10&after=9") == [
        {"label": "State", "value": "Issued", "url": "?since=2026-01-10"},
        {"label": "Since", "value": "Jan 10, 2026", "url": "?state=issued"},
    ]
    assert chips("/?state=&q=") == []
    assert chips("/?since=never") == []


def test_a_form_with_a_search_box_alone_has_no_filters() -> None:
    class Search(forms.Form):
        q = forms.CharField(required=False)

    assert not ui.has_filters(Search())
    assert not ui.has_filters(None)
    assert ui.has_filters(Filters())


def test_a_filter_form_carries_the_order_along() -> None:
    request = RequestFactory().get("/?sort=-total&state=issued&after=9&q=x&tab=late")
    kept = ui.kept_query(RequestContext(request), Filters(request.GET))
    assert kept == [("sort", "-total"), ("tab", "late")]


class Sample(forms.Form):
    """A form whose quantity a rule refuses."""

    quantity = forms.IntegerField(help_text="How many.")
    agree = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        """Refuse, by the field and as a whole."""
        self.add_error("quantity", ValidationError("Only 2 are <free>.", code="LIC-1"))
        raise ValidationError("The account is closed.")


def form_html(template: str, form: forms.Form) -> str:
    return render_to_string(template, {"form": form, "field": form["quantity"]}, RequestFactory().get("/"))


def test_a_field_shows_its_error_with_the_rule() -> None:
    html = form_html("components/field.html", Sample({"quantity": "3"}))
    assert "Only 2 are &lt;free&gt;." in html
    assert 'href="/help/licences/#LIC-1"' in html
    assert 'aria-describedby="id_quantity_helptext id_quantity_error"' in html
    assert 'id="id_quantity_helptext"' in html
    assert 'id="id_quantity_error"' in html
    assert 'value="3"' in html


def test_the_summary_jumps_to_the_field() -> None:
    html = form_html("components/error_summary.html", Sample({"quantity": "3"}))
    assert '<a href="#id_quantity">Quantity</a>' in html
    assert "The account is closed." in html
    assert form_html("components/error_summary.html", Sample()).strip() == ""


def test_csrf_is_there_where_include_hides_the_context() -> None:
    html = rendered('{% include "components/post_button.html" with url="/x/" label="Park" only %}')
    assert 'name="csrfmiddlewaretoken" value="' in html
    assert ui.csrf(RequestContext(HttpRequest())) != ""


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        ({"state": "parked"}, {"state": "assigned"}, [("State", "parked", "assigned")]),
        ({"state": "parked", "kind": "local"}, {"state": "parked"}, [("Kind", "local", "nothing")]),
        (
            {},
            {"is_listed": True, "holder": None},
            [("Is listed", "nothing", "yes"), ("Holder", "nothing", "nothing")],
        ),
        (None, None, []),
    ],
)
def test_changes(before: Any, after: Any, rows: list[tuple[str, str, str]]) -> None:
    """ACC-5: before and after, and only what differs."""
    assert [(row["name"], row["before"], row["after"]) for row in ui.changes(before, after)] == rows


def test_a_card_keeps_its_body_and_escapes_its_title() -> None:
    html = rendered(
        '{% card title=title url="/x/" link="Open" %}<p>{{ body }}</p>{% endcard %}', title="<b>", body="&"
    )
    assert '<h2 class="card-title">&lt;b&gt;</h2>' in html
    assert "<p>&amp;</p>" in html
    assert '<a class="card-link" href="/x/">Open</a>' in html


def test_the_bridge_leads_from_one_sum_to_the_next() -> None:
    rows = [
        {"label": "Last", "amount": Decimal(100), "kind": "total"},
        {"label": "More", "amount": Decimal(100), "kind": "change"},
        {"label": "Less", "amount": Decimal(-50), "kind": "change"},
        {"label": "Next", "amount": Decimal(150), "kind": "total"},
    ]
    drawn: Any = ui.bridge(rows, "USD")["rows"]
    assert [(row["kind"], row["x"], row["width"]) for row in drawn] == [
        ("total", "0.00", "50.00"),
        ("up", "50.00", "50.00"),
        ("down", "75.00", "25.00"),
        ("total", "0.00", "75.00"),
    ]


def test_the_bridge_draws_a_credit_below_nothing() -> None:
    rows = [
        {"label": "Last", "amount": Decimal(0), "kind": "total"},
        {"label": "Credit", "amount": Decimal(-10), "kind": "change"},
        {"label": "Next", "amount": Decimal(-10), "kind": "total"},
    ]
    drawn: Any = ui.bridge(rows, "USD")["rows"]
    assert [(row["x"], row["width"]) for row in drawn] == [
        ("99.40", "0.60"),
        ("0.00", "100.00"),
        ("0.00", "100.00"),
    ]


def test_the_line_of_days() -> None:
    """BIL-11: when billing will begin, for all that is not billed yet."""
    late = {"on": TODAY + dt.timedelta(days=40), "label": "Later"}
    soon = {"on": TODAY + dt.timedelta(days=2), "label": "Soon"}
    line: Any = ui.line_of_days([late, soon], TODAY, days=31, bdom=TODAY + dt.timedelta(days=5))
    assert len(line["cells"]) == 31
    assert [cell["on"].day for cell in line["cells"] if cell["events"]] == [12]
    assert [cell["on"].day for cell in line["cells"] if cell["is_bdom"]] == [15]
    assert line["events"] == [soon, late]


def test_a_title_is_written_once() -> None:
    source = '{% extends "layouts/bare.html" %}{% block title %}Ann &amp; Bob{% endblock %}'
    html = Template(source).render(RequestContext(RequestFactory().get("/")))
    assert "<title>Ann &amp; Bob · Control panel</title>" in html
    assert "<h1>Ann &amp; Bob</h1>" in html
