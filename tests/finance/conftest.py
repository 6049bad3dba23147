"""An account with two invoices, and finance at the browser."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, User
from accounts.permissions import FINANCE, SUPPORT
from accounts.trail import Actor
from billing.licences import add_licences
from billing.models import Invoice, InvoiceLine
from tests import factories
from tests.billing.world import an_account, bill, invoices_of, on, price, product

Rows = list[dict[str, str]]


@pytest.fixture
def account(db: None) -> Account:
    """Northwind: BDOM 15, 5 licences of 31.00 since January 2; invoices of January 15 and February 15."""
    price("uc-licence", "31.00")
    account = an_account(
        slug="northwind", name="Northwind", brand=factories.BrandFactory(invoice_prefix="CP")
    )
    add_licences(account, product("uc-licence"), 5, **on(account, "01-02"))
    bill(account, "01-15")
    bill(account, "02-15")
    return account


@pytest.fixture
def invoice(account: Account) -> Invoice:
    """The first one, CP-000001: 6 of 31 days (30.00) and the month ahead (155.00), 185.00 in all."""
    return invoices_of(account)[0]


@pytest.fixture
def elsewhere(account: Account) -> Account:
    """Praha: another brand, in EUR, one invoice."""
    price("uc-licence", "28.00", "EUR")
    other = an_account(
        slug="praha",
        name="Praha Design",
        currency="EUR",
        timezone="Europe/Prague",
        brand=factories.BrandFactory(invoice_prefix="HP"),
    )
    add_licences(other, product("uc-licence"), 1, **on(other, "01-03"))
    bill(other, "01-15")
    return other


@pytest.fixture
def accountant(db: None) -> User:
    return factories.staff(FINANCE, email="fiona@provider.example", full_name="Fiona Finance")


@pytest.fixture
def actor(accountant: User) -> Actor:
    return Actor(user=accountant, address="203.0.113.9")


@pytest.fixture
def finance(accountant: User) -> Client:
    return client_of(accountant)


@pytest.fixture
def support(db: None) -> Client:
    return client_of(factories.staff(SUPPORT))


def client_of(user: User) -> Client:
    client = Client(REMOTE_ADDR="203.0.113.9")
    client.force_login(user)
    return client


@pytest.fixture
def file_of(finance: Client) -> Callable[..., Rows]:
    """``file_of("lines", q="CP-000001")``: a CSV file as rows by their column's name."""

    def file_of(name: str, **query: Any) -> Rows:
        response: Any = finance.get(f"/finance/{name}.csv", query)
        assert response.streaming
        assert response.status_code == 200
        text = b"".join(response.streaming_content).decode()
        return list(csv.DictReader(text.splitlines()))

    return file_of


def copies(invoice: Invoice, count: int, lines: int = 1) -> None:
    """So many more invoices like this one, each with some lines of 1.00."""
    first = (invoice.sequence or 0) + 1000
    invoices = [
        Invoice(
            account=invoice.account,
            brand=invoice.brand,
            kind="plan",
            state="issued",
            number=f"CP-{first + place:06d}",
            sequence=first + place,
            issued_on=invoice.issued_on,
            issued_at=invoice.issued_at,
            due_on=invoice.due_on,
            period_start=invoice.period_start,
            period_end=invoice.period_end,
            currency=invoice.currency,
            subtotal=lines,
            tax=0,
            total=lines,
        )
        for place in range(count)
    ]
    Invoice.objects.bulk_create(invoices)
    line = InvoiceLine.objects.filter(invoice=invoice).first()
    assert line is not None
    InvoiceLine.objects.bulk_create(
        [
            _copy(line, each, position)
            for each in Invoice.objects.filter(kind="plan")
            for position in range(1, lines + 1)
        ]
    )


def _copy(line: InvoiceLine, invoice: Invoice, position: int) -> InvoiceLine:
    values = {field.attname: getattr(line, field.attname) for field in InvoiceLine._meta.concrete_fields}
    return InvoiceLine(**(values | {"id": None, "invoice_id": invoice.pk, "position": position, "amount": 1}))
