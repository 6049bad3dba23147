"""Support enters subscriptions for accounts, and sets what they commit to, of any meter (SUB-1, SUB-6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, AuditEntry, User
from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from billing.licences import add_licences
from billing.models import Charge, LicenceMode, Product, Subscription, TelephonyOption
from billing.subscriptions import Terms, add_subscription, end_subscription, open_commitments
from tests import factories
from tests.factories import AT, TESTS
from tests.finance.conftest import client_of

LIST = "/admin/billing/subscription/"
PROVISION = f"{LIST}provision/"
PRO = "cc-pro-licence"
NEW = {
    "name": "Back office",
    "offer": "flex",
    "starts_on": "2026-03-02",
    "term_months": "12",
    "licence_mode": "concurrent",
    "telephony_option": "webex-calling",
    f"product-{PRO}": "2",
    "commitment-agents": "40",
    "commitment-ai-agent": "300",
    "confirm_name": "harbor dental",
}
CHANGED = {
    "commitment-agents": "25",
    "commitment-ivr-ports": "8",
    "reason": "Order 2026-117",
    "confirm_name": "Harbor  dental",
}


@pytest.fixture(autouse=True)
def _now(db: None) -> Iterator[None]:
    with time_machine.travel(datetime(2026, 3, 2, 15, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def harbor() -> Account:
    account: Account = factories.AccountFactory(slug="harbor", name="Harbor Dental")
    return account


@pytest.fixture
def desk(harbor: Account) -> Subscription:
    """Harbor's subscription, of concurrent licences and Webex Calling, committed to 10 agents."""
    terms = Terms(
        "Front desk",
        date(2026, 3, 2),
        date(2027, 3, 2),
        LicenceMode.CONCURRENT,
        TelephonyOption.WEBEX_CALLING,
        {"agents": 10},
    )
    return add_subscription(harbor, terms, actor=TESTS, at=AT)


def text(response: HttpResponseBase) -> str:
    return " ".join(bytes(getattr(response, "content", b"")).decode().split())


def enter(client: Client, data: dict[str, str], account: str = "harbor") -> HttpResponseBase:
    """Send the terms twice, as a person does who looks at the cost."""
    looked = client.post(f"{PROVISION}?account={account}", data)
    seen = vars(looked)["context"].get("seen", "")
    return client.post(f"{PROVISION}?account={account}", {**data, "seen": seen})


def pages(subscription: Subscription) -> list[str]:
    return [
        PROVISION,
        f"{PROVISION}?account={subscription.account.slug}",
        f"{LIST}{subscription.pk}/commitments/",
    ]


class TestCommitments:
    def test_support_sets_them_with_a_reason(self, support: Client, desk: Subscription) -> None:
        """No limit by licences; an empty field is none; the trail names the person and the reason (ACC-5)."""
        address = f"{LIST}{desk.pk}/commitments/"
        assert address in text(support.get(f"{LIST}{desk.pk}/change/"))
        assert 'name="commitment-agents" value="10"' in text(support.get(address))
        assert support.post(address, CHANGED).status_code == 302
        assert open_commitments(desk) == {"agents": 25, "ivr-ports": 8}
        by = User.objects.get(groups__name=SUPPORT).email
        entries = AuditEntry.objects.filter(account=desk.account, action="set-commitment")
        assert [(entry.summary, entry.by) for entry in entries.order_by("pk")] == [
            ("Commitment of Front desk to agents changed from 10 to 25: Order 2026-117", by),
            ("Commitment of Front desk to ivr-ports changed from 0 to 8: Order 2026-117", by),
        ]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"confirm_name": "Harbour"}, "This is not the account"),
            ({"reason": ""}, "This field is required"),
            ({"commitment-agents": "-1"}, "Enter a whole number up to 10,000,000"),
            ({"commitment-agents": "10", "commitment-ivr-ports": ""}, "Nothing is changed"),
        ],
    )
    def test_they_are_confirmed(
        self, support: Client, desk: Subscription, changes: dict[str, str], message: str
    ) -> None:
        assert message in text(support.post(f"{LIST}{desk.pk}/commitments/", CHANGED | changes))
        assert open_commitments(desk) == {"agents": 10}

    def test_one_that_has_ended_is_changed_no_more(self, support: Client, desk: Subscription) -> None:
        """SUB-8."""
        end_subscription(desk, actor=TESTS, at=AT)
        answer = support.post(f"{LIST}{desk.pk}/commitments/", CHANGED, follow=True)
        assert "ended on 2026-03-02" in text(answer)
        assert open_commitments(desk) == {"agents": 10}


class TestProvision:
    def test_support_enters_one_after_a_look_at_its_cost(self, support: Client, harbor: Account) -> None:
        """SUB-1, SUB-6, SUB-10: with commitments of any size; the trail names the person (ACC-5)."""
        assert PROVISION in text(support.get(LIST))
        assert "Choose the account first" in text(support.get(PROVISION))
        assert "Harbor Dental" in text(support.get(PROVISION, {"account": "HARBOR dental"}))
        looked = support.post(f"{PROVISION}?account=harbor", NEW)
        assert "Nothing was added yet. Per month it costs" in text(looked)
        assert 'class="money">$158.00</span>' in text(looked)
        assert not Subscription.objects.exists()
        answer = enter(support, NEW)
        found = Subscription.objects.get()
        assert answer.headers["Location"] == f"{LIST}{found.pk}/change/"
        assert (found.account, found.name, found.ends_on) == (harbor, "Back office", date(2027, 3, 2))
        assert open_commitments(found) == {"agents": 40, "ai-agent": 300}
        assert [(one.product_id, one.quantity) for one in Charge.objects.all()] == [(PRO, 2)]
        entry = AuditEntry.objects.get(account=harbor, action="add-subscription")
        assert entry.by == User.objects.get(groups__name=SUPPORT).email

    def test_a_cost_that_has_changed_is_shown_again(self, support: Client, harbor: Account) -> None:
        looked = support.post(f"{PROVISION}?account=harbor", NEW)
        data = {**NEW, f"product-{PRO}": "3", "seen": vars(looked)["context"]["seen"]}
        assert "Nothing was added yet" in text(support.post(f"{PROVISION}?account=harbor", data))
        assert not Subscription.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "field", "rule"),
        [
            ({"licence_mode": "named"}, "licence_mode", "SUB-2"),
            ({"telephony_option": "vpop"}, "telephony_option", "SUB-3"),
            ({"starts_on": "2026-03-01"}, "starts_on", "SUB-1"),
            ({"name": "Front desk"}, "name", "SUB-1"),
        ],
    )
    def test_the_same_is_refused_as_for_customers(
        self, support: Client, desk: Subscription, changes: dict[str, str], field: str, rule: str
    ) -> None:
        """By its field; the other mode or option cannot even be chosen."""
        answer = enter(support, NEW | changes)
        (error,) = vars(answer)["context"]["form"].errors.as_data()[field]
        assert error.code == rule
        assert Subscription.objects.count() == 1

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"confirm_name": "Front desk"}, "confirm_name"),
            ({"term_months": "61"}, "term_months"),
            ({"commitment-agents": "x"}, "commitment-agents"),
        ],
    )
    def test_bad_input_is_told_by_its_field(
        self, support: Client, harbor: Account, changes: dict[str, str], field: str
    ) -> None:
        answer = enter(support, NEW | changes)
        assert list(vars(answer)["context"]["form"].errors) == [field]
        assert not Subscription.objects.exists()

    def test_the_account_is_one_that_there_is(self, support: Client, harbor: Account) -> None:
        """Neither a scratch account of the simulator nor one of two that are called the same."""
        factories.AccountFactory(slug="harbor-2", name="Twin")
        factories.AccountFactory(slug="harbor-3", name="Twin")
        factories.AccountFactory(slug="scratch", name="Scratch", is_simulation=True)
        assert "There is no account of this name" in text(support.get(PROVISION, {"account": "scratch"}))
        assert "Several accounts are called so" in text(support.get(PROVISION, {"account": "twin"}))
        assert support.post(f"{PROVISION}?account=nobody", NEW).status_code == 200
        assert not Subscription.objects.exists()


class TestWhoMay:
    @pytest.mark.parametrize("group", [FINANCE, ONBOARDING])
    def test_other_staff_look_and_find_no_way(self, desk: Subscription, group: str) -> None:
        """ACC-3."""
        client = client_of(factories.staff(group))
        assert PROVISION not in text(client.get(LIST))
        assert "commitments/" not in text(client.get(f"{LIST}{desk.pk}/change/"))
        for address in pages(desk):
            assert client.get(address).status_code == 404
            assert client.post(address, NEW | CHANGED).status_code == 404
        assert open_commitments(desk) == {"agents": 10}
        assert Subscription.objects.count() == 1

    def test_customers_are_sent_away(self, desk: Subscription) -> None:
        client = client_of(factories.UserFactory())
        for address in pages(desk):
            assert client.post(address, NEW | CHANGED).status_code in {302, 404}
        assert open_commitments(desk) == {"agents": 10}
        assert Subscription.objects.count() == 1

    def test_a_superuser_may(self, desk: Subscription) -> None:
        client = client_of(factories.UserFactory(is_staff=True, is_superuser=True))
        assert client.post(f"{LIST}{desk.pk}/commitments/", CHANGED).status_code == 302
        assert enter(client, NEW).status_code == 302


def test_what_staff_agreed_stands_on_the_accounts_page(support: Client, desk: Subscription) -> None:
    """The customer sees it, and buying licences leaves it as it is."""
    support.post(f"{LIST}{desk.pk}/commitments/", CHANGED)
    add_licences(desk.account, Product.objects.get(pk=PRO), 1, subscription=desk, actor=TESTS, at=AT)
    owner = client_of(factories.MembershipFactory(account=desk.account, role="owner").user)
    page = text(owner.get(f"/a/harbor/subscriptions/{desk.pk}/commitments/"))
    assert "<dt>IVR ports</dt><dd>8</dd>" in page
    assert "25 were agreed with the provider" in page
