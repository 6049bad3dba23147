"""The administration of meters, rates, imports, tenancies and subscriptions (USE-2, USE-3, SUB-2, SUB-3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, AuditEntry
from accounts.permissions import FINANCE, ONBOARDING
from billing.models import (
    LicenceMode,
    Meter,
    MeterRate,
    PrefixRate,
    Subscription,
    TelephonyOption,
    Tenancy,
    UsageImport,
)
from billing.subscriptions import Terms, add_subscription
from tests import factories
from tests.factories import AT, TESTS
from tests.finance.conftest import client_of

NEW_RATE = {
    "meter": "agents",
    "per_unit_0": "80",
    "per_unit_1": "USD",
    "minimum_seconds": "60",
    "increment_seconds": "60",
    "effective_on": "2026-04-01",
}
NEW_PREFIX = {
    "prefix": "+44",
    "destination": "United Kingdom",
    "per_unit_0": "0.019",
    "per_unit_1": "USD",
    "effective_on": "2026-04-01",
}


@pytest.fixture(autouse=True)
def _now(db: None) -> Iterator[None]:
    with time_machine.travel(datetime(2026, 3, 2, 15, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def harbor() -> Account:
    """An account with one subscription, of concurrent licences and Webex Calling."""
    account: Account = factories.AccountFactory(slug="harbor", name="Harbor Dental")
    terms = Terms(
        "Front desk",
        date(2026, 3, 2),
        date(2027, 3, 2),
        LicenceMode.CONCURRENT,
        TelephonyOption.WEBEX_CALLING,
        {"agents": 10},
    )
    add_subscription(account, terms, actor=TESTS, at=AT)
    return account


def text(response: HttpResponseBase) -> str:
    return bytes(getattr(response, "content", b"")).decode()


class TestMeters:
    """Names and the books' accounts are finance's; how they count stays."""

    def test_finance_gives_another_ledger_code(self, finance: Client) -> None:
        sent = {"name": "Seats", "ledger_code": "9999", "tax_category": "telecom", "rank": "5"}
        sent |= {"aggregation": "sum", "pooling": "none", "unit": "x"}
        assert finance.post("/admin/billing/meter/agents/change/", sent).status_code == 302
        meter = Meter.objects.get(pk="agents")
        assert (meter.name, meter.ledger_code) == ("Seats", "9999")
        assert (meter.aggregation, meter.pooling, meter.unit) == ("maximum", "agents", "agent")
        assert AuditEntry.objects.get(action="edit-meter").after["ledger_code"] == "9999"

    def test_no_meter_is_added_or_taken_away(self, finance: Client) -> None:
        assert finance.get("/admin/billing/meter/add/").status_code == 403
        assert finance.post("/admin/billing/meter/agents/delete/").status_code == 403

    def test_support_looks_on(self, support: Client) -> None:
        assert support.get("/admin/billing/meter/agents/change/").status_code == 200
        assert support.post("/admin/billing/meter/agents/change/", {"name": "x"}).status_code == 403


class TestRates:
    """Added, never overwritten (USE-3)."""

    def test_a_rate_is_set_by_its_action(self, finance: Client) -> None:
        assert finance.post("/admin/billing/meterrate/add/", NEW_RATE).status_code == 302
        assert MeterRate.objects.get(effective_on=date(2026, 4, 1)).per_unit.amount == Decimal(80)
        assert AuditEntry.objects.get(action="set-rate").by == "fiona@provider.example"

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"effective_on": "2020-01-01"}, "A rate from that day is there already"),
            ({"effective_on": "0206-01-01"}, "begins on 2000-01-01 or later"),
            ({"per_unit_0": "-1"}, "A rate is zero or more"),
            ({"per_unit_0": "1000000"}, "below 1,000,000"),
        ],
    )
    def test_what_cannot_be_is_refused(self, finance: Client, changes: dict[str, str], message: str) -> None:
        before = MeterRate.objects.count()
        assert message in text(finance.post("/admin/billing/meterrate/add/", NEW_RATE | changes))
        assert MeterRate.objects.count() == before

    def test_what_the_action_alone_refuses_is_said_too(self, finance: Client) -> None:
        sent = NEW_RATE | {"meter": "domestic-local", "increment_seconds": "9999"}
        response = finance.post("/admin/billing/meterrate/add/", sent, follow=True)
        assert "The step is 1 to 3,600 seconds" in text(response)

    def test_a_destinations_rate_is_added_once(self, finance: Client) -> None:
        assert finance.post("/admin/billing/prefixrate/add/", NEW_PREFIX).status_code == 302
        assert PrefixRate.objects.get().destination == "United Kingdom"
        again = text(finance.post("/admin/billing/prefixrate/add/", NEW_PREFIX))
        assert "A rate from that day is there already" in again
        ended = NEW_PREFIX | {"prefix": "+45", "ends_on": "2026-04-01"}
        assert "ends after the day" in text(finance.post("/admin/billing/prefixrate/add/", ended))

    @pytest.mark.parametrize("model", ["meterrate", "prefixrate"])
    def test_nothing_is_changed_or_taken_away(self, finance: Client, model: str) -> None:
        finance.post("/admin/billing/prefixrate/add/", NEW_PREFIX)
        pk = (MeterRate if model == "meterrate" else PrefixRate).objects.latest("pk").pk
        assert finance.post(f"/admin/billing/{model}/{pk}/change/", NEW_RATE | NEW_PREFIX).status_code == 403
        assert finance.post(f"/admin/billing/{model}/{pk}/delete/", {"post": "yes"}).status_code == 403
        assert finance.get(f"/admin/billing/{model}/").status_code == 200

    def test_an_import_is_looked_at_and_leads_to_its_report(self, support: Client) -> None:
        found = UsageImport.objects.create(name="a.csv", size=1, source="upload", by="x", created_at=AT)
        page = text(support.get(f"/admin/billing/usageimport/{found.pk}/change/"))
        assert f"/staff/usage/{found.pk}/" in page
        assert support.get("/admin/billing/usageimport/").status_code == 200
        assert support.get("/admin/billing/usageimport/add/").status_code == 403


class TestTenancy:
    """Only staff change what the subscriptions of a tenant have in common (SUB-2, SUB-3)."""

    SENT = {
        "licence_mode": "named",
        "telephony_option": "vpop",
        "reason": "Asked for on the phone",
        "confirm_name": "harbor dental",
    }

    def test_support_switches_the_whole_tenant(self, support: Client, harbor: Account) -> None:
        page = text(support.get(f"/admin/billing/tenancy/{harbor.pk}/change/"))
        assert "Switch the tenant" in page
        assert "/admin/billing/subscription/provision/?account=harbor" in page
        assert "Front desk" in page
        asked = text(support.get(f"/admin/billing/tenancy/{harbor.pk}/switch/"))
        assert "1 subscription at once" in asked
        assert support.post(f"/admin/billing/tenancy/{harbor.pk}/switch/", self.SENT).status_code == 302
        tenancy = Tenancy.objects.get()
        assert (tenancy.licence_mode, tenancy.telephony_option) == ("named", "vpop")
        entry = AuditEntry.objects.get(action="switch-tenancy")
        assert entry.account == harbor
        assert entry.summary.endswith(": Asked for on the phone")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"confirm_name": "Harbour"}, "This is not the account"),
            ({"reason": ""}, "This field is required"),
            ({"licence_mode": "both"}, "Select a valid choice"),
            ({"licence_mode": "concurrent", "telephony_option": "webex-calling"}, "Nothing is switched"),
        ],
    )
    def test_it_is_confirmed_with_a_reason(
        self, support: Client, harbor: Account, changes: dict[str, str], message: str
    ) -> None:
        page = text(support.post(f"/admin/billing/tenancy/{harbor.pk}/switch/", self.SENT | changes))
        assert message in page
        assert Tenancy.objects.get().licence_mode == "concurrent"

    @pytest.mark.parametrize("group", [FINANCE, ONBOARDING])
    def test_others_look_and_find_no_switch(self, harbor: Account, group: str) -> None:
        client = client_of(factories.staff(group))
        page = client.get(f"/admin/billing/tenancy/{harbor.pk}/change/")
        assert page.status_code == 200
        assert "Switch the tenant" not in text(page)
        assert client.post(f"/admin/billing/tenancy/{harbor.pk}/switch/", self.SENT).status_code == 404
        assert Tenancy.objects.get().licence_mode == "concurrent"

    def test_subscriptions_are_looked_at(self, support: Client, harbor: Account) -> None:
        pk = Subscription.objects.get().pk
        assert "Harbor Dental" in text(support.get("/admin/billing/subscription/"))
        assert "agents" in text(support.get(f"/admin/billing/subscription/{pk}/change/"))
        assert support.post(f"/admin/billing/subscription/{pk}/change/", {}).status_code == 403
