"""INV-6: the bank's file is judged line by line; what is matched is booked once, the rest waits for a person."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from accounts.models import Account, AuditEntry
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.models import BankFile, BankLine, BankLineState, Invoice, Payment, PlanOrder, Product
from billing.payments.banking import (
    Judged,
    Kind,
    assign_line,
    book_matched,
    dismiss_line,
    judge_file,
    read_amount,
    take_file,
    take_up_line,
)
from billing.plans.orders import place_order
from billing.queries import balance_of
from tests import factories
from tests.billing.world import an_account, on, price
from tests.paying import invoiced, transfer

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
HEADER = "date,amount,currency,payer,text,id"
ACTOR = Actor.for_command("tests")


@pytest.fixture
def account(db: None) -> Account:
    """Acme, whose invoices are CP-000001 of 100.00 and CP-000002 of 80.00, both open."""
    brand = factories.BrandFactory(invoice_prefix="CP")
    account = an_account(name="Acme", slug="acme", brand=brand)
    invoiced(account, Decimal(100), date(2026, 1, 15), **on(account, "01-15"))
    invoiced(account, Decimal(80), date(2026, 2, 15), **on(account, "02-15"))
    return account


@pytest.fixture
def other(account: Account) -> Account:
    """Praha, of another brand, in EUR: HP-000001 of 50.00."""
    brand = factories.BrandFactory(invoice_prefix="HP")
    other = an_account(name="Praha", slug="praha", brand=brand, currency="EUR", timezone="Europe/Prague")
    invoiced(other, Decimal(50), date(2026, 1, 15), **on(other, "01-15"))
    return other


def lines(*rows: str, header: str = HEADER) -> list[bytes]:
    return [f"{row}\n".encode() for row in (header, *rows)]


def row(amount: str, text: str, key: str = "b-1", *, currency: str = "USD", day: str = "2026-03-01") -> str:
    return f'{day},"{amount}",{currency},Somebody,"{text}",{key}'


def judged(*rows: str) -> Judged:
    return judge_file(lines(*rows), AT)


def verdict(amount: str, text: str, **options: str) -> tuple[str, str]:
    (found,) = judged(row(amount, text, **options)).verdicts
    return str(found.kind), found.reason


@pytest.mark.parametrize(
    "text",
    [
        "CP-000001",
        "cp 1",
        "CP1",
        "Invoice cp-01, thanks",
        "CP:000001",
        "(CP/1)",
        "re CP#1.",
        "PLAN-9 CP-000001",
    ],
)
def test_a_number_is_found_however_it_is_written(account: Account, text: str) -> None:
    assert verdict("100.00", text) == (Kind.MATCHED, "By CP-000001 and what is open of it")


@pytest.mark.parametrize("text", ["XCP-000001", "CP", "CP-0", "1", "thanks", "CP-0000011111111111"])
def test_what_is_no_number_names_nothing(account: Account, text: str) -> None:
    kind, reason = verdict("100.00", text)
    assert (kind, "names an invoice" in reason) == (Kind.WAITING, True)


@pytest.mark.parametrize(
    ("amount", "text", "reason"),
    [
        ("180.00", "CP 1 and CP 2", "By CP-000001, CP-000002 and what is open of them"),
        ("180.00", "CP 2", "By All that Acme owes"),
        ("80.00", "CP 1 and CP 2", "By CP-000002 and what is open of it"),
        ("80,00", "CP 2", "By CP-000002 and what is open of it"),
    ],
)
def test_the_amount_has_to_be_what_is_open(account: Account, amount: str, text: str, reason: str) -> None:
    assert verdict(amount, text) == (Kind.MATCHED, reason)


@pytest.mark.parametrize(
    ("amount", "text", "currency", "words"),
    [
        ("99.99", "CP 1", "USD", "CP-000001 is open with 100.00 USD. Acme owes 180.00 USD in all"),
        ("100.00", "CP 77", "USD", "There is no CP-000077."),
        ("100.00", "CP 1", "EUR", "It is in EUR, and Acme pays in USD."),
        ("100.00", "CP 1, HP 1", "USD", "belongs to several accounts"),
        ("100.00", "PLAN-12345", "USD", "There is no PLAN-12345."),
    ],
)
def test_anything_else_is_left_to_a_person(
    account: Account, other: Account, amount: str, text: str, currency: str, words: str
) -> None:
    kind, reason = verdict(amount, text, currency=currency)
    assert kind == Kind.WAITING
    assert words in reason


def test_what_is_paid_already_is_not_matched(account: Account) -> None:
    transfer(account, Decimal(100), date(2026, 2, 20), **on(account, "02-20"))
    kind, reason = verdict("100.00", "CP 1")
    assert (kind, reason[:20]) == (Kind.WAITING, "CP-000001 is paid. A")


def test_two_payments_of_one_invoice_in_a_file_are_not_both_matched(account: Account) -> None:
    first, second = judged(row("100.00", "CP 1", "b-1"), row("100.00", "CP 1", "b-2")).verdicts
    assert (first.kind, second.kind) == (Kind.MATCHED, Kind.WAITING)
    assert "is paid by a line above" in second.reason


def test_the_review_says_what_each_line_settles_after_those_before_it(account: Account) -> None:
    """INV-6: the oldest first, so the one that names the second invoice pays a part of the first."""
    first, second = judged(row("80.00", "CP 2", "b-1"), row("100.00", "CP 1", "b-2")).verdicts
    told = [
        [(str(share.invoice), share.amount) for share in each.match.foreseen.shares]
        for each in (first, second)
        if each.match is not None and each.match.foreseen is not None
    ]
    assert told == [
        [("CP-000001", Decimal(80))],
        [("CP-000001", Decimal(20)), ("CP-000002", Decimal(80))],
    ]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("soon,1.00,USD,x,y,b-1", "date"),
        ("2026-02-30,1.00,USD,x,y,b-1", "date"),
        ("2026-03-09,1.00,USD,x,y,b-1", "date"),
        ("2026-03-01,x,USD,x,y,b-1", "amount"),
        ('2026-03-01,"1,234",USD,x,y,b-1', "amount"),
        ("2026-03-01,0.00,USD,x,y,b-1", "amount"),
        ("2026-03-01,-5.00,USD,x,y,b-1", "amount"),
        ("2026-03-01,1.00,GBP,x,y,b-1", "currency"),
        ("2026-03-01,1.00,USD,x,y,", "id"),
        (f"2026-03-01,1.00,USD,x,y,{'b' * 81}", "id"),
        ("2026-03-01,1.00,USD,x", ""),
    ],
)
def test_a_line_that_cannot_be_is_refused_by_its_field(db: None, line: str, field: str) -> None:
    (found,) = judged(line).verdicts
    assert (found.kind, found.field) == (Kind.REFUSED, field)
    assert found.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "The file is empty"),
        (lines(), "a header and no lines"),
        (lines("x", header="date,amount"), "no column currency, payer, text, id"),
        (lines("x", header=f"{HEADER},id"), "names a column twice"),
        ([b"\xff\xfe"], "not in UTF-8"),
        ([b"date,\0"], "NUL"),
        (lines('2026-03-01,"1'), "cannot be read"),
        (lines(*["x"] * 5001), "more than 5,000 lines"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(db: None, content: list[bytes], words: str) -> None:
    with pytest.raises(Refused, match=words):
        judge_file(content, AT)


def test_semicolons_other_columns_and_any_order(account: Account) -> None:
    content = lines("b-1;CP 1;100,00;usd;20260301;x;y", header="id;text;amount;currency;date;payer;iban")
    (found,) = judge_file(content, AT).verdicts
    assert found.kind == Kind.MATCHED


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1234.56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("1 234,5", "1234.5"),
        ("1'234.50", "1234.50"),
        ("1234", "1234"),
        ("1,234,567", "1234567"),
    ],
)
def test_amounts_as_banks_write_them(text: str, amount: str) -> None:
    assert read_amount(text) == Decimal(amount)


def take(*rows: str) -> BankFile:
    file = take_file(lines(*rows), name="march.csv", actor=ACTOR, at=AT)
    book_matched(file=file, actor=ACTOR, at=AT)
    return file


def test_what_is_matched_is_booked_and_the_rest_waits(account: Account) -> None:
    file = take(row("100.00", "CP 1", "b-1"), row("9.00", "hello", "b-2"), row("x", "", "b-3"))
    states = {line.key: line.state for line in file.lines.all()}
    assert states == {"b-1": BankLineState.BOOKED, "b-2": BankLineState.WAITING}
    assert [(line, field) for line, field, *_ in file.refused] == [(4, "amount")]
    payment = Payment.objects.get(account=account)
    assert (payment.amount, payment.kind, payment.on, payment.left) == (
        Decimal(100),
        "transfer",
        date(2026, 3, 1),
        Decimal(0),
    )
    assert Invoice.objects.get(number="CP-000001").state == "paid"
    assert balance_of(account, date(2026, 3, 2)).owed == 80
    assert AuditEntry.objects.filter(action="take-bank-file").count() == 1


def test_the_same_line_counts_once_in_however_many_files(account: Account) -> None:
    take(row("100.00", "CP 1", "b-1"))
    again = judged(row("100.00", "CP 1", "b-1"), row("80.00", "CP 2", "b-2"), row("80.00", "CP 2", "b-2"))
    assert [each.kind for each in again.verdicts] == [Kind.KNOWN, Kind.MATCHED, Kind.KNOWN]
    with pytest.raises(Refused, match="all of these lines already"):
        take(row("100.00", "CP 1", "b-1"))
    assert Payment.objects.count() == 1


def test_another_amount_under_a_known_id_is_refused(account: Account) -> None:
    take(row("100.00", "CP 1", "b-1"))
    (found,) = judged(row("80.00", "CP 2", "b-1")).verdicts
    assert (found.kind, found.field) == (Kind.REFUSED, "id")
    assert "100.00 USD of 2026-03-01" in found.reason


def test_booking_again_books_nothing(account: Account) -> None:
    """A worker that was killed, or a second one, finds what is booked booked."""
    file = take(row("100.00", "CP 1", "b-1"))
    assert book_matched(file=file, actor=ACTOR, at=AT) == 0
    assert book_matched(actor=ACTOR, at=AT) == 0
    assert Payment.objects.count() == 1


def test_a_person_assigns_a_line_to_an_account(account: Account, other: Account) -> None:
    take(row("30.00", "hello", "b-1"))
    line = BankLine.objects.get()
    with pytest.raises(Refused, match="Praha pays in EUR"):
        assign_line(line, other, actor=ACTOR, at=AT)
    payment = assign_line(line, account, actor=ACTOR, at=AT)
    assert (payment.amount, payment.account) == (Decimal(30), account)
    with pytest.raises(Refused, match="dealt with already"):
        assign_line(line, account, actor=ACTOR, at=AT)
    assert Payment.objects.count() == 1
    assert AuditEntry.objects.filter(account=account, action="assign-bank-line").count() == 1


def test_a_person_dismisses_a_line_with_a_reason_and_takes_it_up_again(account: Account) -> None:
    take(row("30.00", "interest", "b-1"))
    line = BankLine.objects.get()
    dismiss_line(line, "Interest of our own", actor=ACTOR, at=AT)
    line = BankLine.objects.get()
    assert (line.state, line.why) == (BankLineState.DISMISSED, "Interest of our own")
    with pytest.raises(Refused):
        assign_line(line, account, actor=ACTOR, at=AT)
    take_up_line(line, actor=ACTOR, at=AT)
    assign_line(line, account, actor=ACTOR, at=AT)
    actions = (
        AuditEntry.objects.filter(target_kind="bankline").order_by("pk").values_list("action", flat=True)
    )
    assert list(actions) == ["dismiss-bank-line", "take-up-bank-line", "assign-bank-line"]


@pytest.fixture
def order(account: Account) -> PlanOrder:
    """A plan that waits for a bank transfer, after all invoices are paid."""
    transfer(account, Decimal(180), date(2026, 2, 20), **on(account, "02-20"))
    plan = Product.objects.filter(family="plan").order_by("rank")[0]
    price(plan.pk, "20.00")
    return place_order(account, plan, 2, 1, by_transfer=True, actor=ACTOR, at=AT)


def test_a_plans_reference_and_amount_pay_for_it(order: PlanOrder) -> None:
    """PLN-3: the plan is active from the payment."""
    assert verdict("40.00", f"PLAN-{order.pk}") == (Kind.MATCHED, f"By PLAN-{order.pk} and its amount")
    take(row("40.00", f"plan {order.pk}", "b-1"))
    order = PlanOrder.objects.get(pk=order.pk)
    assert order.state == "paid"
    assert order.invoice is not None
    assert order.invoice.state == "paid"
    assert balance_of(order.account, date(2026, 3, 2)).owed == 0


def test_whatever_way_the_money_comes_it_pays_what_waits_for_a_transfer(order: PlanOrder) -> None:
    """INV-6, PLN-3: a transfer without any reference, in two parts."""
    transfer(order.account, Decimal(15), date(2026, 3, 1), actor=ACTOR, at=AT)
    assert PlanOrder.objects.get(pk=order.pk).state == "open"
    transfer(order.account, Decimal(30), date(2026, 3, 1), actor=ACTOR, at=AT)
    assert PlanOrder.objects.get(pk=order.pk).state == "paid"
    assert balance_of(order.account, date(2026, 3, 2)).credit == 5
