"""The staff's pages of usage imports (USE-1): sending a file, its report, and the lines refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from billing.models import MeterRate, UsageFault, UsageImport, UsageRecord
from telephony.usage_files import COLUMNS
from telephony.views.usage_imports import FORMAT
from tests.factories import AT, AccountFactory, staff

pytestmark = pytest.mark.django_db(transaction=True)

LINES = """\
id,at,account,from,to,seconds,meter,quantity
m1,2026-03-02T09:00:00-05:00,harbor,,,,connect-messages,5
m1,2026-03-02T09:00:00-05:00,harbor,,,,connect-messages,5
m2,2026-03-02T09:00:00-05:00,nobody,,,,connect-messages,5
m3,2026-03-02T09:00:00-05:00,harbor,,,,connect-messages,many
half,a line
"""


@pytest.fixture(autouse=True)
def _now(transactional_db: None) -> Iterator[None]:
    with time_machine.travel(datetime(2026, 3, 2, 15, tzinfo=UTC), tick=False):
        AccountFactory(slug="harbor")
        yield


@pytest.fixture
def support() -> Client:
    client = Client()
    client.force_login(staff(SUPPORT, email="sam@provider.example"))
    return client


def text(response: HttpResponseBase) -> str:
    streamed: Any = response
    if streamed.streaming:
        return b"".join(streamed.streaming_content).decode()
    return bytes(streamed.content).decode()


def send(client: Client, lines: str = LINES) -> UsageImport:
    """Send a file, which the worker imports at once in tests."""
    response = client.post("/staff/usage/new/", {"file": SimpleUploadedFile("march.csv", lines.encode())})
    assert response.status_code == 302
    return UsageImport.objects.latest("pk")


def a_report(**fields: Any) -> UsageImport:
    """An import as some file left it."""
    return UsageImport.objects.create(
        **{"name": "old.csv", "size": 10, "source": "folder", "by": "beat", "created_at": AT, **fields}
    )


class TestSending:
    """From the form to the report."""

    def test_a_file_is_imported_and_its_report_stays(
        self, support: Client, opens_cheaply: Callable[[Client, str], HttpResponseBase]
    ) -> None:
        found = send(support)
        assert (found.name, found.source, found.by) == ("march.csv", "upload", "sam@provider.example")
        assert (found.state, found.taken, found.known, found.refused) == ("finished", 1, 1, 3)
        assert UsageRecord.objects.get().record_id == "m1"
        page = text(opens_cheaply(support, f"/staff/usage/{found.pk}/"))
        assert "Finished, lines refused" in page
        assert "half,a line" in page
        assert 'hx-trigger="every' not in page

    def test_no_file_is_named_by_the_field(self, support: Client) -> None:
        assert "Choose a file" in text(support.post("/staff/usage/new/", {}))
        assert not UsageImport.objects.exists()

    def test_a_file_of_something_else_says_why_it_failed(self, support: Client) -> None:
        found = send(support, "a,b\n1,2\n")
        page = text(support.get(f"/staff/usage/{found.pk}/"))
        assert "The file could not be imported" in page
        assert "There is no column" in page

    def test_the_page_says_what_every_column_means(self, support: Client) -> None:
        assert tuple(FORMAT) == COLUMNS
        page = text(support.get("/staff/usage/new/"))
        assert "connect-messages" in page

    def test_the_sample_is_taken_as_a_file(self, support: Client) -> None:
        header = text(support.get("/staff/usage/sample.csv")).splitlines()[0]
        assert header.split(",") == list(COLUMNS)

    @pytest.mark.parametrize(("group", "status"), [(FINANCE, 200), (SUPPORT, 200), (ONBOARDING, 404)])
    def test_finance_and_support_open_it(self, group: str, status: int) -> None:
        client = Client()
        client.force_login(staff(group))
        assert client.get("/staff/usage/").status_code == status


class TestRefused:
    """The lines that were refused."""

    def test_they_are_narrowed_by_field_and_words(self, support: Client) -> None:
        address = f"/staff/usage/{send(support).pk}/"
        by_field = text(support.get(f"{address}?field=account"))
        assert "m2," in by_field
        assert "m3," not in by_field
        whole = text(support.get(f"{address}?field=-"))
        assert "half,a line" in whole
        assert "m2," not in whole
        assert "m3," in text(support.get(f"{address}?q=many"))
        assert "Nothing matches" in text(support.get(f"{address}?q=nothing-like-it"))

    def test_they_are_a_file_with_reasons(self, support: Client) -> None:
        address = f"/staff/usage/{send(support).pk}/refused.csv"
        rows = text(support.get(address)).splitlines()
        assert rows[0] == "line,field,reason,content"
        assert [row.split(",")[0] for row in rows[1:]] == ["4", "5", "6"]
        assert len(text(support.get(f"{address}?field=account")).splitlines()) == 2

    def test_those_beyond_what_is_kept_are_said_to_be_more(self, support: Client) -> None:
        found = a_report(state="finished", refused=3)
        UsageFault.objects.create(usage_import=found, line=2, reason="No.", content="x")
        assert "More lines are refused than are listed" in text(support.get(f"/staff/usage/{found.pk}/"))

    def test_what_has_no_rate_is_pointed_out(self, support: Client) -> None:
        MeterRate.objects.filter(meter="connect-messages").delete()
        found = send(support)
        assert found.unrated
        page = text(support.get(f"/staff/usage/{found.pk}/"))
        assert "For some records no rate is set" in page
        assert "Open the rates" not in page


class TestProgress:
    """While it is read."""

    def test_it_follows_by_itself_and_says_how_far_it_is(self, support: Client) -> None:
        found = a_report(
            state="running",
            size=1000,
            bytes_done=250,
            lines_done=201,
            taken=200,
            started_at=datetime(2026, 3, 2, 15, tzinfo=UTC) - timedelta(seconds=10),
        )
        page = text(support.get(f"/staff/usage/{found.pk}/"))
        assert 'hx-trigger="every 2s"' in page
        assert "25 %" in page
        assert "20 lines a second" in page
        assert 'hx-trigger="every 5s"' in text(support.get("/staff/usage/"))

    def test_one_that_waits_says_so(self, support: Client) -> None:
        assert "Waiting for a worker" in text(support.get(f"/staff/usage/{a_report().pk}/"))


class TestList:
    """All imports, whichever way they came."""

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", ["bad.csv", "good.csv"]),
            ("?state=failed", ["bad.csv"]),
            ("?source=folder", ["good.csv"]),
            ("?refused=yes", ["good.csv"]),
            ("?q=BAD", ["bad.csv"]),
            ("?q=olga", ["bad.csv"]),
            ("?q=none", []),
            ("?state=sideways", ["bad.csv", "good.csv"]),
        ],
    )
    def test_it_is_searched_and_filtered(self, support: Client, query: str, found: list[str]) -> None:
        a_report(name="good.csv", state="finished", refused=2)
        a_report(name="bad.csv", state="failed", source="upload", by="olga@provider.example")
        page = text(support.get(f"/staff/usage/{query}"))
        assert [name for name in ("bad.csv", "good.csv") if f">{name}</a>" in page] == found
        rows = text(support.get(f"/staff/usage/imports.csv{query}")).splitlines()[1:]
        assert [row.split(",")[1] for row in rows] == found

    @pytest.mark.parametrize(
        ("sort", "found"),
        [
            ("", "cab"),
            ("received", "bac"),
            ("-refused", "abc"),
            ("taken", "cba"),
            ("-size", "bca"),
            ("x", "cab"),
        ],
    )
    def test_it_is_sorted(self, support: Client, sort: str, found: str) -> None:
        for name, size, taken, refused in (("b", 9, 2, 1), ("a", 1, 3, 2), ("c", 5, 1, 0)):
            a_report(name=f"{name}.csv", state="finished", size=size, taken=taken, refused=refused)
        rows = support.get("/staff/usage/", {"sort": sort} if sort else {}).context["page"].rows
        assert "".join(row.name[0] for row in rows) == found

    def test_an_empty_list_says_what_to_do(self, support: Client) -> None:
        page = text(support.get("/staff/usage/"))
        assert "No usage imported yet" in page
