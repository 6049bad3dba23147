"""The help: it states every rule that is cited, its links lead somewhere, and its sums are right."""

from __future__ import annotations

import io
import json
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db.models import Max, Min
from django.template import Context, Template
from django.urls import reverse

from accounts.models import User
from billing import engine
from billing.models import PackageTerms, Product
from billing.stories import EVENTS
from controlpanel.help import RULE_NUMBER, RULES, TOPICS, Topic, rule_title, rule_url
from controlpanel.templatetags.ui import phone
from telephony import contact_center
from telephony.numbering import read_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

ROOT = Path(settings.BASE_DIR)
CITING_FOLDERS = ("controlpanel", "accounts", "billing", "telephony", "hardware", "templates", "tests")
CITING_ENDINGS = {".py", ".html", ".txt", ".toml", ".js", ".css"}
STORY = ROOT / "templates/help/stories/harbor-dental.toml"
BILLING_PAGE = ROOT / "templates/help/topics/billing.html"

topics = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.slug)


def citations(text: str) -> set[str]:
    """The rule numbers in a text."""
    return set(RULE_NUMBER.findall(text))


def citing_files() -> Iterator[Path]:
    yield ROOT / "README.md"
    for folder in CITING_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in CITING_ENDINGS and path.is_file():
                yield path


@dataclass
class Example:
    """A worked example of a help page, as a reader sees it."""

    caption: str
    bdom: int
    lines: list[dict[str, str]] = field(default_factory=list)
    total: str = ""


class Page(HTMLParser):
    """What the tests need to know of a page: ids, links, sections, examples, table rows, text by id."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "hr", "path", "circle", "rect", "line"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sections: list[str] = []
        self.examples: list[Example] = []
        self.rows: list[tuple[dict[str, str], list[str]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "section":
            self.sections.append(found.get("id", ""))
        elif tag == "a":
            self.links.append(found["href"])
        elif tag == "tr":
            self.rows.append((found, []))
        elif tag in {"td", "th"}:
            self.rows[-1][1].append("")
        if tag not in self.VOID:
            self._open.append((tag, found))
        self._read_example(tag, found)

    def _read_example(self, tag: str, found: dict[str, str]) -> None:
        classes = found.get("class", "").split()
        if "help-example-table" in classes:
            self.examples.append(Example("", int(found["data-bdom"])))
        elif "help-example-line" in classes:
            self.examples[-1].lines.append({**found, "text": ""})
        elif "help-total" in classes:
            self.examples[-1].total = found["value"]
        elif self._inside("help-example-line"):
            line = self.examples[-1].lines[-1]
            if tag == "time":
                line["end" if "start" in line else "start"] = found["datetime"]
            elif tag == "data":
                line["amount"] = found["value"]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, attributes in self._open:
            if "id" in attributes:
                self.texts[attributes["id"]] = self.texts.get(attributes["id"], "") + data
        if self._open and self._open[-1][0] == "caption" and self._inside("help-example-table"):
            self.examples[-1].caption += data
        if any(tag in {"td", "th"} for tag, _ in self._open):
            self.rows[-1][1][-1] += data
        if self._inside("help-example-line"):
            self.examples[-1].lines[-1]["text"] += data

    def _inside(self, name: str) -> bool:
        return any(name in attributes.get("class", "").split() for _, attributes in self._open)


def read(client: Client, topic: Topic) -> Page:
    """The page as somebody sees it who is not signed in. Most tests have no database: help needs none."""
    response = client.get(topic.url)
    assert response.status_code == 200
    return Page(response.content.decode())


# What is cited is stated


def test_help_states_every_rule_that_is_cited() -> None:
    """Code, templates, tests and the README name no rule that a reader cannot look up."""
    unknown = {
        f"{path.relative_to(ROOT)}: {rule}"
        for path in citing_files()
        if path.exists()
        for rule in citations(path.read_text(encoding="utf-8")) - RULES.keys()
    }
    assert not unknown


def test_citations_are_found_in_any_text() -> None:
    missing = "BIL" + "-99"
    assert citations(f'Refused("No.", rule="NUM-8")  # ({missing}), not XBIL-1') == {"NUM-8", missing}


def test_a_rule_is_stated_once() -> None:
    stated = [rule.anchor for topic in TOPICS for rule in topic.rules]
    assert len(stated) == len(set(stated)) == len(RULES)


# The pages


@topics
def test_topic_states_the_sections_it_declares(client: Client, topic: Topic) -> None:
    page = read(client, topic)
    declared = [section.anchor for section in topic.sections]
    assert [anchor for anchor in page.sections if anchor in declared] == declared
    assert set(RULE_NUMBER.findall(" ".join(page.ids))) == {rule.anchor for rule in topic.rules}
    assert len(page.ids) == len(set(page.ids))
    for section in topic.sections:
        assert section.title in page.texts[section.anchor]
        assert len(page.texts[section.anchor].split()) > 12, f"{section.anchor} says next to nothing"


def test_links_within_the_help_lead_somewhere(client: Client) -> None:
    pages = {topic.url: read(client, topic) for topic in TOPICS}
    index = reverse("help:index")
    front = Page(client.get(index).content.decode())
    for url, page in [*pages.items(), (index, front)]:
        for link in page.links:
            address, _, anchor = link.partition("#")
            if address.startswith(index) and address != index:
                assert address in pages, f"{url} links to {link}"
                assert not anchor or anchor in pages[address].ids, f"{url} links to {link}"
            elif not address and anchor:
                assert anchor in page.ids, f"{url} links to {link}"


def test_index_lists_every_topic_and_every_rule(client: Client) -> None:
    response = client.get(reverse("help:index"))
    assert response.status_code == 200
    links = Page(response.content.decode()).links
    assert {topic.url for topic in TOPICS} <= set(links)
    assert {rule_url(rule) for rule in RULES} <= set(links)


def test_unknown_topic_is_not_found(client: Client) -> None:
    assert client.get("/help/no-such-page/").status_code == 404


@pytest.mark.django_db
def test_help_is_in_the_frame_for_somebody_signed_in(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(User.objects.create_user("ann@example.com", full_name="Ann"))
    with django_assert_max_num_queries(12):
        response = client.get(rule_url("BIL-4"))
    assert response.status_code == 200
    assert "layouts/page.html" in [template.name for template in response.templates]


# Links to a rule


def test_rule_url_is_the_page_and_the_anchor() -> None:
    assert rule_url("BIL-4") == "/help/billing/#BIL-4"
    assert rule_title("BIL-4") == "Partial months"


def test_unknown_rule_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        rule_url("BIL" + "-99")
    with pytest.raises(KeyError):
        rule_title("")


def render_link(rule: str | None) -> str:
    return Template("{% load ui %}{% rule number %}").render(Context({"number": rule}))


def test_rule_link_has_the_title_of_the_rule() -> None:
    expected = '<a class="rule" href="/help/numbers/#NUM-8" title="Numbers and UC licences">NUM-8</a>'
    assert render_link("NUM-8") == expected


def test_rule_link_to_an_unknown_rule_is_text() -> None:
    """A page does not fail over a number that help does not state."""
    missing = "BIL" + "-99"
    assert render_link(missing) == f'<span class="rule">{missing}</span>'
    assert render_link("<b>") == "&lt;b&gt;"
    assert render_link("") == render_link(None) == ""


# The examples


@topics
def test_examples_are_right_to_the_cent(client: Client, topic: Topic) -> None:
    """BIL-4: each line by hand (rounded half up) and by the product's own engine, and their total."""
    for example in read(client, topic).examples:
        assert example.lines
        total = Decimal(0)
        for line in example.lines:
            where = f"{example.caption}: {line['text'].split()}"
            start, end = date.fromisoformat(line["start"]), date.fromisoformat(line["end"])
            days, of_days = int(line["data-days"]), int(line["data-of-days"])
            price, quantity = Decimal(line["data-price"]), int(line["data-quantity"])
            period = engine.period_containing(example.bdom, start)
            assert (days, of_days) == ((end - start).days, period.days), where
            assert end <= period.end, where
            exact = price * quantity * days / of_days
            by_hand = exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
            assert by_hand == engine.prorate(price, quantity, days, of_days, 2), where
            amount = Decimal(line["amount"])
            assert abs(amount) == by_hand, where
            assert (amount < 0) == ("credit" in line["text"]), where
            total += amount
        assert total == Decimal(example.total), example.caption


def test_there_are_examples_to_check(client: Client) -> None:
    assert sum(len(read(client, topic).examples) for topic in TOPICS) >= 10


def test_invoice_dates_of_short_months(client: Client) -> None:
    """BIL-1: the table of dates is what the engine's calendar says."""
    page = Page(client.get("/help/billing/").content.decode())
    months = [(2026, 1), (2026, 2), (2026, 3), (2028, 2)]
    tables = [(int(row["data-bdom"]), cells) for row, cells in page.rows if "data-bdom" in row]
    assert [bdom for bdom, _ in tables] == [28, 29, 30, 31]
    for bdom, cells in tables:
        dates = [engine.bdom_of(bdom, year, month) for year, month in months]
        assert cells == [str(bdom), *(f"{day:%b} {day.day}" for day in dates)]


def test_free_days_are_counted_right() -> None:
    """BIL-3: the dates in the text, counted from the day a licence is bought or a number parked."""
    text = " ".join(BILLING_PAGE.read_text().split())
    for bought, free_days, last_free, first_billed in [
        (date(2026, 3, 3), 7, "free from March 3 to March 9", "begins on March 10"),
        (date(2026, 3, 10), 30, "free until April 8", "billed from April 9"),
        (date(2026, 4, 20), 30, "run to May 19", "begins again on May 20"),
    ]:
        begins = date.fromordinal(bought.toordinal() + free_days)
        last = date.fromordinal(begins.toordinal() - 1)
        assert last_free.endswith(f"{last:%B} {last.day}")
        assert first_billed.endswith(f"{begins:%B} {begins.day}")
        assert last_free in text
        assert first_billed in text


def test_midnights_are_converted_right() -> None:
    """BIL-7: the two midnights of the example, in UTC."""
    text = " ".join(BILLING_PAGE.read_text().split())
    for zone, said in [
        ("Pacific/Auckland", "11:00 UTC on March 14 in Auckland"),
        ("Pacific/Honolulu", "10:00 UTC on March 15 in Honolulu"),
    ]:
        midnight = datetime(2026, 3, 15, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        assert said.startswith(f"{midnight:%H:%M} UTC on {midnight:%B} {midnight.day}")
        assert said in text


@pytest.mark.django_db
def test_the_simulator_plays_the_example_as_printed(client: Client) -> None:
    """SIM-1: the story gives the invoices, the refusal and the look ahead that the page prints."""
    shown = Page(client.get("/help/simulator/").content.decode())
    printed = io.StringIO()
    call_command("simulate", str(STORY), "--format", "json", stdout=printed)
    played = json.loads(printed.getvalue())

    assert [invoice["total"] for invoice in played["invoices"]] == [
        example.total for example in shown.examples
    ]
    for invoice, example in zip(played["invoices"], shown.examples, strict=True):
        issued = date.fromisoformat(invoice["date"])
        assert f"{issued:%B} {issued.day}, {issued.year}" in example.caption
        assert [
            (line["from"], line["to"], str(line["quantity"]), line["unit_price"], line["amount"])
            for line in invoice["lines"]
        ] == [
            (line["start"], line["end"], line["data-quantity"], line["data-price"], line["amount"])
            for line in example.lines
        ]
    assert [(refusal["event"], refusal["do"]) for refusal in played["refused"]] == [(6, "assign_number")]
    assert "the invoice of June 30 comes to 87.45" in " ".join(shown.texts["story-example"].split())
    assert (played["next_invoice"]["date"], played["next_invoice"]["total"]) == ("2026-06-30", "87.45")
    assert json.loads(shown.texts["story-json-line"]) in played["invoices"][0]["lines"]


def test_the_story_is_shown_as_it_is_played(client: Client) -> None:
    shown = Page(client.get("/help/simulator/").content.decode())
    assert tomllib.loads(STORY.read_text())["account"]["name"] == "Harbor Dental"
    assert STORY.read_text().strip() in shown.texts["story-example"]


# What the text says of the panel, asked of the panel


@pytest.mark.django_db
def test_billing_delays_are_those_of_the_catalogue(client: Client) -> None:
    """BIL-3: the delay that the table names for a product is the one it is sold with."""
    page = Page(client.get("/help/billing/").content.decode())
    stated = {
        code: (row["data-delay"], int(row["data-days"]))
        for row, _ in page.rows
        if "data-products" in row
        for code in row["data-products"].split()
    }
    sold = Product.objects.filter(code__in=stated).values_list("code", "delay", "delay_days")
    assert stated == {code: (delay, days) for code, delay, days in sold}


def test_numbers_are_read_and_shown_as_the_table_says(client: Client) -> None:
    """NUM-1: what is typed, what is kept of it, and what is shown."""
    page = Page(client.get("/help/numbers/").content.decode())
    rows = [(row, cells) for row, cells in page.rows if "data-typed" in row]
    assert len(rows) == 3
    for row, (typed, kept, shown) in rows:
        assert (typed, kept) == (row["data-typed"], row["data-kept"])
        assert read_number(typed).e164 == kept
        assert phone(kept) == shown


Event = dict[str, str | int]
Lines = list[tuple[str, str, str]]  # from, to, amount


def event(on: str, do: str, **more: str | int) -> Event:
    return {"on": on, "do": do, **more}


def play(tmp_path: Path, *, bdom: int, until: str, prices: dict[str, str], events: list[Event]) -> list[Any]:
    """The invoices of a story, through the panel's own actions and runs."""
    story = {
        "until": until,
        "account": {"name": "Example", "opened": events[0]["on"], "bdom": bdom},
        "prices": prices,
        "events": events,
    }
    file = tmp_path / "story.json"
    file.write_text(json.dumps(story))
    printed = io.StringIO()
    call_command("simulate", str(file), "--format", "json", stdout=printed)
    played = json.loads(printed.getvalue())
    assert played["refused"] == []
    invoices: list[Any] = played["invoices"]
    return invoices


def lines_of(invoices: list[Any], on: str, product: str) -> Lines:
    """The lines of a product on the invoice of a day."""
    return sorted(
        (line["from"], line["to"], line["amount"])
        for invoice in invoices
        if invoice["date"] == on
        for line in invoice["lines"]
        if line["product"] == product
    )


NUMBER, SECOND_NUMBER = "+12125550142", "+12125550143"
FIVE_LICENCES = event("2026-01-10", "add_licences", product="uc-licence", quantity=5)
LICENCES = {"bdom": 15, "prices": {"uc-licence": "29.99"}}

# (page, place of the example on it, invoice, product, story)
EXAMPLES = [
    (
        "billing",
        0,
        "2026-02-28",
        "uc-licence",
        {
            "bdom": 31,
            "prices": {"uc-licence": "24.50"},
            "events": [event("2026-01-27", "add_licences", product="uc-licence", quantity=3)],
        },
    ),
    (
        "billing",
        1,
        "2026-04-15",
        "uc-licence",
        {
            **LICENCES,
            "events": [
                FIVE_LICENCES,
                event("2026-04-05", "remove_licences", product="uc-licence", quantity=2),
            ],
        },
    ),
    (
        "billing",
        2,
        "2026-04-15",
        "resource-line",
        {
            "bdom": 15,
            "prices": {"resource-line": "12.00"},
            "events": [
                event("2026-03-20", "add_service", service="Lobby", kind="resource-line"),
                event("2026-04-02", "remove_service", service="Lobby"),
            ],
        },
    ),
    ("licences", 0, "2026-02-15", "uc-licence", {**LICENCES, "events": [FIVE_LICENCES]}),
]
DANAS_NUMBERS = {
    "bdom": 15,
    "prices": {"number-local": "4.00"},
    "events": [
        event("2026-03-20", "add_licences", product="uc-licence", quantity=1),
        event("2026-03-20", "add_user", user="Dana"),
        event("2026-03-20", "assign_licence", user="Dana", product="uc-licence"),
        event("2026-03-20", "buy_number", number=NUMBER),
        event("2026-03-20", "assign_number", number=NUMBER, to="Dana"),
        event("2026-03-25", "buy_number", number=SECOND_NUMBER),
        event("2026-03-25", "assign_number", number=SECOND_NUMBER, to="Dana"),
        event("2026-04-28", "release_number", number=NUMBER),
    ],
}
ATTENDANTS = {
    "bdom": 31,
    "prices": {"auto-attendant": "9.95"},
    "events": [
        event("2026-03-10", "add_service", service="Front desk", kind="auto-attendant"),
        event("2026-03-20", "add_service", service="After hours", kind="auto-attendant"),
        event("2026-05-08", "remove_service", service="Front desk"),
    ],
}
EXAMPLES += [
    ("numbers", 0, "2026-04-15", "number-local", DANAS_NUMBERS),
    ("numbers", 1, "2026-05-15", "number-local", DANAS_NUMBERS),
    ("numbers", 2, "2026-05-31", "auto-attendant", ATTENDANTS),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("page", "place", "on", "product", "story"), EXAMPLES)
def test_the_panel_bills_what_the_example_shows(
    client: Client, tmp_path: Path, page: str, place: int, on: str, product: str, story: dict[str, Any]
) -> None:
    """BIL-4, BIL-5, NUM-3, NUM-5: the example's story, played, gives the example's lines."""
    example = Page(client.get(f"/help/{page}/").content.decode()).examples[place]
    billed = lines_of(play(tmp_path, until=on, **story), on, product)
    assert billed == sorted((line["start"], line["end"], line["amount"]) for line in example.lines)


@pytest.mark.django_db
def test_a_parked_number_is_free_for_thirty_days_each_time(tmp_path: Path) -> None:
    """BIL-3: billed from March 25 while assigned, free from April 20, billed again from May 20."""
    invoices = play(
        tmp_path,
        bdom=15,
        until="2026-06-15",
        prices={"number-local": "4.00"},
        events=[
            event("2026-03-10", "buy_number", number=NUMBER),
            event("2026-03-10", "add_service", service="Sales", kind="hunt-group"),
            event("2026-03-25", "assign_number", number=NUMBER, to="Sales"),
            event("2026-04-20", "park_number", number=NUMBER),
        ],
    )
    assert [line[:2] for line in lines_of(invoices, "2026-04-15", "number-local")] == [
        ("2026-03-25", "2026-04-15"),
        ("2026-04-15", "2026-05-15"),
    ]
    assert lines_of(invoices, "2026-05-15", "number-local") == [("2026-04-20", "2026-05-15", "-3.33")]
    assert [line[:2] for line in lines_of(invoices, "2026-06-15", "number-local")] == [
        ("2026-05-20", "2026-06-15"),
        ("2026-06-15", "2026-07-15"),
    ]


@pytest.mark.django_db
def test_a_parked_number_that_is_assigned_goes_on_being_billed(tmp_path: Path) -> None:
    """NUM-7: neither a credit nor a new partial month."""
    invoices = play(
        tmp_path,
        bdom=15,
        until="2026-05-15",
        prices={"number-local": "4.00"},
        events=[
            event("2026-03-10", "buy_number", number=NUMBER),
            event("2026-03-10", "add_service", service="Sales", kind="hunt-group"),
            event("2026-04-20", "assign_number", number=NUMBER, to="Sales"),
        ],
    )
    assert [line[:2] for line in lines_of(invoices, "2026-04-15", "number-local")] == [
        ("2026-04-09", "2026-04-15"),
        ("2026-04-15", "2026-05-15"),
    ]
    assert lines_of(invoices, "2026-05-15", "number-local") == [("2026-05-15", "2026-06-15", "4.00")]


@pytest.mark.django_db
def test_the_newest_licences_go_first(tmp_path: Path) -> None:
    """LIC-1: of three licences in their free days two are given back, and the third is billed."""
    invoices = play(
        tmp_path,
        bdom=15,
        until="2026-03-15",
        prices={"uc-licence": "29.99"},
        events=[
            FIVE_LICENCES,
            event("2026-03-03", "add_licences", product="uc-licence", quantity=3),
            event("2026-03-06", "remove_licences", product="uc-licence", quantity=2),
        ],
    )
    assert lines_of(invoices, "2026-03-15", "uc-licence") == [
        ("2026-03-10", "2026-03-15", "5.36"),
        ("2026-03-15", "2026-04-15", "179.94"),
    ]


@pytest.mark.django_db
def test_what_an_outage_missed_is_made_up(tmp_path: Path) -> None:
    """BIL-8: three invoices with their own dates, and the credit on the one that it belongs on."""
    invoices = play(
        tmp_path,
        bdom=15,
        until="2026-05-20",
        prices={"uc-licence": "30.00"},
        events=[
            event("2026-02-20", "add_licences", product="uc-licence", quantity=2),
            event("2026-03-10", "outage", until="2026-05-20"),
            event("2026-04-20", "remove_licences", product="uc-licence", quantity=1),
        ],
    )
    assert [invoice["date"] for invoice in invoices] == ["2026-03-15", "2026-04-15", "2026-05-15"]
    assert lines_of(invoices, "2026-04-15", "uc-licence") == [("2026-04-15", "2026-05-15", "60.00")]
    assert lines_of(invoices, "2026-05-15", "uc-licence") == [
        ("2026-04-20", "2026-05-15", "-25.00"),
        ("2026-05-15", "2026-06-15", "30.00"),
    ]


CONTACT_CENTER: dict[str, Any] = {
    "bdom": 15,
    "prices": {"cc-pro-licence": "79.00", "cc-channel-chat": "15.00", "cc-activation-fee": "50.00"},
    "events": [
        event("2026-01-20", "install_contact_center", edition="pro"),
        event("2026-01-20", "add_licences", product="cc-pro-licence", quantity=2),
        event("2026-01-20", "add_item", product="cc-channel-chat", quantity=1),
        event("2026-03-27", "activate_contact_center"),
    ],
}
PACKAGES: dict[str, Any] = {
    "bdom": 15,
    "prices": {"toll-free-500": "12.00", "toll-free-1000": "22.00"},
    "events": [
        event("2026-03-10", "set_toll_free_package", package="toll-free-500"),
        event("2026-05-01", "set_toll_free_package", package="toll-free-1000"),
    ],
}


def all_recurring(invoice: Any) -> Lines:
    """The lines of an invoice but its one-time charges."""
    return sorted(
        (line["from"], line["to"], line["amount"])
        for line in invoice["lines"]
        if line["section"] != "one-time"
    )


@pytest.mark.django_db
def test_a_contact_center_is_billed_as_its_page_shows(client: Client, tmp_path: Path) -> None:
    """ONB-6, ONB-10: nothing before activation; then the example's lines, the fees, and the months that follow."""
    page = Page(client.get("/help/contact-center/").content.decode())
    said = " ".join(page.texts["ONB-10"].split())
    invoices = play(tmp_path, until="2026-05-15", **CONTACT_CENTER)
    assert [invoice["date"] for invoice in invoices] == ["2026-04-15", "2026-05-15"]
    shown = sorted((line["start"], line["end"], line["amount"]) for line in page.examples[0].lines)
    assert all_recurring(invoices[0]) == shown
    [fee] = [line for line in invoices[0]["lines"] if line["section"] == "one-time"]
    assert (fee["product"], fee["quantity"], fee["amount"]) == ("cc-activation-fee", 2, "100.00")
    assert invoices[0]["total"] == "379.03"
    assert invoices[1]["total"] == "173.00"
    for words in ("2 activation fees, 100.00", "comes to 379.03", "173.00 a month"):
        assert words in said


@pytest.mark.django_db
def test_a_change_of_package_is_billed_as_its_page_shows(client: Client, tmp_path: Path) -> None:
    """USE-4: the price of both parts, prorated by days."""
    example = Page(client.get("/help/usage/").content.decode()).examples[0]
    [*_, invoice] = play(tmp_path, until="2026-05-15", **PACKAGES)
    assert all_recurring(invoice) == sorted(
        (line["start"], line["end"], line["amount"]) for line in example.lines
    )


def test_automatic_activation_is_counted_right(client: Client) -> None:
    """ONB-9: the day in the text, counted from the day of installation."""
    said = " ".join(Page(client.get("/help/contact-center/").content.decode()).texts["ONB-9"].split())
    due = date(2026, 1, 20) + timedelta(days=60)
    assert "example 60. Contact Center then goes live" in said
    assert f"installed on January 20, it is activated on {due:%B} {due.day}" in said


@pytest.mark.django_db
def test_contact_center_limits_are_those_that_the_page_states(client: Client) -> None:
    """ONB-3, ONB-5, ONB-9: the figures in the text are the product's."""
    texts = Page(client.get("/help/contact-center/").content.decode()).texts
    assert f"at most {contact_center.MOST_LICENCES} concurrent-user licences in all" in texts["ONB-3"]
    minutes = PackageTerms.objects.aggregate(least=Min("minutes"), most=Max("minutes"))
    assert f"from {minutes['least']:,} to {minutes['most']:,} minutes" in texts["ONB-5"]


@pytest.mark.django_db
def test_the_simulator_page_names_every_event(client: Client) -> None:
    """SIM-1: what a story can hold is what the page lists."""
    said = Page(client.get("/help/simulator/").content.decode()).texts["story-events"]
    for do in EVENTS:
        assert do in said, do
