"""The overview, the list of invoices, one invoice in both of its parts, and the files."""

import csv
import io
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Role
from billing.licences import add_licences, remove_licences
from billing.models import Charge, Invoice, InvoiceLine, InvoiceState, Product
from telephony.models import ServiceKind
from telephony.services import add_service
from tests.billing_pages.conftest import OPENED, TODAY, Story
from tests.factories import AT, TESTS, staff
from tests.paying import pay

OVERVIEW = "/a/acme/billing/"
LIST = "/a/acme/billing/invoices/"

OpensCheaply = Callable[[Client, str], HttpResponseBase]


@pytest.fixture
def billed(story: Story, uc: Product) -> Invoice:
    """The invoice of Feb 15: five licences and a fax line of the front desk. The day is TODAY."""
    story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
    story.on(
        date(2026, 1, 20), lambda by: add_service(story.account, ServiceKind.FAX_LINE, "Front desk", **by)
    )
    story.play()
    return Invoice.objects.get(account=story.account)


def rows_of(client: Client, address: str) -> list[list[str]]:
    """The rows of a CSV file, its header first."""
    return list(csv.reader(io.StringIO(client.get(address).getvalue().decode())))


class TestOverview:
    def test_balance_next_and_what_is_not_billed_yet(
        self, story: Story, billed: Invoice, uc: Product, owner_client: Client
    ) -> None:
        """INV-7, BIL-11."""
        add_licences(story.account, uc, 2, actor=TESTS, at=AT)
        answer = owner_client.get(OVERVIEW)
        balance = answer.context["balance"]
        assert (balance.owed, balance.overdue, balance.open_invoices) == (billed.total, billed.total, 1)
        (row,) = answer.context["pending"]
        pending = row["pending"]
        assert (pending.begins_on, pending.monthly) == (date(2026, 3, 9), Decimal("59.98"))
        assert (pending.first_on, pending.first_amount) == (date(2026, 3, 15), Decimal("72.83"))
        draft = owner_client.get(f"{OVERVIEW}next/").context["draft"]
        assert answer.context["ahead"].total == draft.total

    def test_what_began_since_the_last_invoice_is_not_billed_yet(
        self, story: Story, billed: Invoice, owner_client: Client
    ) -> None:
        """A service without delay has begun, and no invoice holds it so far."""
        at = datetime(2026, 3, 1, 12, tzinfo=story.account.zone)
        add_service(story.account, ServiceKind.FAX_LINE, "Back office", actor=TESTS, at=at)
        (row,) = owner_client.get(OVERVIEW).context["pending"]
        assert (row["pending"].has_begun, row["subject"]) == (True, "Back office")

    def test_what_the_table_promises_is_billed(
        self, story: Story, uc: Product, billed: Invoice, owner_client: Client
    ) -> None:
        """The first amounts of what is not billed yet are what the next invoice holds more."""
        before = owner_client.get(f"{OVERVIEW}next/").context["draft"].total
        add_licences(story.account, uc, 3, actor=TESTS, at=AT)
        add_service(story.account, ServiceKind.WEBFAX, "Web", actor=TESTS, at=AT)
        promised = sum(row["pending"].first_amount for row in owner_client.get(OVERVIEW).context["pending"])
        assert owner_client.get(f"{OVERVIEW}next/").context["draft"].total == before + promised

    def test_an_empty_account(self, account: Account, owner_client: Client) -> None:
        page = owner_client.get(OVERVIEW).content.decode()
        assert "Nothing is owed" in page
        assert "No invoice yet" in page

    def test_a_credit_note_lessens_the_balance(self, billed: Invoice, owner_client: Client) -> None:
        """INV-1: corrections are credit notes."""
        credit_note(billed, "-100.00")
        assert owner_client.get(OVERVIEW).context["balance"].owed == billed.total - 100

    @pytest.mark.parametrize("role", list(Role))
    def test_every_member_reads_it(self, role: Role, role_client: Callable[[Role], Client]) -> None:
        """ACC-1: the billing role opens the billing pages."""
        assert role_client(role).get(OVERVIEW).status_code == 200

    @pytest.mark.parametrize("rows", [1, 60])
    def test_queries(
        self, rows: int, story: Story, billed: Invoice, opens_cheaply: OpensCheaply, owner_client: Client
    ) -> None:
        many_charges(story.account, rows)
        opens_cheaply(owner_client, OVERVIEW)
        opens_cheaply(owner_client, OVERVIEW)


def credit_note(invoice: Invoice, amount: str) -> Invoice:
    """A credit note for an invoice, as finance will issue it."""
    note = Invoice(
        account=invoice.account, brand=invoice.brand, kind="credit-note", issued_on=TODAY, due_on=TODAY,
        period_start=invoice.period_start, period_end=invoice.period_end, currency=invoice.currency,
        subtotal=Decimal(amount), tax=Decimal(0), total=Decimal(amount), corrects=invoice,
    )  # fmt: skip
    with transaction.atomic():
        note.save()
        InvoiceLine.objects.create(
            invoice=note, position=1, section="credit", product="uc-licence", description="UC licence",
            quantity=1, unit_price=Decimal(100), starts_on=TODAY, ends_on=TODAY, amount=Decimal(amount),
            rule="INV-1", why="billed by mistake", ledger_code="4000", tax_category="telecom",
        )  # fmt: skip
        note.issue(f"{invoice.brand.invoice_prefix}-009000", 9000, AT)
        note.save()
    return note


def many_charges(account: Account, rows: int) -> None:
    """Charges of numbers that wait, each of a day of its own."""
    Charge.objects.bulk_create(
        Charge(
            account=account, product_id="number-local", quantity=1, unit_price=Decimal("2.50"),
            added_on=TODAY, billing_starts_on=TODAY + timedelta(days=1 + place),
            start_recorded_on=TODAY, basis="parked", basis_on=TODAY, basis_days=30,
            subject=f"number:{place}", subject_label=f"+1212555{place:04d}",
        )
        for place in range(rows)
    )  # fmt: skip


class TestList:
    def test_shows_filters_and_sorts(self, story: Story, billed: Invoice, owner_client: Client) -> None:
        story.play(date(2026, 3, 20))
        second = Invoice.objects.latest("id")

        def shown(**query: str) -> list[str]:
            return [row[0].number for row in owner_client.get(LIST, query).context["rows"]]

        assert shown() == [second.number, billed.number]
        assert shown(sort="date") == [billed.number, second.number]
        assert shown(sort="-total") == [billed.number, second.number]
        assert shown(state="overdue") == [billed.number]
        assert shown(state="paid") == []
        assert shown(first="2026-03-01") == [second.number]
        assert shown(last="2026-03-01") == [billed.number]
        assert shown(q=str(billed.number)[-6:]) == [billed.number]
        assert shown(state="nonsense", first="x") == [second.number, billed.number]

    def test_drafts_are_not_shown(self, billed: Invoice, owner_client: Client) -> None:
        Invoice.objects.create(
            account=billed.account, brand=billed.brand, kind="plan", issued_on=TODAY, due_on=TODAY,
            period_start=TODAY, period_end=TODAY, currency="USD", subtotal=1, tax=0, total=1,
        )  # fmt: skip
        assert len(owner_client.get(LIST).context["rows"]) == 1

    def test_the_file_holds_the_same(self, billed: Invoice, owner_client: Client) -> None:
        header, row = rows_of(owner_client, "/a/acme/billing/invoices.csv")
        told = dict(zip(header, row, strict=True))
        assert told["number"] == billed.number
        assert Decimal(told["total"]) == billed.total
        assert len(told["total"].partition(".")[2]) == 2

    def test_says_how_it_begins(self, account: Account, owner_client: Client) -> None:
        assert "No invoice yet" in owner_client.get(LIST).content.decode()
        assert "Nothing matches" in owner_client.get(LIST, {"state": "paid"}).content.decode()

    def test_queries(self, billed: Invoice, opens_cheaply: OpensCheaply, owner_client: Client) -> None:
        opens_cheaply(owner_client, LIST)


class TestInvoice:
    def page(self, invoice: Invoice) -> str:
        return f"{LIST}{invoice.number}/"

    def test_sections_subtotals_and_parties(
        self, story: Story, uc: Product, billed: Invoice, owner_client: Client
    ) -> None:
        """INV-2: the sections in order, and their subtotals sum to the total."""
        remove_licences(story.account, uc, 1, actor=TESTS, at=AT)
        story.play(date(2026, 3, 15))
        invoice = Invoice.objects.latest("id")
        answer = owner_client.get(self.page(invoice))
        document = answer.context["document"]
        assert [section["label"] for section in document["sections"]] == ["Recurring charges", "Credits"]
        assert sum(section["subtotal"] for section in document["sections"]) == invoice.total
        page = answer.content.decode()
        assert story.account.brand.legal_name in page
        assert "Acme" in page
        assert f"Invoice before, {billed.number}" in page

    def test_the_second_part_groups_the_same_lines(self, billed: Invoice, owner_client: Client) -> None:
        """INV-2: by whom they serve, what serves nobody in particular first; the sums are the total."""
        holders = owner_client.get(self.page(billed)).context["holders"]
        assert [holder["label"] for holder in holders] == ["The whole account", "Front desk"]
        assert sum(holder["subtotal"] for holder in holders) == billed.total

    def test_credit_note_and_invoice_refer_to_each_other(self, billed: Invoice, owner_client: Client) -> None:
        """INV-1."""
        note = credit_note(billed, "-100.00")
        assert self.page(note) in owner_client.get(self.page(billed)).content.decode()
        page = owner_client.get(self.page(note)).content.decode()
        assert f"Credit note {note.number}" in page
        assert self.page(billed) in page

    def test_its_state_is_said(self, billed: Invoice, owner_client: Client) -> None:
        assert owner_client.get(self.page(billed)).context["document"]["state_label"] == "Overdue"
        pay(billed, on=TODAY, actor=TESTS, at=AT)
        assert Invoice.objects.get(pk=billed.pk).state == InvoiceState.PAID
        assert owner_client.get(self.page(billed)).context["document"]["state_label"] == "Paid"

    def test_another_accounts_invoice_is_not_there(
        self, billed: Invoice, other: Account, owner_client: Client
    ) -> None:
        """ACC-4: 404, as for a number that nobody has."""
        stranger = Client()
        stranger.force_login(staff("Finance"))
        assert stranger.get(f"/a/elsewhere/billing/invoices/{billed.number}/").status_code == 404
        assert owner_client.get(f"/a/elsewhere/billing/invoices/{billed.number}/").status_code == 404
        assert owner_client.get(f"{LIST}XX-000001/").status_code == 404
        assert owner_client.get(f"{LIST}XX-000001.csv").status_code == 404
        assert owner_client.get(f"{LIST}%00/").status_code == 404
        assert owner_client.get(f"{LIST}a%00b.csv").status_code == 404

    def test_its_lines_as_a_file(self, billed: Invoice, owner_client: Client) -> None:
        header, *rows = rows_of(owner_client, f"{LIST}{billed.number}.csv")
        told = [dict(zip(header, row, strict=True)) for row in rows]
        assert sum(Decimal(line["amount"]) for line in told) == billed.total
        first = told[0]
        assert (first["unit price"], first["days"], first["of days"]) == ("29.99", "29", "31")
        assert (first["from"], first["why"]) == ("2026-01-17", "7-day delay from 2026-01-10")

    @pytest.mark.parametrize("rows", [1, 210])
    def test_queries(
        self, rows: int, story: Story, billed: Invoice, opens_cheaply: OpensCheaply, owner_client: Client
    ) -> None:
        many_charges(story.account, rows)
        Charge.objects.filter(product="number-local").update(billing_starts_on=TODAY)
        story.play(date(2026, 3, 15))
        invoice = Invoice.objects.latest("id")
        answer = opens_cheaply(owner_client, self.page(invoice))
        assert answer.status_code == 200
        support = Client()
        support.force_login(staff("Support"))
        opens_cheaply(support, self.page(invoice))
