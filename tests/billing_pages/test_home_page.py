"""The account's first page: the next invoice, what begins, what needs somebody, what happened lately."""

import time
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, EndUser, Role
from billing.explain import day_words
from billing.licences import add_licences, assign_licence
from billing.models import BillingSchedule, Charge, Invoice, Product
from telephony.contact_center import install, request_activation
from telephony.models import ContactCenter, Edition
from telephony.numbers import add_number, assign_number
from tests import factories
from tests.billing_pages.conftest import OPENED, TODAY, Story
from tests.factories import AT, TESTS, staff

PAGE = "/a/acme/"

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def needs(client: Client) -> list[str]:
    """What needs somebody."""
    return [need.text for need in client.get(PAGE).context["needs"]]


def charges(account: Account, count: int, **fields: object) -> None:
    """Charges of numbers, written at once; every tenth still waits."""
    Charge.objects.bulk_create(
        (
            Charge(
                **{
                    "account": account, "product_id": "number-local", "quantity": 1,
                    "unit_price": Decimal("2.50"), "state": "waiting" if place % 10 == 0 else "billing",
                    "added_on": OPENED, "start_recorded_on": OPENED, "basis": "parked", "basis_on": OPENED,
                    "billing_starts_on": TODAY + timedelta(days=1 + place % 30) if place % 10 == 0 else OPENED,
                    "basis_days": 30, "subject": f"number:{place}", "subject_label": f"+1212{place:07d}",
                }
                | fields
            )
            for place in range(count)
        ),
        batch_size=2000,
    )  # fmt: skip


class TestNextInvoice:
    def test_sum_date_and_difference_to_the_last(
        self, story: Story, uc: Product, owner_client: Client
    ) -> None:
        """BIL-10, and why in a few words."""
        story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
        story.play()
        answer = owner_client.get(PAGE)
        ahead = answer.context["ahead"]
        assert (ahead.on, ahead.total) == (date(2026, 3, 15), Decimal("149.95"))
        page = answer.content.decode()
        assert "$140.28</span> less" in page
        assert "no partial months this time" in page

    def test_more_than_the_last(self, story: Story, uc: Product, owner_client: Client) -> None:
        story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
        story.play(date(2026, 3, 20))
        add_licences(story.account, uc, 3, actor=TESTS, at=AT + timedelta(days=18))
        page = owner_client.get(PAGE).content.decode()
        assert "more</strong> than the last: 3 × UC licence added, partial months" in page

    def test_it_follows_the_ledger(self, story: Story, uc: Product, owner_client: Client) -> None:
        """What is kept is kept until the ledger moves."""
        story.play()
        assert owner_client.get(PAGE).context["ahead"].total == 0
        add_licences(story.account, uc, 1, actor=TESTS, at=AT)
        assert owner_client.get(PAGE).context["ahead"].total == Decimal("36.42")

    def test_it_follows_a_product(self, story: Story, uc: Product, owner_client: Client) -> None:
        """A product that becomes one-time is drawn anew, as the run would."""
        story.on(OPENED, lambda by: add_licences(story.account, uc, 1, **by))
        story.play(date(2026, 2, 1))
        before = owner_client.get(PAGE).context["ahead"].total
        Product.objects.filter(pk=uc.pk).update(is_recurring=False)
        assert owner_client.get(PAGE).context["ahead"].total == Decimal("29.99") != before


class TestBeginsSoon:
    def test_what_begins_on_the_line_of_days(self, story: Story, uc: Product, owner_client: Client) -> None:
        """BIL-11: when billing will begin, what it will cost, and why then."""
        story.play()
        add_licences(story.account, uc, 2, actor=TESTS, at=AT)
        add_number(story.account, "+12125550100", actor=TESTS, at=AT)
        events = owner_client.get(PAGE).context["events"]
        assert [(event["on"], event["label"], event["amount"]) for event in events] == [
            (date(2026, 3, 9), "2 × UC licence", Decimal("59.98")),
            (date(2026, 4, 1), "(212) 555-0100", Decimal("2.50")),
        ]
        assert all(event["url"] for event in events)

    def test_much_of_it_is_told_by_days(self, story: Story, owner_client: Client) -> None:
        story.play()
        charges(story.account, 300)
        events = owner_client.get(PAGE).context["events"]
        assert [event["on"] for event in events] == sorted({event["on"] for event in events})
        assert sum(event["amount"] for event in events) == 30 * Decimal("2.50")


class TestNeeds:
    def test_nothing_needs_anybody(self, account: Account, owner_client: Client) -> None:
        """The list empties."""
        assert needs(owner_client) == []
        assert "Nothing. All is seen to." in owner_client.get(PAGE).content.decode()

    def test_a_parked_number_soon_costs_money(self, story: Story, owner_client: Client) -> None:
        """BIL-11: a warning before a delay ends, within seven days and not before."""
        story.on(TODAY - timedelta(days=23), lambda by: add_number(story.account, "+12125550100", **by))
        story.on(TODAY - timedelta(days=22), lambda by: add_number(story.account, "+12125550101", **by))
        story.play()
        assert needs(owner_client) == ["1 parked number soon costs money"]

    def test_licences_that_nobody_holds_end_their_free_days(
        self, story: Story, uc: Product, owner_client: Client
    ) -> None:
        add_licences(story.account, uc, 2, actor=TESTS, at=AT)
        assert needs(owner_client) == ["2 × UC licence not assigned"]
        for left in (["1 × UC licence not assigned"], []):
            assign_licence(factories.EndUserFactory(account=story.account), uc, actor=TESTS, at=AT)
            assert needs(owner_client) == left

    def test_people_without_a_licence(self, account: Account, owner_client: Client) -> None:
        end_user = factories.EndUserFactory(account=account)
        assert needs(owner_client) == ["1 user has no licence"]
        EndUser.objects.filter(pk=end_user.pk).update(removed_on=TODAY)
        assert needs(owner_client) == []

    def test_an_overdue_invoice_leads_to_it(self, story: Story, uc: Product, owner_client: Client) -> None:
        """INV-7."""
        story.on(OPENED, lambda by: add_licences(story.account, uc, 1, **by))
        story.play()
        number = Invoice.objects.get().number
        assert needs(owner_client) == [f"Invoice {number} is overdue"]
        (need,) = owner_client.get(PAGE).context["needs"]
        assert owner_client.get(need.url).status_code == 200

    def test_an_invoice_that_is_held(self, account: Account, owner_client: Client) -> None:
        """BIL-9: why, and how it is mended, is told to the staff alone."""
        BillingSchedule.objects.update(held_at=AT, held_reason="manage.py reprice uc-licence")
        assert needs(owner_client) == ["Your invoice is held back"]
        assert "reprice" not in owner_client.get(PAGE).content.decode()

    def test_a_contact_center_that_is_set_up(self, account: Account, owner_client: Client) -> None:
        """ONB-2: what is left is told until going live was asked for."""
        installed = install(account, Edition.PRO, actor=TESTS, at=AT)
        assert needs(owner_client) == ["Contact Center Pro is in onboarding"]
        (need,) = owner_client.get(PAGE).context["needs"]
        assert need.hint == "6 steps of its set-up are left."
        assert owner_client.get(need.url).status_code == 200
        request_activation(installed, actor=TESTS, at=AT)
        assert needs(owner_client) == []

    def test_a_contact_center_that_goes_live_by_itself(self, account: Account, owner_client: Client) -> None:
        """ONB-9: the panel warns too, asked for or not, from 14 days before, and says what it means."""
        account.brand.auto_activate_after_days = 30
        account.brand.save()
        at = AT - timedelta(days=15)
        installed = install(account, Edition.PRO, actor=TESTS, at=at)
        request_activation(installed, actor=TESTS, at=at)
        assert needs(owner_client) == []
        ContactCenter.objects.update(installed_on=TODAY - timedelta(days=16))
        assert needs(owner_client) == ["Contact Center Pro goes live by itself in 14 days"]
        (need,) = owner_client.get(PAGE).context["needs"]
        day = day_words(TODAY + timedelta(days=14))
        assert need.hint == f"All of it is billed from {day} on, for good. 6 steps of its set-up are left."

    def test_every_need_is_a_way_in(self, story: Story, uc: Product, owner_client: Client) -> None:
        story.on(OPENED, lambda by: add_licences(story.account, uc, 1, **by))
        story.on(TODAY - timedelta(days=25), lambda by: add_number(story.account, "+12125550100", **by))
        story.play()
        add_licences(story.account, uc, 1, actor=TESTS, at=AT)
        factories.EndUserFactory(account=story.account)
        found = owner_client.get(PAGE).context["needs"]
        assert len(found) == 4
        for need in found:
            assert owner_client.get(need.url).status_code == 200, need


class TestAtAGlance:
    """The numbers and the latest invoice, each a way in."""

    def test_numbers_by_state(self, story: Story, uc: Product, owner_client: Client) -> None:
        """BIL-3: parked numbers are free for 30 days, so the elder of the two costs already."""
        story.on(OPENED, lambda by: add_licences(story.account, uc, 1, **by))
        story.on(date(2026, 1, 25), lambda by: add_number(story.account, "+12125550100", **by))
        story.play()
        holder = factories.EndUserFactory(account=story.account)
        assign_licence(holder, uc, actor=TESTS, at=AT)
        add_number(story.account, "+12125550101", actor=TESTS, at=AT)
        number = add_number(story.account, "+12125550102", actor=TESTS, at=AT)
        assign_number(number, to=holder, actor=TESTS, at=AT)
        numbers = owner_client.get(PAGE).context["numbers"]
        assert (numbers.assigned, numbers.parked, numbers.free) == (1, 2, 1)

    def test_the_latest_invoice_says_whether_it_is_overdue(
        self, story: Story, uc: Product, owner_client: Client
    ) -> None:
        """INV-7: the state is the one of today."""
        assert owner_client.get(PAGE).context["latest"] is None
        story.on(OPENED, lambda by: add_licences(story.account, uc, 1, **by))
        story.play()
        answer = owner_client.get(PAGE)
        latest, invoice = answer.context["latest"], Invoice.objects.get()
        assert (latest.number, latest.total) == (invoice.number, invoice.total)
        assert answer.context["latest_state"] == ("Overdue", "bad")


class TestWhoSeesWhat:
    def test_the_billing_role_has_its_own_pages(self, role_client: Callable[[Role], Client]) -> None:
        assert role_client(Role.BILLING).get(PAGE).status_code == 403

    def test_the_trail_is_for_admins(
        self, account: Account, owner_client: Client, role_client: Callable[[Role], Client]
    ) -> None:
        """ACC-5."""
        assert owner_client.get(PAGE).context["lately"]
        assert not role_client(Role.READ_ONLY).get(PAGE).context["lately"]

    def test_another_account_is_not_there(self, other: Account, owner_client: Client) -> None:
        assert owner_client.get("/a/elsewhere/").status_code == 404


class TestBudget:
    @pytest.mark.parametrize("count", [1, 500])
    def test_queries(
        self, count: int, story: Story, uc: Product, owner_client: Client, opens_cheaply: OpensCheaply
    ) -> None:
        """First drawn or kept, for members and for staff."""
        story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
        story.play()
        charges(story.account, count)
        opens_cheaply(owner_client, PAGE)
        opens_cheaply(owner_client, PAGE)
        BillingSchedule.objects.update(stamp="00000000-0000-4000-8000-000000000001")
        support = Client()
        support.force_login(staff("Support"))
        opens_cheaply(support, PAGE)

    def test_ten_thousand_charges_in_a_tenth_of_a_second(self, story: Story, owner_client: Client) -> None:
        """Of the processor's time, the best of five, once the preview has been drawn."""
        story.play()
        charges(story.account, 10_000)
        assert owner_client.get(PAGE).status_code == 200
        spent = []
        for _ in range(5):
            began = time.process_time()
            owner_client.get(PAGE)
            spent.append(time.process_time() - began)
        assert min(spent) < 0.1
