"""INV-6, INV-7: an account's payments, paying what is owed, collecting by card, and the statement."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, AuditEntry, Role
from billing.corrections import credit_invoice
from billing.models import Collection, Invoice, Payment, Settlement
from billing.payments.refunds import ask_refund
from billing.queries import balance_of
from tests.billing_pages.conftest import TODAY
from tests.factories import AT, TESTS
from tests.paying import a_card, invoiced, transfer

HOME = "/a/acme/billing/"
PAGE = f"{HOME}payments/"
PAY = f"{HOME}pay/"
STATEMENT = f"{HOME}statement/"

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def text(response: Any) -> str:
    return str(response.content.decode())


def rows(response: Any) -> list[list[str]]:
    content = b"".join(response.streaming_content).decode()
    return [line.split(",") for line in content.splitlines()]


@pytest.fixture
def owing(account: Account) -> Account:
    """Acme owes 100.00 since January 20 and 80.00 since February 20."""
    invoiced(account, Decimal(100), date(2026, 1, 20), actor=TESTS, at=AT)
    invoiced(account, Decimal(80), date(2026, 2, 20), actor=TESTS, at=AT)
    return account


def numbers(account: Account) -> list[str]:
    return [str(each) for each in Invoice.objects.filter(account=account).order_by("pk")]


class TestList:
    def test_what_is_owed_and_what_came_in(self, owing: Account, owner_client: Client) -> None:
        first, second = numbers(owing)
        transfer(owing, Decimal(130), TODAY, reference="Our transfer", actor=TESTS, at=AT)
        page = text(owner_client.get(PAGE))
        assert "$50.00" in page
        assert second in page
        assert first not in page
        assert "Our transfer" in page
        assert f'href="{PAY}"' in page

    def test_bank_details_stand_beside_what_is_open(self, owing: Account, owner_client: Client) -> None:
        owing.brand.bank_details = "First Bank\nAccount 42"
        owing.brand.save()
        assert "First Bank<br>Account 42" in text(owner_client.get(PAGE))
        number = numbers(owing)[0]
        assert "First Bank<br>Account 42" in text(owner_client.get(f"{HOME}invoices/{number}/"))

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ["−$5.00", "$20.00", "$180.00"]),
            ({"q": "second"}, ["−$5.00", "$20.00"]),
            ({"q": "B-000002"}, ["$180.00"]),
            ({"kind": "refund"}, ["−$5.00"]),
            ({"kind": "credit"}, ["$20.00"]),
            ({"kind": "card"}, []),
            ({"first": "2026-03-01"}, ["−$5.00", "$20.00"]),
            ({"last": "2026-02-28"}, ["$180.00"]),
            ({"sort": "amount"}, ["−$5.00", "$20.00", "$180.00"]),
            ({"sort": "-amount"}, ["$180.00", "$20.00", "−$5.00"]),
        ],
    )
    def test_search_filters_and_orders(
        self, owing: Account, owner_client: Client, query: dict[str, str], expected: list[str]
    ) -> None:
        transfer(owing, Decimal(180), date(2026, 2, 21), reference="The first", actor=TESTS, at=AT)
        second = transfer(owing, Decimal(20), TODAY, reference="The second", actor=TESTS, at=AT)
        ask_refund(second, Decimal(5), reason="Too much", actor=TESTS, at=AT)
        if query.get("q", "").startswith("B-"):
            query = {"q": numbers(owing)[1]}
        found = owner_client.get(PAGE, query).context["page"].rows
        assert [f"{'−' if move.amount < 0 else ''}${abs(move.amount):.2f}" for move in found] == expected

    def test_the_file_has_all_of_them(self, owing: Account, owner_client: Client) -> None:
        payment = transfer(owing, Decimal(200), TODAY, reference="Ours", actor=TESTS, at=AT)
        ask_refund(payment, Decimal(5), reason="Too much", actor=TESTS, at=AT)
        found = rows(owner_client.get(f"{HOME}payments.csv"))
        assert [row[1:4] for row in found[1:]] == [
            ["Refund", "Too much", "-5.00"],
            ["Bank transfer", "Ours", "200.00"],
        ]

    def test_an_empty_list_says_what_belongs_there(self, account: Account, owner_client: Client) -> None:
        assert "No payment yet" in text(owner_client.get(PAGE))

    def test_many_rows_cost_no_more_queries(
        self, owing: Account, owner_client: Client, opens_cheaply: OpensCheaply
    ) -> None:
        for place in range(60):
            transfer(owing, Decimal(4), TODAY, reference=f"Part {place}", actor=TESTS, at=AT)
        response = opens_cheaply(owner_client, PAGE)
        assert "Next" in text(response)
        payment = Payment.objects.filter(account=owing).first()
        assert payment is not None
        opens_cheaply(owner_client, f"{PAGE}{payment.pk}/")
        opens_cheaply(owner_client, STATEMENT)
        opens_cheaply(owner_client, f"{HOME}invoices/{numbers(owing)[0]}/")
        opens_cheaply(owner_client, "/a/acme/")

    def test_a_read_only_member_looks_and_pays_nothing(
        self, owing: Account, role_client: Callable[[Role], Client]
    ) -> None:
        client = role_client(Role.READ_ONLY)
        assert PAY not in text(client.get(PAGE))
        assert client.get(PAY).status_code == 403
        assert client.post(PAY, {"how_much": "all"}).status_code == 403
        assert client.post(f"{HOME}collect-by-card/", {"on": "no"}).status_code == 403
        assert Account.objects.get(pk=owing.pk).collects_by_card

    def test_another_accounts_payment_is_not_there(
        self, account: Account, other: Account, owner_client: Client
    ) -> None:
        """ACC-4."""
        theirs = transfer(other, Decimal(5), TODAY, actor=TESTS, at=AT)
        assert owner_client.get(f"{PAGE}{theirs.pk}/").status_code == 404
        assert owner_client.get("/a/elsewhere/billing/payments/").status_code == 404


class TestPayment:
    def test_what_it_settled_and_what_is_left(self, owing: Account, owner_client: Client) -> None:
        payment = transfer(owing, Decimal(190), TODAY, reference="Ours", actor=TESTS, at=AT)
        ask_refund(payment, Decimal(4), reason="Paid too much", actor=TESTS, at=AT)
        page = text(owner_client.get(f"{PAGE}{payment.pk}/"))
        for words in (*numbers(owing), "$180.00", "$6.00", "Paid too much", "On its way"):
            assert words in page

    def test_an_invoice_says_what_it_was_settled_with_and_what_is_open(
        self, owing: Account, owner_client: Client
    ) -> None:
        payment = transfer(owing, Decimal(130), TODAY, reference="Ours", actor=TESTS, at=AT)
        second = Invoice.objects.get(number=numbers(owing)[1])
        page = text(owner_client.get(f"{HOME}invoices/{second}/"))
        for words in ("Paid so far", "$30.00", "$50.00", "Bank transfer Ours", f"{PAGE}{payment.pk}/"):
            assert words in page
        credit_invoice(second, {1: Decimal(10)}, reason="Goodwill", actor=TESTS, at=AT)
        note = Invoice.objects.get(corrects=second)
        assert f"Credit of {note}" in text(owner_client.get(f"{HOME}invoices/{second}/"))
        assert f"Used for {second}" in text(owner_client.get(f"{HOME}invoices/{note}/"))

    def test_lists_and_files_have_what_is_open(self, owing: Account, owner_client: Client) -> None:
        transfer(owing, Decimal(130), TODAY, actor=TESTS, at=AT)
        assert "$50.00" in text(owner_client.get(f"{HOME}invoices/"))
        assert "$50.00" in text(owner_client.get(HOME))
        header, *found = rows(owner_client.get(f"{HOME}invoices.csv"))
        places = [header.index(name) for name in ("total", "paid", "open")]
        assert [[row[place] for place in places] for row in found] == [
            ["80.00", "30.00", "50.00"],
            ["100.00", "100.00", "0.00"],
        ]

    def test_home_tells_the_balance_and_the_credit(self, owing: Account, owner_client: Client) -> None:
        """INV-7."""
        assert owner_client.get("/a/acme/").context["balance"] == 180
        transfer(owing, Decimal(200), TODAY, actor=TESTS, at=AT)
        response = owner_client.get("/a/acme/")
        assert response.context["balance"] == -20
        assert "$20.00" in text(response)


class TestPayNow:
    def review(self, client: Client, **data: str) -> Any:
        return client.post(PAY, data)

    def fields(self, response: Any) -> dict[str, str]:
        return dict(response.context["review"]["fields"])

    def test_shows_which_invoices_it_settles_and_pays_them(
        self, owing: Account, owner_client: Client
    ) -> None:
        card = a_card(owing, at=AT)
        first, second = numbers(owing)
        form = owner_client.get(PAY, {"how_much": "part", "amount": "130", "method": str(card.pk)})
        assert [(str(share.invoice), share.amount) for share in form.context["foreseen"].shares] == [
            (first, 100),
            (second, 30),
        ]
        review = self.review(owner_client, how_much="part", amount="130", method=str(card.pk))
        assert "Pay $130.00" in text(review)
        assert not Collection.objects.exists()
        paid = owner_client.post(PAY, {**self.fields(review), "confirmed": "yes"})
        collection = Collection.objects.get()
        assert (paid.status_code, paid.headers["Location"]) == (302, f"{PAGE}{collection.key}/")
        assert (collection.state, collection.amount) == ("succeeded", Decimal(130))
        assert balance_of(owing, TODAY).owed == 50
        assert [str(each.invoice) for each in Settlement.objects.order_by("pk")] == [first, second]

    def test_sending_it_twice_charges_once(self, owing: Account, owner_client: Client) -> None:
        """INV-6: a double click, a reload, two tabs; what is owed by then is shown again."""
        card = a_card(owing, at=AT)
        review = self.review(owner_client, how_much="part", amount="50", method=str(card.pk))
        data = {**self.fields(review), "confirmed": "yes"}
        assert owner_client.post(PAY, data).status_code == 302
        again = owner_client.post(PAY, data)
        assert again.status_code == 200
        assert "has changed since you saw it" in text(again)
        assert Payment.objects.count() == 1

    def test_what_is_on_its_way_is_not_begun_again(self, owing: Account, owner_client: Client) -> None:
        card = a_card(owing, "asks", at=AT)
        review = self.review(owner_client, how_much="all", method=str(card.pk))
        data = {**self.fields(review), "confirmed": "yes"}
        assert (
            owner_client.post(PAY, data).headers["Location"]
            == owner_client.post(PAY, data).headers["Location"]
        )
        assert Collection.objects.count() == 1
        assert "waits for your confirmation" in text(owner_client.get(PAY))
        assert "waits for your confirmation" in text(owner_client.get(PAGE))

    def test_an_amount_that_changed_is_shown_and_not_charged(
        self, owing: Account, owner_client: Client
    ) -> None:
        card = a_card(owing, at=AT)
        review = self.review(owner_client, how_much="all", method=str(card.pk))
        transfer(owing, Decimal(10), TODAY, actor=TESTS, at=AT)
        data = {**self.fields(review), "confirmed": "yes"}
        answer = owner_client.post(PAY, data)
        assert "You owe 170.00 USD" in text(answer)
        assert not Collection.objects.exists()

    @pytest.mark.parametrize(
        ("data", "field", "words"),
        [
            ({}, "how_much", "Choose how much"),
            ({"how_much": "part"}, "amount", "Enter an amount"),
            ({"how_much": "part", "amount": "x"}, "amount", "Enter an amount"),
            ({"how_much": "part", "amount": "0"}, "amount", "above zero"),
            ({"how_much": "part", "amount": "-4"}, "amount", "above zero"),
            ({"how_much": "part", "amount": "1.005"}, "amount", "above zero"),
            ({"how_much": "part", "amount": "180.01"}, "amount", "You owe 180.00 USD"),
            ({"how_much": "all", "method": "999"}, "method", "Select a valid choice"),
            ({"how_much": "all", "method": ""}, "method", "Choose a card"),
        ],
    )
    def test_bad_input_is_told_by_its_field(
        self, owing: Account, owner_client: Client, data: dict[str, str], field: str, words: str
    ) -> None:
        card = a_card(owing, at=AT)
        answer = owner_client.post(PAY, {"method": str(card.pk), **data, "confirmed": "yes"})
        assert answer.status_code == 200
        assert words in answer.context["form"].errors[field][0]
        assert not Collection.objects.exists()

    def test_another_accounts_card_cannot_be_chosen(
        self, owing: Account, other: Account, owner_client: Client
    ) -> None:
        """ACC-4."""
        a_card(owing, at=AT)
        theirs = a_card(other, at=AT)
        answer = owner_client.post(PAY, {"how_much": "all", "method": str(theirs.pk), "confirmed": "yes"})
        assert "method" in answer.context["form"].errors

    def test_without_a_card_and_without_a_debt(self, account: Account, owner_client: Client) -> None:
        assert "Nothing is owed" in text(owner_client.get(PAY))
        invoiced(account, Decimal(10), TODAY, actor=TESTS, at=AT)
        assert "No card is saved" in text(owner_client.get(PAY))


def test_collecting_by_card_is_switched_and_kept_in_the_trail(
    account: Account, role_client: Callable[[Role], Client]
) -> None:
    """INV-6, ACC-5: the billing role may, too."""
    client = role_client(Role.BILLING)
    assert client.post(f"{HOME}collect-by-card/", {"on": "no"}).headers["Location"] == PAGE
    assert not Account.objects.get(pk=account.pk).collects_by_card
    client.post(f"{HOME}collect-by-card/", {"on": "no"})
    client.post(f"{HOME}collect-by-card/", {"on": "yes"})
    assert Account.objects.get(pk=account.pk).collects_by_card
    assert AuditEntry.objects.filter(account=account, action="collect-by-card").count() == 2


class TestStatement:
    @pytest.fixture
    def moved(self, owing: Account, owner_client: Client) -> Account:
        """January 20: 100.00; February 20: 80.00; 100.00 paid on the 21st; today 90.00, of which 4.00 go back."""
        transfer(owing, Decimal(100), date(2026, 2, 21), reference="First", actor=TESTS, at=AT)
        paid = transfer(owing, Decimal(90), TODAY, reference="Second", actor=TESTS, at=AT)
        ask_refund(paid, Decimal(4), reason="Too much", actor=TESTS, at=AT)
        return owing

    def test_it_reconciles(self, moved: Account, owner_client: Client) -> None:
        page = owner_client.get(STATEMENT, {"from": "2026-02-01", "to": "2026-03-02"})
        found = page.context["statement"]
        assert found.opening == 100
        assert [(entry.kind, entry.amount, entry.balance) for entry in found.entries] == [
            ("invoice", 80, 180),
            ("payment", -100, 80),
            ("payment", -90, -10),
            ("refund", 4, -6),
        ]
        assert found.closing == balance_of(moved, TODAY).owed == -6
        assert "Credit at the end" in text(page)

    def test_the_file_is_the_same(self, moved: Account, owner_client: Client) -> None:
        found = rows(owner_client.get(f"{HOME}statement.csv", {"from": "2026-02-01", "to": "2026-03-02"}))
        assert [row[1] for row in found[1:]] == [
            "opening balance", "invoice", "payment", "payment", "refund", "closing balance",
        ]  # fmt: skip
        assert [row[-2] for row in found[1:]] == ["100.00", "180.00", "80.00", "-10.00", "-6.00", "-6.00"]

    @pytest.mark.parametrize("query", [{"from": "soon"}, {"from": "2026-03-02", "to": "2026-03-01"}])
    def test_days_that_cannot_be_are_told_by_their_field(
        self, account: Account, owner_client: Client, query: dict[str, str]
    ) -> None:
        answer = owner_client.get(STATEMENT, query)
        assert answer.status_code == 400
        assert answer.context["form"].errors
        assert owner_client.get(f"{HOME}statement.csv", query).status_code == 400

    def test_a_long_one_comes_in_parts_that_go_on_from_each_other(
        self, account: Account, owner_client: Client
    ) -> None:
        for _ in range(205):
            transfer(account, Decimal(1), TODAY, actor=TESTS, at=AT)
        days = {"from": "2026-03-01", "to": "2026-03-02"}
        first = owner_client.get(STATEMENT, days)
        assert len(first.context["rows"]) == 200
        second = owner_client.get(STATEMENT, {**days, "row": "201"})
        assert (len(second.context["rows"]), second.context["before"]) == (5, -200)

    def test_another_accounts_statement_is_not_there(self, other: Account, owner_client: Client) -> None:
        """ACC-4."""
        assert owner_client.get("/a/elsewhere/billing/statement/").status_code == 404
