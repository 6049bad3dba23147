"""The usage pages of an account: what was used against what is included, what it costs, and where it is heading."""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Role, User
from billing.engine import Section
from billing.models import BillingSchedule, Invoice, LicenceMode, MeterRate, TelephonyOption
from billing.packages import set_package
from billing.preview import next_invoice
from billing.subscriptions import Terms, add_subscription
from billing.usage import NewUsage, UsageBook
from tests.billing_pages.conftest import OPENED, TODAY, Event, Story, client_of
from tests.factories import AT, TESTS, staff

PAGE = "/a/acme/usage/"
EARLIER = "?period=2026-01-15"
FIRST = date(2026, 2, 15)
LOCAL, TOLL_FREE = "+12125550100", "+18005550199"

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def used(
    story: Story,
    meter: str,
    days: Iterable[date],
    quantity: int,
    *,
    recorded: date | None = None,
    **more: Any,
) -> None:
    """One record of a meter on each of the days, at noon, recorded at once or on another day."""
    book = UsageBook(TESTS, "tests")
    for on in days:
        at = datetime.combine(on, time(12), tzinfo=story.account.zone)
        name = "-".join(str(part) for part in (meter, on, recorded, *more.values()))
        then = at if recorded is None else datetime.combine(recorded, time(13), tzinfo=story.account.zone)
        book.take([NewUsage(story.account, name, meter, at, quantity, **more)], then)


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


def rows(client: Client, query: str = "") -> dict[str, dict[str, Any]]:
    """The meters' rows of the page by their codes."""
    return {row["code"]: row for row in client.get(f"{PAGE}{query}").context["rows"]}


def _used_on(story: Story, on: date) -> Event:
    return lambda by: used(story, "domestic-local", [on], 600, number=LOCAL)


def subscribed(story: Story, **commitments: int) -> int:
    """A subscription that has begun, by its key; it is named after the sum of its commitments."""
    terms = Terms(
        name=f"Sub {sum(commitments.values())}",
        starts_on=TODAY,
        ends_on=date(2027, 3, 2),
        licence_mode=LicenceMode.CONCURRENT,
        telephony_option=TelephonyOption.VPOP,
        commitments=commitments,
    )
    return add_subscription(story.account, terms, actor=TESTS, at=AT).pk


class TestSummary:
    """INV-7: usage so far in this period against its allowance."""

    def test_a_package_with_what_is_above_it_and_what_that_costs(
        self, story: Story, owner_client: Client
    ) -> None:
        """USE-4: 600 minutes of 500, at the overage of the package."""
        story.on(OPENED, lambda by: set_package(story.account, "toll-free-500", **by))
        story.play()
        used(story, "toll-free-inbound", days(FIRST, 10), 3600, number=TOLL_FREE)
        row = rows(owner_client)["toll-free-inbound"]
        assert (row["bar"].text, row["bar"].tone, row["above"], row["cost"]) == (
            "600 of 500 min", "bad", "100 min", Decimal("2.50"),
        )  # fmt: skip
        page = owner_client.get(PAGE).content.decode()
        assert '<progress class="meter-bar meter-bar-bad" value="36000" max="30000"' in page
        assert 'aria-label="Toll-free calls: 600 of 500 min"' in page

    def test_what_it_costs_is_what_the_next_invoice_says(self, story: Story, owner_client: Client) -> None:
        """BIL-10: one engine, so the page and the preview are the same to the cent."""
        story.on(OPENED, lambda by: set_package(story.account, "toll-free-500", **by))
        story.play(TODAY - timedelta(days=9))
        set_package(story.account, "toll-free-1000", actor=TESTS, at=AT - timedelta(days=8))
        used(story, "toll-free-inbound", days(FIRST, 14), 4 * 3600 + 1, number=TOLL_FREE)
        used(story, "domestic-local", days(FIRST, 14), 61, number=LOCAL)
        used(story, "international", days(FIRST, 14), 200, number=LOCAL, peer="+442079460001")
        found = owner_client.get(PAGE).context["found"]
        lines = [line for line in next_invoice(story.account).lines if line.section == Section.USAGE]
        assert [(line.product, line.amount) for line in found.cost.lines] == [
            (line.product, line.amount) for line in lines
        ]
        assert len({line.starts_on for line in lines if line.product == "toll-free-inbound"}) == 2

    def test_an_estimate_says_how_it_is_made(self, story: Story, owner_client: Client) -> None:
        """16 of the 28 days are over, today among them."""
        story.play()
        used(story, "domestic-local", days(FIRST, 16), 600, number=LOCAL)
        row = rows(owner_client)["domestic-local"]
        assert (row["cost"], row["expected"], row["expected_cost"]) == (
            Decimal("1.60"), "280 min", Decimal("2.80"),
        )  # fmt: skip
        page = owner_client.get(PAGE).content.decode()
        assert "average of the 16 days so far, today included" in page
        assert "It is no bill" in page

    def test_commitments_of_subscriptions(self, story: Story, owner_client: Client) -> None:
        """SUB-6: 10 and 15 agents, 26 on one day; the peak stays in the estimate."""
        one, other = subscribed(story, agents=10), subscribed(story, agents=15)
        for subscription, peak in ((one, 11), (other, 15)):
            used(story, "agents", [TODAY], peak, subscription=subscription)
        row = rows(owner_client)["agents"]
        assert (row["bar"].text, row["above"], row["cost"]) == (
            "26 of 25 agents",
            "1 agent",
            Decimal("95.00"),
        )
        assert (row["expected"], row["expected_cost"]) == ("26 agents", Decimal("95.00"))
        assert "how it is worked out, day by day" in owner_client.get(PAGE).content.decode()

    def test_usage_without_a_rate_takes_nothing_from_the_rest(
        self, story: Story, owner_client: Client
    ) -> None:
        MeterRate.objects.filter(meter="ai-agent").delete()
        used(story, "ai-agent", [TODAY], 5)
        used(story, "domestic-local", [TODAY], 60, number=LOCAL)
        found = rows(owner_client)
        assert (found["ai-agent"]["is_unrated"], found["domestic-local"]["cost"]) == (True, Decimal("0.01"))
        assert "Some usage has no rate yet" in owner_client.get(PAGE).content.decode()

    def test_says_what_belongs_there(self, account: Account, owner_client: Client) -> None:
        assert "No usage yet" in owner_client.get(PAGE).content.decode()

    def test_it_follows_what_comes_in(self, story: Story, owner_client: Client) -> None:
        """What is added up is kept until a record comes in."""
        used(story, "domestic-local", [TODAY], 60)
        assert rows(owner_client)["domestic-local"]["used"] == "1 min"
        used(story, "domestic-local", [TODAY], 60, subject="once more")
        assert rows(owner_client)["domestic-local"]["used"] == "2 min"

    def test_the_chart_is_a_table_too(self, story: Story, owner_client: Client) -> None:
        used(story, "domestic-local", [TODAY], 600)
        (chart,) = owner_client.get(PAGE).context["charts"]
        assert (len(chart["days"]), sum(chart["series"][0]["values"])) == (28, 10)
        page = owner_client.get(PAGE).content.decode()
        assert "Minutes by day. The most, 10 min, on Mar 2, 2026." in page
        assert '<td class="num">10</td>' in page


class TestEarlierPeriods:
    def play(self, story: Story) -> None:
        """January's usage was billed on February 15; one record came after it."""
        for on in days(date(2026, 1, 20), 5):
            story.on(on, _used_on(story, on))
        story.on(date(2026, 2, 20), lambda by: used(
            story, "domestic-local", [date(2026, 2, 1)], 1200, number=LOCAL, recorded=date(2026, 2, 20)
        ))  # fmt: skip
        story.play()

    def test_the_invoice_that_billed_it_and_what_came_late(self, story: Story, owner_client: Client) -> None:
        """USE-5: what came late is on the next invoice, and marked."""
        self.play(story)
        answer = owner_client.get(f"{PAGE}{EARLIER}")
        found, invoice = answer.context["found"], Invoice.objects.get(issued_on=FIRST)
        assert answer.context["closing_invoice"] == invoice.number
        assert [(line.number, line.amount) for line in found.billed] == [(invoice.number, Decimal("0.50"))]
        assert [(line.amount, line.rule) for line in found.cost.lines] == [(Decimal("0.20"), "USE-5")]
        assert (found.total, answer.context["late"]) == (Decimal("0.70"), 1)
        assert found.expected is None

    def test_what_came_late_is_what_the_next_invoice_adds(
        self, story: Story, owner: User, owner_client: Client
    ) -> None:
        """BIL-10: and once that is issued, its line stands with the others."""
        self.play(story)
        late = owner_client.get(f"{PAGE}{EARLIER}").context["found"].cost.lines
        assert [line for line in next_invoice(story.account).lines if line.rule == "USE-5"] == list(late)
        with time_machine.travel(datetime(2026, 3, 16, 15, tzinfo=UTC), tick=False):
            story.play(date(2026, 3, 16))
            found = client_of(owner).get(f"{PAGE}{EARLIER}").context["found"]
        assert ([line.amount for line in found.billed], found.cost.lines) == (
            [Decimal("0.50"), Decimal("0.20")],
            (),
        )

    def test_late_records_are_marked(self, story: Story, owner_client: Client) -> None:
        self.play(story)
        shown = owner_client.get(f"{PAGE}records/{EARLIER}").context["rows"]
        assert [row["is_late"] for row in shown] == [True, False, False, False, False, False]
        (by_number,) = owner_client.get(f"{PAGE}by/number/{EARLIER}").context["page"].rows
        assert (by_number.records, by_number.late) == (6, 1)

    def test_periods_go_back_to_the_opening(self, story: Story, owner_client: Client) -> None:
        answer = owner_client.get(PAGE)
        assert [one["url"] for one in answer.context["periods"]] == [
            "?period=2026-02-15", "?period=2026-01-15", "?period=2025-12-15",
        ]  # fmt: skip
        assert (answer.context["earlier"], answer.context["later"]) == (EARLIER, "")

    @pytest.mark.parametrize("asked", ["2026-01-16", "2019-01-15", "nonsense", "2026-13-45", "\0"])
    def test_what_is_no_period_is_the_current_one(
        self, asked: str, story: Story, owner_client: Client
    ) -> None:
        assert owner_client.get(PAGE, {"period": asked}).context["is_current"]


class TestShares:
    @pytest.fixture(autouse=True)
    def _calls(self, story: Story) -> None:
        story.play()
        one = subscribed(story, agents=10)
        used(story, "domestic-local", days(FIRST, 3), 600, number=LOCAL, holder="Ann")
        used(story, "international", [FIRST], 60, number=LOCAL, holder="Bob", peer="+442079460001")
        used(story, "toll-free-inbound", days(FIRST, 2), 60, number=TOLL_FREE)
        used(story, "agents", [TODAY], 4, subscription=one)

    @pytest.mark.parametrize(
        ("by", "expected"),
        [
            ("number", [(LOCAL, 4, "31 min"), (TOLL_FREE, 2, "2 min")]),
            ("holder", [("Ann", 3, "30 min"), ("", 2, "2 min"), ("Bob", 1, "1 min")]),
            ("meter", [
                ("domestic-local", 3, "30 min"), ("toll-free-inbound", 2, "2 min"),
                ("agents", 1, "4 agents"), ("international", 1, "1 min"),
            ]),
            ("subscription", [("", 3, "30 min"), ("Sub 10", 1, "4 agents"), ("", 2, "2 min"), ("", 1, "1 min")]),
            ("day", [
                ("2026-02-15", 1, "10 min"), ("2026-02-15", 1, "1 min"), ("2026-02-15", 1, "1 min"),
                ("2026-02-16", 1, "10 min"), ("2026-02-16", 1, "1 min"), ("2026-02-17", 1, "10 min"),
                ("2026-03-02", 1, "4 agents"),
            ]),
        ],
    )  # fmt: skip
    def test_by(self, by: str, expected: list[tuple[str, int, str]], owner_client: Client) -> None:
        """USE-3, SUB-5: usage is reported per subscription."""
        shown = owner_client.get(f"{PAGE}by/{by}/").context["page"].rows
        found = [(row.key, row.records, row.words) for row in shown]
        assert sorted(found) == sorted(expected)
        assert [row.key for row in shown] == [row.key for row in shown if row.id]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"meter": "international"}, [LOCAL]),
            ({"q": "(800) 555"}, [TOLL_FREE]),
            ({"sort": "-cost"}, [LOCAL, TOLL_FREE]),
            ({"sort": "records"}, [TOLL_FREE, LOCAL]),
            ({"sort": "key"}, [LOCAL, TOLL_FREE]),
            ({"q": "nobody"}, []),
            ({"meter": "nonsense", "sort": "nonsense"}, [LOCAL, TOLL_FREE]),
        ],
    )
    def test_it_is_narrowed_and_sorted(
        self, query: dict[str, str], expected: list[str], owner_client: Client
    ) -> None:
        assert [
            row.key for row in owner_client.get(f"{PAGE}by/number/", query).context["page"].rows
        ] == expected

    @pytest.mark.parametrize(
        ("package_from", "expected"),
        [
            (None, (Decimal("0.06"), "")),
            (date(2026, 2, 16), (Decimal("0.03"), "1 min")),
            (date(2026, 2, 15), (None, "2 min")),
        ],
    )
    def test_a_cost_stands_where_a_record_has_one(
        self,
        package_from: date | None,
        expected: tuple[Decimal | None, str],
        story: Story,
        owner_client: Client,
    ) -> None:
        """USE-4: what a package includes is priced as a whole; without one each call has its own price."""
        if package_from is not None:
            then = datetime.combine(package_from, time(12), tzinfo=story.account.zone)
            set_package(story.account, "toll-free-500", actor=TESTS, at=then)
        for by in ("number", "holder"):
            shown = owner_client.get(f"{PAGE}by/{by}/").context["page"].rows
            found = {row.key: (row.cost, row.pooled) for row in shown}
            assert found[TOLL_FREE if by == "number" else ""] == expected
        by_number = owner_client.get(f"{PAGE}by/number/", {"q": LOCAL}).context["page"].rows
        assert [(row.cost, row.pooled) for row in by_number] == [(Decimal("0.55"), "")]
        by_meter = owner_client.get(f"{PAGE}by/meter/", {"meter": "toll-free-inbound"}).context["page"].rows
        assert [row.cost for row in by_meter] == [expected[0]]

    def test_messages_and_what_names_no_subscription_are_the_primarys(
        self, story: Story, owner_client: Client
    ) -> None:
        """SUB-5, SUB-6: whichever subscription messages came in for; of agents a peak is no sum."""
        other = subscribed(story, agents=15)
        used(story, "connect-messages", [TODAY], 7, subscription=other)
        used(story, "connect-messages", [TODAY], 5)
        used(story, "agents", [TODAY], 6)
        used(story, "agents", [TODAY], 3, subscription=other)
        shown = owner_client.get(f"{PAGE}by/subscription/").context["page"].rows
        assert {(row.key, row.meter, row.words) for row in shown if row.key} == {
            ("Sub 10", "Connect messages", "12 messages"),
            ("Sub 10", "Agents", "6 agents"),
            ("Sub 15", "Agents", "3 agents"),
        }
        assert all("calls" in row.meter for row in shown if not row.key)

    def test_every_row_leads_to_its_records(self, owner_client: Client) -> None:
        for by, count in (("number", [4, 2]), ("day", [1] * 7), ("meter", [3, 2, 1, 1])):
            shown = owner_client.get(f"{PAGE}by/{by}/").context["page"].rows
            totals = [owner_client.get(row.url).context["page"].total for row in shown]
            assert totals == count, by

    def test_the_file_holds_what_is_filtered(self, owner_client: Client) -> None:
        answer = owner_client.get(f"{PAGE}by/number.csv", {"meter": "domestic-local"})
        header, *told = csv.reader(io.StringIO(answer.getvalue().decode()))
        assert [dict(zip(header, row, strict=True)) for row in told] == [
            {
                "period from": "2026-02-15", "period to (excluded)": "2026-03-15", "by": LOCAL,
                "meter": "domestic-local", "name": "Local calls", "records": "3", "used": "30", "unit": "minute",
                "cost at own rates": "0.300000", "currency": "USD", "recorded late": "0",
            }
        ]  # fmt: skip

    def test_what_it_cannot_be_looked_at_by_is_not_there(self, owner_client: Client) -> None:
        for path in ("by/nonsense/", "by/nonsense.csv"):
            assert owner_client.get(f"{PAGE}{path}").status_code == 404


class TestRecords:
    @pytest.fixture(autouse=True)
    def _calls(self, story: Story) -> None:
        story.play()
        used(story, "domestic-local", days(FIRST, 3), 61, number=LOCAL, peer="+12125550111", holder="Ann")
        used(story, "toll-free-inbound", [FIRST], 3725, number=TOLL_FREE, peer="+13035550111", holder="Desk")
        used(story, "connect-messages", [FIRST], 7)

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({}, 5),
            ({"meter": "domestic-local"}, 3),
            ({"number": "(800) 555-0199"}, 1),
            ({"number": TOLL_FREE}, 1),
            ({"q": "(303) 555-0111"}, 1),
            ({"q": "ann"}, 3),
            ({"first": "2026-02-16"}, 2),
            ({"first": "2026-02-16", "last": "2026-02-16"}, 1),
            ({"last": "2026-02-15", "meter": "domestic-local"}, 1),
            ({"first": "2025-01-01", "last": "2030-01-01"}, 5),
            ({"first": "nonsense", "meter": "nonsense"}, 5),
        ],
    )
    def test_they_are_narrowed(self, query: dict[str, str], count: int, owner_client: Client) -> None:
        assert owner_client.get(f"{PAGE}records/", query).context["page"].total == count

    def test_each_says_its_rate_and_its_own_cost(self, story: Story, owner_client: Client) -> None:
        """USE-3: two minutes are billed of 61 seconds. USE-4: without a package each toll-free call costs something."""
        shown = owner_client.get(f"{PAGE}records/", {"last": "2026-02-15", "sort": "used"}).context["rows"]
        assert [(row["length"], row["billed"], row["cost"]) for row in shown] == [
            ("7 messages", "", None),
            ("1:01", "2 min", Decimal("0.02")),
            ("1:02:05", "63 min", Decimal("1.89")),
        ]
        set_package(story.account, "toll-free-500", actor=TESTS, at=AT)
        used(story, "toll-free-inbound", [TODAY], 60, number=TOLL_FREE)
        (first, *_) = owner_client.get(f"{PAGE}records/").context["rows"]
        assert (first["rate"], first["cost"]) == (Decimal("0.03"), None)
        assert "In a pool" in owner_client.get(f"{PAGE}records/").content.decode()

    def test_the_file_holds_all_of_them(self, owner_client: Client) -> None:
        answer = owner_client.get(f"{PAGE}records.csv", {"number": TOLL_FREE})
        header, *told = csv.reader(io.StringIO(answer.getvalue().decode()))
        (row,) = [dict(zip(header, each, strict=True)) for each in told]
        asked = (
            "meter",
            "at",
            "number",
            "user or service",
            "quantity",
            "billed",
            "unit",
            "rate",
            "cost",
            "late",
        )
        assert [row[name] for name in asked] == [
            "toll-free-inbound", "2026-02-15T12:00:00-05:00", TOLL_FREE, "Desk", "3725", "63", "minute", "0.03",
            "1.89", "",
        ]  # fmt: skip

    def test_pages_turn_by_key(self, story: Story, owner_client: Client, opens_cheaply: OpensCheaply) -> None:
        for number in range(60):
            used(story, "domestic-local", [FIRST, TODAY], 60, subject=str(number))
        opens_cheaply(owner_client, f"{PAGE}records/")
        seen: list[int] = []
        query: dict[str, str] = {}
        while True:
            page = owner_client.get(f"{PAGE}records/", query).context["page"]
            seen += [row.pk for row in page.rows]
            if page.next is None:
                break
            query["after"] = page.next
        assert len(seen) == len(set(seen)) == 125


class TestElsewhere:
    def test_the_home_page_and_the_billing_overview_say_it_in_brief(
        self, story: Story, owner_client: Client
    ) -> None:
        """INV-7."""
        story.on(OPENED, lambda by: set_package(story.account, "toll-free-500", **by))
        story.play()
        used(story, "toll-free-inbound", days(FIRST, 10), 3600, number=TOLL_FREE)
        used(story, "domestic-local", [TODAY], 600, number=LOCAL)
        home = owner_client.get("/a/acme/")
        assert [(bar.label, bar.text) for bar in home.context["usage_bars"]] == [
            ("Toll-free calls", "600 of 500 min")
        ]
        for page in (home, owner_client.get("/a/acme/billing/")):
            assert page.context["ahead"].usage_amount == Decimal("2.60")
            assert PAGE in page.content.decode()

    def test_what_came_late_of_an_earlier_period_is_not_in_it(
        self, story: Story, owner_client: Client
    ) -> None:
        story.play()
        used(story, "domestic-local", [date(2026, 1, 20)], 600, number=LOCAL, recorded=TODAY)
        ahead = owner_client.get("/a/acme/").context["ahead"]
        assert (ahead.usage, ahead.usage_amount, ahead.total) == ((), 0, Decimal("0.10"))


class TestBudget:
    @pytest.mark.parametrize(
        "path", ["", "by/number/", "by/holder/", "by/day/", "by/subscription/", "records/"]
    )
    def test_queries_of_a_page_with_everything(
        self, path: str, story: Story, owner_client: Client, opens_cheaply: OpensCheaply
    ) -> None:
        """First added up or kept, this period or one before, for members and for staff."""
        story.on(OPENED, lambda by: set_package(story.account, "toll-free-500", **by))
        story.on(
            date(2026, 1, 20), lambda by: used(story, "toll-free-inbound", [date(2026, 1, 20)], 36_000_0)
        )
        story.play()
        used(story, "agents", [TODAY], 11, subscription=subscribed(story, agents=10))
        used(story, "domestic-local", [date(2026, 1, 21)], 60, number=LOCAL, recorded=TODAY)
        support = client_of(staff("Support"))
        for client in (owner_client, support):
            for query in ("", EARLIER):
                BillingSchedule.objects.update(stamp=uuid4())
                opens_cheaply(client, f"{PAGE}{path}{query}")
                opens_cheaply(client, f"{PAGE}{path}{query}")


class TestWhoSeesWhat:
    def test_the_billing_role_reads_it(self, story: Story, role_client: Callable[[Role], Client]) -> None:
        """ACC-1: usage is what will be billed."""
        client = role_client(Role.BILLING)
        assert client.get(PAGE).status_code == 200
        assert PAGE in client.get("/a/acme/billing/").content.decode()

    def test_another_account_has_its_own(self, story: Story, other: Account, owner_client: Client) -> None:
        """ACC-4."""
        used(
            replace(story, account=other), "domestic-local", [TODAY], 60, number="+12125550177", holder="Zoe"
        )
        for path in ("", "by/number/", "by/holder/", "by/day/", "records/", "records.csv"):
            answer = owner_client.get(f"{PAGE}{path}")
            content = answer.getvalue()
            assert b"Zoe" not in content
            assert b"0177" not in content
            assert owner_client.get(f"/a/elsewhere/usage/{path}").status_code == 404
