"""What pages read of payments: the lists of one account and of all, what they come to, and what settled what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db.models import (
    BigIntegerField,
    Count,
    DecimalField,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

from accounts.exporting import Cell
from accounts.models import Account
from billing.explain import whole
from billing.models import Invoice, InvoiceState, Payment, Refund, RefundState, Settlement

REFUND: Final = "refund"
WITH_CREDIT: Final = "credit"
BATCH: Final = 1000
_FINEST: Final = Decimal("0.0001")
_MONEY: Final = DecimalField(max_digits=18, decimal_places=4)

COLUMNS: Final = {
    "payment": "The payment's number in the panel",
    "date": "The day on which it came in, in the account's own time zone",
    "kind": "card, transfer or simulated",
    "brand": "Whose customer it is",
    "account": "The account's name in addresses",
    "account_name": "The account's name",
    "reference": "What the payment is known by",
    "currency": "ISO 4217",
    "amount": "What came in",
    "settled": "What of it has settled invoices",
    "refunded": "What of it has been given back, or is on its way",
    "left": "What of it is left as credit",
    "invoices": "The invoices that it settled, or parts of them",
    "recorded_at": "When it was recorded, in UTC",
    "recorded_by": "Who recorded it",
}


@dataclass(frozen=True, slots=True)
class Moved:
    """Money that came in, or, as a refund, went out, as a list of an account shows it; `amount` is then below zero.

    `place` orders those of one day by when they were written down.
    """

    on: date
    place: str
    payment: int
    kind: str
    label: str
    words: str
    amount: Decimal
    left: Decimal
    state: str


def moves_of(
    account: Account,
    *,
    search: str = "",
    kind: str = "",
    first: date | None = None,
    last: date | None = None,
) -> list[Moved]:
    """The account's payments and refunds. Two queries; they are as many as its months, not as its numbers.

    `kind`: one of Payment.Kind, REFUND, or WITH_CREDIT for payments that are not used up.
    """
    moves: list[Moved] = []
    if kind != REFUND:
        moves += [_paid(payment) for payment in _payments(account, search, kind, first, last)]
    if kind in ("", REFUND):
        moves += [_refunded(refund) for refund in _refunds(account, search, first, last)]
    return moves


def _payments(
    account: Account, search: str, kind: str, first: date | None, last: date | None
) -> QuerySet[Payment]:
    found = Payment.objects.filter(account=account)
    if kind == WITH_CREDIT:
        found = found.filter(left__gt=0)
    elif kind:
        found = found.filter(kind=kind)
    if first is not None:
        found = found.filter(on__gte=first)
    if last is not None:
        found = found.filter(on__lte=last)
    for word in search.split():
        found = found.filter(
            Q(reference__icontains=word)
            | Q(pk__in=Settlement.objects.filter(invoice__number__icontains=word).values("payment"))
        )
    return found


def _refunds(account: Account, search: str, first: date | None, last: date | None) -> QuerySet[Refund]:
    found = Refund.objects.filter(payment__account=account).select_related("payment")
    if first is not None:
        found = found.filter(on__gte=first)
    if last is not None:
        found = found.filter(on__lte=last)
    for word in search.split():
        found = found.filter(Q(reason__icontains=word) | Q(payment__reference__icontains=word))
    return found


def _paid(payment: Payment) -> Moved:
    return Moved(
        payment.on,
        f"{payment.recorded_at.isoformat()} a {payment.pk:012}",
        payment.pk,
        payment.kind,
        payment.get_kind_display(),
        payment.reference,
        payment.amount,
        payment.left,
        "",
    )


def _refunded(refund: Refund) -> Moved:
    return Moved(
        refund.on,
        f"{refund.asked_at.isoformat()} b {refund.pk:012}",
        refund.payment_id,
        REFUND,
        "Refund",
        refund.reason,
        -refund.amount,
        Decimal(0),
        refund.state,
    )


# --- one payment, one invoice ----------------------------------------------------------------


def settled_with(payment: Payment) -> list[Settlement]:
    """What a payment settled, in its order, with the invoices."""
    return list(payment.settlements.select_related("invoice").order_by("id"))


class Covered(NamedTuple):
    """How an invoice came to be settled, or a credit to be used: by what, how much of it, on which day.

    `payment` or `invoice` is where it leads: a payment's id, an invoice's or note's number.
    """

    words: str
    amount: Decimal
    on: date
    payment: int | None = None
    invoice: str | None = None


class Note(NamedTuple):
    """A credit note of an invoice: its number, its total below zero, and the day it was issued."""

    number: str
    total: Decimal
    on: date


class Story(NamedTuple):
    """What became of an invoice: what it was settled with, in its order, and the credit notes that correct it."""

    covered: list[Covered]
    notes: list[Note]


_NONE: Final = Value(None, output_field=BigIntegerField(null=True))
_STORY: Final = tuple(
    f"told_{name}" for name in ("what", "key", "number", "kind", "words", "sum", "day", "paid")
)


def story_of(invoice: Invoice) -> Story:
    """What became of an invoice; of a credit, what it was used for and what was refunded of it. One query."""
    rows = _of_credit(invoice) if invoice.total < 0 else _of_invoice(invoice)
    covered: list[Covered] = []
    notes: list[Note] = []
    for what, _, number, kind, words, amount, on, payment in sorted(rows, key=lambda row: (row[0], row[1])):
        if what == "note":
            notes.append(Note(number, amount, on))
        elif what == "refund":
            covered.append(Covered("Refunded", amount, on, payment))
        elif payment is not None:
            covered.append(Covered(f"{Payment.Kind(kind).label} {words}".strip(), amount, on, payment))
        else:
            said = "Used for" if what == "used" else "Credit of"
            covered.append(Covered(f"{said} {number}", amount, on, None, number))
    return Story(covered, notes)


_Row = tuple[str, int, str, str, str, Decimal, date, int | None]


def _rows_of(rows: QuerySet[Any], **columns: Any) -> QuerySet[Any, Any]:
    """Rows about an invoice in the columns of _STORY, to be united with others; a column by its name."""
    told = {f"told_{name}": column for name, column in columns.items()}
    found: QuerySet[Any, Any] = rows.order_by().annotate(**told).values_list(*_STORY)
    return found


def _of_invoice(invoice: Invoice) -> Iterable[_Row]:
    """What it was settled with, by payments and credits, and its credit notes."""
    settled = _rows_of(
        invoice.settlements.all(),
        what=Value("covered"),
        key=F("pk"),
        number=F("credit__number"),
        kind=F("payment__kind"),
        words=F("payment__reference"),
        sum=F("amount"),
        day=F("on"),
        paid=F("payment_id"),
    )
    notes = _rows_of(
        invoice.credit_notes.all(),
        what=Value("note"),
        key=F("pk"),
        number=F("number"),
        kind=Value(""),
        words=Value(""),
        sum=F("total"),
        day=F("issued_on"),
        paid=_NONE,
    )
    return settled.union(notes, all=True)


def _of_credit(invoice: Invoice) -> Iterable[_Row]:
    """What it was used for, and what was given back of it."""
    used = _rows_of(
        invoice.used_for.all(),
        what=Value("used"),
        key=F("pk"),
        number=F("invoice__number"),
        kind=Value(""),
        words=Value(""),
        sum=F("amount"),
        day=F("on"),
        paid=_NONE,
    )
    refunds = _rows_of(
        invoice.refunds.exclude(state=RefundState.FAILED),
        what=Value("refund"),
        key=F("pk"),
        number=F("credit__number"),
        kind=Value(""),
        words=Value(""),
        sum=F("amount"),
        day=F("on"),
        paid=F("payment_id"),
    )
    return used.union(refunds, all=True)


# --- all accounts ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PaymentFilters:
    """What the payments are narrowed to. Days are those on which they came in, both included.

    `search`: a reference, or an invoice's number that one settled; `account`: a name in addresses, or a part of
    a name; `has_credit`: only those that are not used up.
    """

    search: str = ""
    first: date | None = None
    last: date | None = None
    brand: int | None = None
    account: str = ""
    kind: str = ""
    currency: str = ""
    has_credit: bool = False


def payments_of_all(filters: PaymentFilters) -> QuerySet[Payment]:
    """The payments of all accounts that the filters let through; those of the simulator are nobody's business."""
    found = Payment.objects.filter(account__is_simulation=False)
    if filters.search:
        text = filters.search.strip()
        settled = Settlement.objects.filter(invoice__number=text.upper()).values("payment")
        found = found.filter(Q(reference__icontains=text) | Q(pk__in=settled))
    if filters.first is not None:
        found = found.filter(on__gte=filters.first)
    if filters.last is not None:
        found = found.filter(on__lte=filters.last)
    if filters.brand is not None:
        found = found.filter(account__brand=filters.brand)
    if filters.account:
        named = Account.objects.filter(Q(slug=filters.account) | Q(name__icontains=filters.account))
        found = found.filter(account__in=named.order_by().values("pk"))
    if filters.kind:
        found = found.filter(kind=filters.kind)
    if filters.currency:
        found = found.filter(currency=filters.currency)
    if filters.has_credit:
        found = found.filter(left__gt=0)
    return found


def with_refunded(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """The payments, each with what is refunded of it as `refunded`."""
    return payments.annotate(refunded=_refunded_of(OuterRef("pk")))


def _refunded_of(payment: OuterRef) -> Coalesce:
    kept = Refund.objects.filter(payment=payment).exclude(state=RefundState.FAILED).order_by()
    summed = kept.values("payment").annotate(sum=Sum("amount")).values("sum")
    return Coalesce(Subquery(summed, output_field=_MONEY), Value(Decimal(0), output_field=_MONEY))


@dataclass(frozen=True, slots=True)
class PaymentTotal:
    """What payments of one currency come to: `received`, of that `refunded` and `left` as credit."""

    currency: str
    payments: int
    received: Decimal
    refunded: Decimal
    left: Decimal


def totals_of_payments(payments: QuerySet[Payment]) -> list[PaymentTotal]:
    """The sums of the payments, a row for each currency. Two queries."""
    refunds = Refund.objects.filter(payment__in=payments.order_by().values("pk"))
    refunded = dict(
        refunds.exclude(state=RefundState.FAILED)
        .order_by()
        .values("payment__currency")
        .annotate(sum=Sum("amount"))
        .values_list("payment__currency", "sum")
    )
    rows = (
        payments.order_by()
        .values("currency")
        .annotate(payments=Count("pk"), sum=Sum("amount"), left_sum=Sum("left"))
        .order_by("currency")
        .values_list("currency", "payments", "sum", "left_sum")
    )
    return [
        PaymentTotal(currency, count, _exact(amount), _exact(refunded.get(currency)), _exact(left))
        for currency, count, amount, left in rows
    ]


def _exact(amount: Decimal | None) -> Decimal:
    return Decimal(0) if amount is None else amount.quantize(_FINEST)


def payment_rows(payments: QuerySet[Payment]) -> Iterator[list[Cell]]:
    """A row for each payment in the order of COLUMNS, newest first; memory stays what it is."""
    for batch in _batches(with_refunded(payments).select_related("account__brand")):
        numbers = _numbers([payment.pk for payment in batch])
        for payment in batch:
            account, currency = payment.account, payment.currency
            settled = sum((amount for _, amount in numbers.get(payment.pk, ())), Decimal(0))
            yield [
                payment.pk,
                payment.on,
                payment.kind,
                account.brand.name,
                account.slug,
                account.name,
                payment.reference,
                currency,
                whole(payment.amount, currency),
                whole(settled, currency),
                whole(vars(payment)["refunded"], currency),
                whole(payment.left, currency),
                "; ".join(number for number, _ in numbers.get(payment.pk, ())),
                payment.recorded_at,
                payment.recorded_by,
            ]


def _numbers(payments: Sequence[int]) -> dict[int, list[tuple[str, Decimal]]]:
    """The invoices that payments settled, with how much of each."""
    found: dict[int, list[tuple[str, Decimal]]] = {}
    rows = Settlement.objects.filter(payment__any_of=list(payments)).order_by("id")
    for payment, number, amount in rows.values_list("payment_id", "invoice__number", "amount"):
        if payment is not None:
            found.setdefault(payment, []).append((number or "", amount))
    return found


def _batches(payments: QuerySet[Payment]) -> Iterator[list[Payment]]:
    """The payments, newest first, each batch found by the key of the last one."""
    ordered = payments.order_by("-on", "-id")
    last: Payment | None = None
    while True:
        rest = ordered
        if last is not None:
            rest = ordered.filter(Q(on__lt=last.on) | Q(on=last.on, id__lt=last.pk), on__lte=last.on)
        batch = list(rest[:BATCH])
        yield batch
        if len(batch) < BATCH:
            return
        last = batch[-1]


# --- accounts with credit --------------------------------------------------------------------


def accounts_with_credit(
    *, search: str = "", brand: int | None = None, currency: str = ""
) -> QuerySet[Account]:
    """The accounts that have credit, with how much as `credit`: of payments, and of credits below zero."""
    found = (
        Account.objects.filter(is_simulation=False)
        .filter(
            Q(pk__in=Payment.objects.filter(left__gt=0).values("account"))
            | Q(pk__in=_open_credits().values("account"))
        )
        .annotate(credit=_sum_of(Payment.objects.filter(left__gt=0), "left") - _open_credit_sum())
        .filter(credit__gt=0)
        .select_related("brand")
    )
    if search:
        found = found.filter(Q(slug=search) | Q(name__icontains=search))
    if brand is not None:
        found = found.filter(brand=brand)
    return found.filter(currency=currency) if currency else found


def _open_credits() -> QuerySet[Invoice]:
    return Invoice.objects.filter(state=InvoiceState.ISSUED, total__lt=0)


def _sum_of(rows: QuerySet[Payment], field: str) -> Coalesce:
    own = rows.filter(account=OuterRef("pk")).order_by().values("account")
    summed = own.annotate(sum=Sum(field)).values("sum")
    return Coalesce(Subquery(summed, output_field=_MONEY), Value(Decimal(0), output_field=_MONEY))


def _open_credit_sum() -> Coalesce:
    """The open amounts of an account's credits: below zero."""
    own = _open_credits().filter(account=OuterRef("pk")).order_by().values("account")
    summed = own.annotate(sum=Sum("total") - Sum("settled")).values("sum")
    return Coalesce(Subquery(summed, output_field=_MONEY), Value(Decimal(0), output_field=_MONEY))


def credit_rows(accounts: Iterable[Account]) -> Iterator[list[Cell]]:
    """A row for each account with credit: brand, address, name, currency, credit."""
    for account in accounts:
        credit = whole(vars(account)["credit"], account.currency)
        yield [account.brand.name, account.slug, account.name, account.currency, credit]
