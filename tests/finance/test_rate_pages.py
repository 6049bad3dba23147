"""Finance's pages of rates and of the rate deck (USE-2, USE-3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import AuditEntry
from billing.models import MeterRate, PrefixRate, UsageRecord
from billing.usage import record_usage
from tests.factories import AT, TESTS, AccountFactory, BrandFactory, staff
from tests.finance.conftest import client_of

HEADER = "prefix,destination,per_unit,currency,effective_on,ends_on,brand\n"
UK = "+44,United Kingdom,0.019,USD,2026-03-05,,\n"
PAST = "+49,Germany,0.021,USD,2026-02-01,,\n"


@pytest.fixture(autouse=True)
def _now(db: None) -> Iterator[None]:
    with time_machine.travel(datetime(2026, 3, 2, 15, tzinfo=UTC), tick=False):
        yield


def text(response: HttpResponseBase) -> str:
    streamed: Any = response
    if streamed.streaming:
        return b"".join(streamed.streaming_content).decode()
    return bytes(streamed.content).decode()


def send(client: Client, *rows: str, name: str = "deck.csv") -> str:
    """Choose a file; the address of what would become of its rows."""
    file = SimpleUploadedFile(name, (HEADER + "".join(rows)).encode())
    response = client.post("/finance/rate-deck/import/", {"file": file})
    assert response.status_code == 302
    return str(response.headers["Location"])


class TestRates:
    """Meters, and their rates by date."""

    def test_the_list_shows_what_is_in_force(
        self, finance: Client, opens_cheaply: Callable[[Client, str], HttpResponseBase]
    ) -> None:
        page = text(opens_cheaply(finance, "/finance/rates/?currency=EUR"))
        assert "Connect messages" in page
        assert "€0.008" in page
        assert "A meter without a rate" not in page

    def test_a_meter_without_a_rate_is_pointed_out(self, finance: Client) -> None:
        MeterRate.objects.filter(meter="agents", per_unit_currency="USD").delete()
        page = text(finance.get("/finance/rates/"))
        assert "A meter without a rate" in page
        assert "No rate" in page

    def test_a_brands_own_rate_is_told_apart(self, finance: Client) -> None:
        BrandFactory(slug="globe", name="Globe Telecom")
        response = finance.post(
            "/finance/rates/agents/new/",
            {"per_unit": "80", "currency": "USD", "brand": "globe", "effective_on": "2026-03-02"},
        )
        assert response.headers["Location"] == "/finance/rates/agents/?currency=USD&brand=globe"
        page = text(finance.get("/finance/rates/agents/?brand=globe"))
        assert "$80.00" in page
        assert "The brand has its own" in page
        assert "$80.00" not in text(finance.get("/finance/rates/agents/"))

    def test_every_rate_is_in_the_file(self, finance: Client) -> None:
        rows = text(finance.get("/finance/rates.csv")).splitlines()
        assert len(rows) == 1 + MeterRate.objects.count()
        assert "domestic-local,Local calls,minute,0.01,USD,60,60,2020-01-01,,4710" in rows

    def test_there_is_no_page_of_a_meter_that_there_is_not(self, finance: Client) -> None:
        assert finance.get("/finance/rates/nothing/").status_code == 404

    def test_what_a_rule_refuses_stands_by_its_field_and_keeps_what_was_typed(self, finance: Client) -> None:
        page = text(
            finance.post(
                "/finance/rates/agents/new/",
                {"per_unit": "80", "currency": "USD", "effective_on": "2020-01-01"},
            )
        )
        assert "Rates are never overwritten" in page
        assert 'value="80"' in page

    @pytest.mark.parametrize(
        ("typed", "message"),
        [
            ({"per_unit": "x"}, "Enter an amount"),
            ({"per_unit": "-1"}, "zero or more"),
            ({"effective_on": "soon"}, "Enter a date"),
            ({"increment_seconds": "0"}, "greater than or equal to 1"),
        ],
    )
    def test_what_cannot_be_is_refused(self, finance: Client, typed: dict[str, str], message: str) -> None:
        asked = {
            "per_unit": "0.02",
            "currency": "USD",
            "effective_on": "2026-03-02",
            "minimum_seconds": "30",
            "increment_seconds": "6",
        }
        page = text(finance.post("/finance/rates/domestic-local/new/", asked | typed))
        assert message in page
        assert MeterRate.objects.filter(effective_on=date(2026, 3, 2)).count() == 0


class TestAnew:
    """A rate whose day is over, and the records that came in before it."""

    def test_it_is_offered_with_how_many_and_done(self, finance: Client) -> None:
        account = AccountFactory()
        record_usage(account, "m1", "connect-messages", 5, occurred_at=AT, actor=TESTS, at=AT)
        response = finance.post(
            "/finance/rates/connect-messages/new/",
            {"per_unit": "0.02", "currency": "USD", "effective_on": "2026-02-01"},
        )
        offered = str(response.headers["Location"])
        assert offered == "/finance/rates/connect-messages/anew/?first=2026-02-01&currency=USD"
        page = text(finance.get(offered))
        assert "1 record</strong> of 1 account" in page
        assert UsageRecord.objects.get().unit_price == Decimal("0.009")
        done = finance.post(
            "/finance/rates/connect-messages/anew/", {"first": "2026-02-01", "currency": "USD"}
        )
        assert done.status_code == 302
        assert UsageRecord.objects.get().unit_price == Decimal("0.02")
        assert AuditEntry.objects.get(action="rerate-usage").by == "fiona@provider.example"

    def test_where_nothing_is_open_it_says_so(self, finance: Client) -> None:
        assert "Nothing to rate anew" in text(finance.get("/finance/rates/agents/anew/?first=2026-02-01"))

    def test_without_a_day_it_asks_for_one(self, finance: Client) -> None:
        assert "Count the records" in text(finance.get("/finance/rates/agents/anew/"))
        assert "Enter a date" in text(finance.get("/finance/rates/agents/anew/?first=x"))


class TestDeck:
    """The list of the deck, and its file."""

    def test_it_is_searched_and_its_file_follows(
        self, finance: Client, opens_cheaply: Callable[[Client, str], HttpResponseBase]
    ) -> None:
        finance.post(send(finance, UK, PAST))
        assert "+49" not in text(opens_cheaply(finance, "/finance/rate-deck/?q=%2B447700900123"))
        assert "Nothing matches" in text(finance.get("/finance/rate-deck/?q=nowhere"))
        assert text(finance.get("/finance/rate-deck.csv?q=united")).splitlines() == [
            HEADER.strip(),
            UK.strip(),
        ]

    def test_the_sample_goes_in(self, finance: Client) -> None:
        sample = text(finance.get("/finance/rate-deck/sample.csv")).split("\r\n", 1)[1]
        finance.post(send(finance, sample))
        assert PrefixRate.objects.count() == 3


class TestImport:
    """A look at every row, then all of them."""

    def test_nothing_is_changed_before_the_button(
        self, finance: Client, opens_cheaply: Callable[[Client, str], HttpResponseBase]
    ) -> None:
        review = send(finance, UK)
        page = text(opens_cheaply(finance, review))
        assert "1 rate will be added" in page
        assert not PrefixRate.objects.exists()
        assert finance.post(review).headers["Location"] == "/finance/rate-deck/"
        assert PrefixRate.objects.get().prefix == "+44"

    def test_rates_of_days_gone_by_lead_to_rating_anew(self, finance: Client) -> None:
        response = finance.post(send(finance, UK, PAST))
        assert response.headers["Location"] == "/finance/rates/international/anew/?first=2026-02-01"

    def test_refused_rows_are_listed_with_their_reasons_and_as_a_file(self, finance: Client) -> None:
        review = send(finance, UK, "+49,Germany,free,USD,2026-03-05,,\n")
        page = text(finance.get(review))
        assert "These rates cannot be imported" in page
        assert "“free” is not an amount" in page
        assert "United Kingdom" not in page
        assert "United Kingdom" in text(finance.get(f"{review}?kind=all"))
        rows = text(finance.get(f"{review}rows.csv?kind=refused")).splitlines()
        assert rows[0].endswith("line,verdict,field,reason")
        assert rows[1].startswith("+49,Germany,free,USD,2026-03-05,,,3,refused,per_unit,")
        assert len(rows) == 2

    def test_the_button_does_not_help_refused_rows(self, finance: Client) -> None:
        response = finance.post(send(finance, UK, "+49\n"))
        assert response.status_code == 400
        assert not PrefixRate.objects.exists()

    def test_a_file_that_cannot_be_read_says_why(self, finance: Client) -> None:
        file = SimpleUploadedFile("deck.csv", b"a,b\n1,2\n")
        review = finance.post("/finance/rate-deck/import/", {"file": file}).headers["Location"]
        response = finance.get(review)
        assert response.status_code == 400
        assert "has no column prefix" in text(response)

    def test_many_rows_turn_pages(self, finance: Client) -> None:
        review = send(finance, *(f"+44{place:03d},UK,0.019,USD,2026-03-05,,\n" for place in range(120)))
        assert "+44049" in text(finance.get(review))
        second = text(finance.get(f"{review}?after=50"))
        assert "+44050" in second
        assert "+44049" not in second
        assert "+44119" in text(finance.get(f"{review}?after=100"))
        assert "+44049" in text(finance.get(f"{review}?before=50"))

    def test_the_same_file_again_has_nothing_to_import(self, finance: Client) -> None:
        finance.post(send(finance, UK))
        assert "there is nothing to import" in text(finance.get(send(finance, UK)))

    def test_another_persons_file_is_not_there(self, finance: Client) -> None:
        review = send(finance, UK)
        other = client_of(staff("Finance"))
        assert other.get(review).headers["Location"] == "/finance/rate-deck/import/"
        assert other.post(review).headers["Location"] == "/finance/rate-deck/import/"
        assert not PrefixRate.objects.exists()

    def test_no_file_is_named_by_the_field(self, finance: Client) -> None:
        assert "Choose a file" in text(finance.post("/finance/rate-deck/import/", {}))
