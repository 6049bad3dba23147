"""Licences: what the page says of them, buying and giving back with the cost seen first."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, AuditEntry, Role
from billing.charges import open_ledger
from billing.licences import add_licences, assign_licence
from billing.models import Charge, Limit, Product
from tests import factories
from tests.billing_pages.conftest import OPENED, TODAY, Story
from tests.factories import AT, TESTS

PAGE = "/a/acme/licences/"
ADD = "/a/acme/licences/add/"
REMOVE = "/a/acme/licences/remove/"

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def bought() -> int:
    """How many licences the ledger holds that have no end."""
    return sum(Charge.objects.filter(ended_on=None).values_list("quantity", flat=True))


def send(client: Client, address: str, **data: str | int) -> HttpResponseBase:
    """Send the form as the page does: with what its cost is of."""
    shown = client.get(address, data).context
    return client.post(address, {**data, "seen": shown.get("seen", "")})


class TestPage:
    def test_says_how_to_begin(self, account: Account, owner_client: Client) -> None:
        page = owner_client.get(PAGE).content.decode()
        assert "No licences yet" in page
        assert ADD in page

    def test_how_many_and_when_billing_begins(self, story: Story, uc: Product, owner_client: Client) -> None:
        """BIL-11: what is not billed yet stands there with its day."""
        story.on(OPENED, lambda by: add_licences(story.account, uc, 3, **by))
        story.on(TODAY - timedelta(days=1), lambda by: add_licences(story.account, uc, 2, **by))
        story.play()
        answer = owner_client.get(PAGE)
        (row,) = answer.context["rows"]
        assert (row.holding.bought, row.holding.free, row.monthly) == (5, 5, Decimal("149.95"))
        assert "2 of 5 begin billing on" in answer.content.decode()
        assert "Mar 8, 2026" in answer.content.decode()

    def test_a_reader_is_offered_nothing_to_change(
        self, account: Account, role_client: Callable[[Role], Client]
    ) -> None:
        assert ADD not in role_client(Role.READ_ONLY).get(PAGE).content.decode()

    @pytest.mark.parametrize("times", [1, 30])
    def test_queries(
        self, times: int, story: Story, uc: Product, owner_client: Client, opens_cheaply: OpensCheaply
    ) -> None:
        for day in range(times):
            story.on(OPENED + timedelta(days=day), lambda by: add_licences(story.account, uc, 1, **by))
        story.play()
        opens_cheaply(owner_client, PAGE)


class TestAdd:
    def test_the_cost_is_shown_before(self, story: Story, owner_client: Client) -> None:
        """Per month, from when and why, and the next invoice with and without (BIL-3, BIL-10)."""
        story.play()
        answer = owner_client.get(ADD, {"product": "uc-licence", "quantity": "5"})
        cost = answer.context["cost"]
        assert (cost["monthly"], cost["once"]) == (Decimal("149.95"), Decimal("0.00"))
        assert (cost["begins_on"], cost["begins_reason"]) == (date(2026, 3, 9), "after 7 free days")
        # 6 of 28 days, and the month ahead.
        assert (cost["next_now"], cost["next_then"]) == (Decimal(0), Decimal("182.08"))
        assert not Charge.objects.exists()
        assert not AuditEntry.objects.filter(action="add-licences").exists()

    def test_what_was_seen_is_bought(self, account: Account, owner_client: Client) -> None:
        answer = send(owner_client, ADD, product="uc-licence", quantity=5)
        assert (answer.status_code, answer.headers["Location"]) == (302, PAGE)
        charge = Charge.objects.get()
        assert (charge.quantity, charge.unit_price) == (5, Decimal("29.99"))
        assert (
            "Bought 5 × UC licence. Billing begins on Mar 9, 2026." in owner_client.get(PAGE).content.decode()
        )

    def test_what_was_not_seen_is_asked_again(self, account: Account, owner_client: Client) -> None:
        """Without script a changed quantity leads to a page with its cost, and from there to the purchase."""
        seen = owner_client.get(ADD).context["seen"]
        review = owner_client.post(ADD, {"product": "uc-licence", "quantity": "5", "seen": seen})
        assert review.status_code == 200
        assert "Nothing has been changed yet" in review.content.decode()
        assert "$149.95" in review.content.decode()
        assert bought() == 0
        answer = owner_client.post(
            ADD, {"product": "uc-licence", "quantity": "5", "seen": review.context["seen"]}
        )
        assert answer.status_code == 302
        assert bought() == 5

    def test_it_costs_what_was_shown(self, story: Story, owner_client: Client) -> None:
        """BIL-10: the next invoice with the purchase is the next invoice after it."""
        story.play()
        then = owner_client.get(ADD, {"product": "uc-licence", "quantity": "5"}).context["cost"]["next_then"]
        send(owner_client, ADD, product="uc-licence", quantity=5)
        assert owner_client.get("/a/acme/billing/next/").context["draft"].total == then == Decimal("182.08")

    @pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "x", "", "100001", "9" * 40])
    def test_a_bad_quantity_is_told_by_its_field(
        self, quantity: str, account: Account, owner_client: Client
    ) -> None:
        answer = owner_client.post(ADD, {"product": "uc-licence", "quantity": quantity})
        assert answer.status_code == 400
        assert "Enter a whole number from 1 to 100,000." in answer.context["form"].errors["quantity"]
        assert bought() == 0

    def test_an_unknown_licence_is_told(self, account: Account, owner_client: Client) -> None:
        answer = owner_client.post(ADD, {"product": "fax-line", "quantity": "1"})
        assert answer.status_code == 400
        assert "product" in answer.context["form"].errors
        assert owner_client.get(ADD, {"product": "fax-line"}).status_code == 200

    def test_a_limit_refuses_with_its_reason(self, account: Account, owner_client: Client) -> None:
        """What a rule refuses stands by its field and beside the cost, and changes nothing."""
        with open_ledger(account, actor=TESTS, at=AT) as ledger:
            ledger.set_limit("two", ["uc-licence"], 2, "Only two for now.", "ONB-3")
        asked = owner_client.get(ADD, {"product": "uc-licence", "quantity": "3"})
        assert "cost" not in asked.context
        assert "Only two for now." in asked.content.decode()
        answer = owner_client.post(ADD, {"product": "uc-licence", "quantity": "3", "seen": "x"})
        assert answer.status_code == 400
        assert answer.context["form"].errors["quantity"] == ["Only two for now."]
        assert bought() == 0
        assert Limit.objects.exists()

    @pytest.mark.parametrize("role", [Role.BILLING, Role.READ_ONLY])
    def test_only_admins_buy(self, role: Role, role_client: Callable[[Role], Client]) -> None:
        """ACC-4: 403, and nothing changes."""
        client = role_client(role)
        assert client.get(ADD).status_code == 403
        assert client.post(ADD, {"product": "uc-licence", "quantity": "1"}).status_code == 403
        assert bought() == 0

    def test_another_account_is_not_there(self, other: Account, owner_client: Client) -> None:
        assert owner_client.get("/a/elsewhere/licences/add/").status_code == 404


class TestGiveBack:
    def test_the_newest_go_first_and_cost_nothing(
        self, story: Story, uc: Product, owner_client: Client
    ) -> None:
        """LIC-1, BIL-5: those in their free days first; of what was paid ahead the credit is shown before."""
        story.on(OPENED, lambda by: add_licences(story.account, uc, 3, **by))
        story.on(TODAY - timedelta(days=1), lambda by: add_licences(story.account, uc, 2, **by))
        story.play()
        cost = owner_client.get(REMOVE, {"product": "uc-licence", "quantity": "3"}).context["cost"]
        assert [(line["label"], line["note"]) for line in cost["lines"]] == [
            ("2 × UC licence", "a month less, bought 2026-03-01, never billed"),
            ("UC licence", "a month less, bought 2026-01-10, billed until today"),
            ("Credit", "for days that were paid ahead, on the next invoice"),
        ]
        # 29.99 × 13 of 28 days, from Mar 2 to Mar 15.
        assert cost["lines"][-1]["amount"] == Decimal("-13.92")
        assert cost["monthly"] == Decimal("-89.97")
        assert bought() == 5
        assert send(owner_client, REMOVE, product="uc-licence", quantity=3).status_code == 302
        assert bought() == 2
        assert owner_client.get("/a/acme/billing/next/").context["draft"].total == cost["next_then"]

    def test_more_than_are_free_is_refused(self, story: Story, uc: Product, owner_client: Client) -> None:
        """LIC-1: an assigned licence is not given back."""
        end_user = factories.EndUserFactory(account=story.account)
        add_licences(story.account, uc, 2, actor=TESTS, at=AT)
        assign_licence(end_user, uc, actor=TESTS, at=AT)
        answer = owner_client.post(REMOVE, {"product": "uc-licence", "quantity": "2"})
        assert answer.status_code == 400
        (error,) = answer.context["form"].errors.as_data()["quantity"]
        assert error.code == "LIC-1"
        assert bought() == 2

    def test_with_none_free_there_is_no_form(self, account: Account, owner_client: Client) -> None:
        page = owner_client.get(REMOVE).content.decode()
        assert "No licence is free" in page
        assert owner_client.post(REMOVE, {"product": "uc-licence", "quantity": "1"}).status_code == 400
