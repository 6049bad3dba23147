"""Trying a package, unsubscribing, and keeping a plan after all (PLN-2, PLN-4)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Brand, Role
from billing.models import Invoice, Plan, PlanOrder, PlanOrderState, PlanState
from billing.plans.changes import start_trial, unsubscribe
from billing.plans.renewals import renew_due
from tests.billing_pages.conftest import client_of, entries, words_of
from tests.factories import TESTS, member
from tests.planned import collection_of, package, registered, save_card

PLANS = "/a/acme/plans/"
TRY = f"{PLANS}try/"
UNSUBSCRIBE = f"{PLANS}unsubscribe/"
KEEP = f"{PLANS}keep/"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
SENT = {"package": "plan-contact-center-2", "quantity": "5"}

OpensCheaply = Callable[[Client, str], HttpResponseBase]


class TestTry:
    def test_it_costs_nothing_and_has_an_end(self, account: Account, owner_client: Client) -> None:
        """PLN-2."""
        assert "Free for 14 days" in words_of(owner_client.get(TRY))
        answer = owner_client.post(TRY, SENT, follow=True)
        plan = Plan.objects.get()
        assert (plan.state, plan.trial_ends_on, plan.quantity) == (PlanState.TRY, date(2026, 3, 16), 5)
        assert "You can try Contact Center 2 until Mar 16, 2026." in answer.content.decode()
        assert not Invoice.objects.exists()

    def test_once(self, account: Account, owner_client: Client) -> None:
        """PLN-2."""
        start_trial(account, package(1), 1, actor=TESTS, at=NOW - timedelta(days=60))
        renew_due(NOW)
        answer = owner_client.post(TRY, SENT)
        assert answer.status_code == 400
        assert "A plan can be tried once" in words_of(answer)

    def test_where_there_are_no_trials(self, account: Account, owner_client: Client) -> None:
        """PLN-2: the brand decides."""
        Brand.objects.filter(pk=account.brand_id).update(trial_days=None)
        assert TRY not in owner_client.get(PLANS).content.decode()
        answer = owner_client.post(TRY, SENT)
        assert answer.status_code == 400
        assert "Plans cannot be tried here." in words_of(answer)

    @pytest.mark.parametrize(
        ("sent", "field"),
        [({**SENT, "quantity": "0"}, "quantity"), ({**SENT, "package": "x"}, "package"), ({}, "package")],
    )
    def test_bad_input_is_told_by_its_field(
        self, sent: dict[str, str], field: str, account: Account, owner_client: Client
    ) -> None:
        answer = owner_client.post(TRY, sent)
        assert answer.status_code == 400
        assert field in answer.context["form"].errors
        assert not Plan.objects.exists()


class TestUnsubscribe:
    def test_it_says_until_when_and_keeps_what_is_paid(self, account: Account, owner_client: Client) -> None:
        """PLN-4."""
        registered(account, at=NOW - timedelta(days=16))
        assert "You keep what is paid for until Mar 14, 2026" in words_of(owner_client.get(UNSUBSCRIBE))
        assert Plan.objects.get().unsubscribed_on is None
        answer = owner_client.post(UNSUBSCRIBE, follow=True)
        assert "It can be used until it ends on Mar 14, 2026." in answer.content.decode()
        plan = Plan.objects.get()
        assert (plan.state, plan.unsubscribed_on) == (PlanState.ACTIVE, date(2026, 3, 2))
        renew_due(NOW + timedelta(days=14))
        assert Plan.objects.get().state == PlanState.INACTIVE

    def test_with_an_unpaid_renewal_it_ends_now(self, account: Account, owner_client: Client) -> None:
        """PLN-4."""
        registered(account, at=datetime(2026, 1, 28, 15, tzinfo=UTC))
        renew_due(NOW)
        assert "so the plan ends now" in words_of(owner_client.get(UNSUBSCRIBE))
        owner_client.post(UNSUBSCRIBE)
        assert Plan.objects.get().state == PlanState.INACTIVE
        assert not PlanOrder.objects.filter(state=PlanOrderState.OPEN).exists()

    def test_a_payment_on_its_way_goes_before(self, account: Account, owner_client: Client) -> None:
        """PLN-3."""
        registered(account, at=datetime(2026, 1, 28, 15, tzinfo=UTC))
        renew_due(NOW)
        order = PlanOrder.objects.get(state=PlanOrderState.OPEN)
        collection_of(order, save_card(account, at=NOW), at=NOW)
        answer = owner_client.post(UNSUBSCRIBE)
        assert answer.status_code == 400
        assert "A payment for your plan is on its way." in words_of(answer)
        assert Plan.objects.get().unsubscribed_on is None

    def test_without_a_plan_and_twice(self, account: Account, owner_client: Client) -> None:
        assert "There is no plan" in owner_client.post(UNSUBSCRIBE, follow=True).content.decode()
        registered(account, at=NOW)
        owner_client.post(UNSUBSCRIBE)
        before = entries()
        assert "unsubscribed already" in owner_client.post(UNSUBSCRIBE, follow=True).content.decode()
        assert entries() == before


class TestKeep:
    def test_it_renews_again(self, account: Account, owner_client: Client) -> None:
        """PLN-4."""
        registered(account, at=NOW)
        unsubscribe(account, actor=TESTS, at=NOW)
        answer = owner_client.post(KEEP, follow=True)
        assert "The plan is kept." in answer.content.decode()
        assert Plan.objects.get().unsubscribed_on is None

    def test_where_it_is_over_it_is_refused(self, account: Account, owner_client: Client) -> None:
        registered(account, at=NOW - timedelta(days=40))
        unsubscribe(account, actor=TESTS, at=NOW - timedelta(days=39))
        renew_due(NOW)
        answer = owner_client.post(KEEP, follow=True)
        assert "There is no plan." in answer.content.decode()
        assert Plan.objects.get().state == PlanState.INACTIVE


class TestWho:
    @pytest.mark.parametrize("address", [TRY, UNSUBSCRIBE, KEEP])
    def test_a_reader_is_refused_and_another_account_is_not_there(
        self, address: str, account: Account, other: Account, role_client: Callable[[Role], Client]
    ) -> None:
        """ACC-4."""
        registered(account, at=NOW)
        before = entries()
        assert role_client(Role.READ_ONLY).post(address, SENT).status_code == 403
        assert client_of(member(other)).post(address, SENT).status_code == 404
        assert (Plan.objects.get().unsubscribed_on, entries()) == (None, before)

    @pytest.mark.parametrize("address", [TRY, UNSUBSCRIBE])
    def test_queries(
        self, address: str, account: Account, owner_client: Client, opens_cheaply: OpensCheaply
    ) -> None:
        registered(account, at=NOW)
        opens_cheaply(owner_client, address)
