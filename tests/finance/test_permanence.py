"""INV-1 in the database itself: what is issued is changed by no client of it, on either database."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from billing import permanence
from billing.models import Invoice, InvoiceLine
from tests.finance.conftest import copies

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)

OTHER: dict[str, Any] = {
    "account_id": 999_999,
    "brand_id": 999_999,
    "run_id": None,
    "kind": "plan",
    "number": "XX-1",
    "sequence": 77,
    "issued_on": date(2020, 1, 1),
    "issued_at": NOW,
    "due_on": date(2020, 1, 1),
    "period_start": date(2020, 1, 1),
    "period_end": date(2020, 1, 1),
    "currency": "EUR",
    "subtotal": 1,
    "tax": 1,
    "total": 1,
    "corrects_id": 1,
}


def refused(change: Callable[[], object]) -> None:
    with pytest.raises(IntegrityError, match="an issued invoice never changes"), transaction.atomic():
        change()


def test_every_column_that_stands_is_known() -> None:
    """A new column of the invoice is one thing or the other: this fails until somebody says which."""
    columns = {field.column for field in Invoice._meta.concrete_fields}
    assert columns == {*permanence.FOR_GOOD, *permanence.ONCE, *permanence.MOVES}
    assert set(OTHER) == {*permanence.FOR_GOOD} - {"id"}


@pytest.mark.parametrize("column", OTHER)
def test_no_column_of_an_issued_invoice_changes(invoice: Invoice, column: str) -> None:
    refused(lambda: Invoice.objects.filter(pk=invoice.pk).update(**{column: OTHER[column]}))


@pytest.mark.parametrize("state", ["paid", "void"])
def test_issued_becomes_paid_or_void_once(invoice: Invoice, state: str) -> None:
    rows = Invoice.objects.filter(pk=invoice.pk)
    paid = {"settled": F("total")} if state == "paid" else {}
    assert rows.update(state=state, payment_reference="x", **paid) == 1
    for back in ("issued", "draft", "void" if state == "paid" else "paid"):
        refused(partial(rows.update, state=back))
    refused(lambda: rows.update(payment_reference="y"))
    refused(lambda: rows.update(paid_on=date(2026, 1, 1)))
    refused(lambda: rows.update(void_reason="y"))


def test_an_issued_invoice_is_no_draft_again_and_has_no_payment_while_open(invoice: Invoice) -> None:
    rows = Invoice.objects.filter(pk=invoice.pk)
    refused(lambda: rows.update(state="draft"))
    refused(lambda: rows.update(paid_on=date(2026, 1, 1)))


def test_neither_invoice_nor_lines_are_deleted(invoice: Invoice) -> None:
    refused(lambda: InvoiceLine.objects.filter(invoice=invoice)._raw_delete("default"))
    refused(lambda: Invoice.objects.filter(pk=invoice.pk)._raw_delete("default"))
    assert InvoiceLine.objects.filter(invoice=invoice).count() == 2


@pytest.mark.parametrize("column", ["amount", "quantity", "days", "position"])
def test_no_line_changes(invoice: Invoice, column: str) -> None:
    refused(lambda: InvoiceLine.objects.filter(invoice=invoice).update(**{column: F(column) + 1}))


def test_lines_stay_when_the_invoice_is_paid(invoice: Invoice) -> None:
    Invoice.objects.filter(pk=invoice.pk).update(state="paid", settled=F("total"))
    refused(lambda: InvoiceLine.objects.filter(invoice=invoice).update(why="Because"))


def test_a_draft_may_still_be_changed_and_thrown_away(invoice: Invoice) -> None:
    copies(invoice, 1)
    values = {
        field.attname: getattr(invoice, field.attname)
        for field in Invoice._meta.concrete_fields
        if field.attname not in {"id", "number", "sequence", "kind", "state"}
    }
    draft = Invoice.objects.create(kind="plan", state="draft", **values)
    line = InvoiceLine.objects.filter(invoice=invoice).values().first()
    assert line is not None
    InvoiceLine.objects.create(**(line | {"id": None, "invoice_id": draft.pk}))
    assert Invoice.objects.filter(pk=draft.pk).update(total=5) == 1
    assert InvoiceLine.objects.filter(invoice=draft).update(amount=5) == 1
    InvoiceLine.objects.filter(invoice=draft).delete()
    Invoice.objects.get(pk=draft.pk).delete()
    assert not InvoiceLine.objects.filter(invoice=draft.pk).exists()
