"""What may still happen to an issued invoice: it is paid, made void, or corrected by a credit note (INV-1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.engine import Section, minor_unit
from billing.gather import decimals_of
from billing.issuing import draw_numbers
from billing.models import Invoice, InvoiceKind, InvoiceLine, InvoiceState

RULE = "INV-1"


@dataclass(frozen=True, slots=True)
class LineLeft:
    """A line of an invoice, and how much of its amount no credit note has taken back yet."""

    line: InvoiceLine
    left: Decimal


@dataclass(frozen=True, slots=True)
class Correctable:
    """What of an invoice can still be credited: by line, and in all."""

    lines: tuple[LineLeft, ...]
    credited: Decimal
    left: Decimal


def settle_invoice(invoice: Invoice, *, on: date, reference: str, actor: Actor, at: datetime) -> Invoice:
    """The invoice has been paid on the account's own day `on`; its open credit notes are used up with it.

    Raises Refused where it is not open, for a day to come, or one before its issue.
    """
    with transaction.atomic():
        locked = _locked(invoice)
        _check_open(locked, "marked as paid")
        if on > locked.account.local_date(at):
            raise Refused("This day is still to come.", rule=RULE, field="on")
        if on < locked.issued_on:
            raise Refused(
                f"The invoice was issued on {locked.issued_on:%B %-d, %Y}; it cannot be paid before that.",
                rule=RULE,
                field="on",
            )
        _settle(locked, on, reference, actor, at)
        for note in _open_notes(locked):
            _settle(note, on, f"Used with {locked.number}", actor, at)
    return locked


def void_invoice(invoice: Invoice, *, reason: str, actor: Actor, at: datetime) -> Invoice:
    """The invoice is no longer owed; it keeps its number. What is on it is not billed again.

    Raises Refused where it is not open, or a credit note corrects it already.
    """
    with transaction.atomic():
        locked = _locked(invoice)
        _check_open(locked, "made void")
        if _notes(locked).exists():
            raise Refused(
                "A credit note corrects this invoice already. Credit the rest of it instead.", rule=RULE
            )
        locked.void(reason)
        locked.save(update_fields=["state", "void_reason"])
        record(
            locked.account,
            "void-invoice",
            locked,
            f"{_title(locked)} made void: {reason}",
            actor=actor,
            at=at,
            before={"state": InvoiceState.ISSUED.value},
            after={"state": locked.state, "reason": reason},
        )
    return locked


def correctable(invoice: Invoice) -> Correctable:
    """What of an invoice can still be credited: lines with an amount, less earlier credit notes. Two queries.

    Neither a line nor the whole is ever credited beyond what was invoiced.
    """
    taken: dict[int, Decimal] = defaultdict(Decimal)
    credited = Decimal(0)
    of_notes = InvoiceLine.objects.filter(
        invoice__corrects=invoice, invoice__kind=InvoiceKind.CREDIT_NOTE
    ).exclude(invoice__state=InvoiceState.VOID)
    for position, amount in of_notes.values_list("corrects_position", "amount"):
        credited -= amount
        if position is not None:
            taken[position] -= amount
    lines = tuple(
        LineLeft(line, max(Decimal(0), line.amount - taken[line.position]))
        for line in InvoiceLine.objects.filter(invoice=invoice).order_by("position")
        if line.amount > 0
    )
    return Correctable(lines, credited, max(Decimal(0), invoice.total - credited))


def check_credit(invoice: Invoice, amounts: Mapping[int, Decimal]) -> Decimal:
    """What a credit note of these amounts would come to. Raises Refused where it would be refused now."""
    return sum((amount for _, amount in _chosen(invoice, correctable(invoice), amounts)), Decimal(0))


def credit_invoice(
    invoice: Invoice,
    amounts: Mapping[int, Decimal],
    *,
    reason: str,
    actor: Actor,
    at: datetime,
    seen: Decimal | None = None,
) -> Invoice:
    """A credit note that takes back amounts of an invoice's lines, by their position; returns it.

    Amounts are positive, in whole minor units. The note has a number of the same series, refers to
    the invoice and leaves it as it is. An open invoice that is credited in full is settled by it.
    `seen`: how much had been credited when the person decided; somebody else's note since then
    refuses this one, so a form that is sent twice credits once. Raises Refused.
    """
    with transaction.atomic():
        locked = _locked(invoice)
        can = correctable(locked)
        if seen is not None and seen != can.credited:
            raise Refused(
                "This invoice has been credited since you opened the page. Look at what is left, then decide.",
                rule=RULE,
            )
        chosen = _chosen(locked, can, amounts)
        note = _write_note(locked, chosen, reason, at)
        total = _amount(note.total, note)
        record(
            locked.account,
            "issue-credit-note",
            note,
            f"Credit note {note.number} of {total} issued for {locked.number}: {reason}",
            actor=actor,
            at=at,
            after={"corrects": locked.number, "total": note.total, "reason": reason},
        )
        if locked.state == InvoiceState.ISSUED and can.left + note.total == 0:
            on = locked.account.local_date(at)
            _settle(locked, on, f"Credit note {note.number}", actor, at)
            for open_note in _open_notes(locked):
                _settle(open_note, on, f"Used with {locked.number}", actor, at)
            note = Invoice.objects.get(pk=note.pk)
    return note


def _locked(invoice: Invoice) -> Invoice:
    return (
        Invoice.objects.select_for_update(of=("self",)).select_related("account", "brand").get(pk=invoice.pk)
    )


def _notes(invoice: Invoice) -> QuerySet[Invoice]:
    notes = Invoice.objects.filter(corrects=invoice, kind=InvoiceKind.CREDIT_NOTE)
    return notes.exclude(state=InvoiceState.VOID)


def _open_notes(invoice: Invoice) -> list[Invoice]:
    notes = _notes(invoice).filter(state=InvoiceState.ISSUED)
    return list(notes.select_for_update(of=("self",)).select_related("account").order_by("pk"))


def _check_open(invoice: Invoice, what: str) -> None:
    if invoice.state != InvoiceState.ISSUED:
        state = InvoiceState(invoice.state).label.lower()
        raise Refused(
            f"{_title(invoice)} is {state}, so it cannot be {what}. Nothing was changed.", rule=RULE
        )


def _settle(invoice: Invoice, on: date, reference: str, actor: Actor, at: datetime) -> None:
    invoice.settle(on, reference)
    invoice.save(update_fields=["state", "paid_on", "payment_reference"])
    record(
        invoice.account,
        "settle-invoice",
        invoice,
        f"{_title(invoice)} paid on {on:%b %-d, %Y}: {reference}",
        actor=actor,
        at=at,
        before={"state": InvoiceState.ISSUED.value},
        after={"state": invoice.state, "paid_on": on, "reference": reference},
    )


def _chosen(
    invoice: Invoice, can: Correctable, amounts: Mapping[int, Decimal]
) -> list[tuple[InvoiceLine, Decimal]]:
    """The lines with what is credited of each. Raises Refused where that is too much, or nothing at all."""
    is_issued = invoice.state in (InvoiceState.ISSUED, InvoiceState.PAID)
    if not is_issued or invoice.kind == InvoiceKind.CREDIT_NOTE:
        raise Refused("Only an invoice that is issued or paid can be credited.", rule=RULE)
    left = {each.line.position: each for each in can.lines}
    unit = minor_unit(decimals_of(invoice.currency))
    chosen = []
    for position, amount in sorted(amounts.items()):
        if amount == 0:
            continue
        field = f"line_{position}"
        found = left.get(position)
        if found is None:
            raise Refused(f"There is nothing to credit on line {position}.", rule=RULE, field=field)
        if amount < 0 or amount != amount.quantize(unit):
            raise Refused(
                f"Credit an amount above zero in whole steps of {unit} {invoice.currency}.",
                rule=RULE,
                field=field,
            )
        if amount > found.left:
            raise Refused(
                f"Of line {position} at most {_amount(found.left, invoice)} can be credited.",
                rule=RULE,
                field=field,
            )
        chosen.append((found.line, amount))
    total = sum((amount for _, amount in chosen), Decimal(0))
    if total == 0:
        raise Refused("Say how much of which line is credited.", rule=RULE)
    if total > can.left:
        raise Refused(
            f"{_amount(total, invoice)} is more than the {_amount(can.left, invoice)} that is left of "
            f"{invoice.number}: its credits count too.",
            rule=RULE,
        )
    return chosen


def _write_note(
    invoice: Invoice, chosen: list[tuple[InvoiceLine, Decimal]], reason: str, at: datetime
) -> Invoice:
    on = invoice.account.local_date(at)
    tax = sum((amount for line, amount in chosen if line.section == Section.TAX), Decimal(0))
    total = sum((amount for _, amount in chosen), Decimal(0))
    note = Invoice(
        account=invoice.account,
        brand=invoice.brand,
        kind=InvoiceKind.CREDIT_NOTE,
        issued_on=on,
        due_on=on,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        currency=invoice.currency,
        subtotal=tax - total,
        tax=-tax,
        total=-total,
        corrects=invoice,
    )
    ((sequence, number),) = draw_numbers([invoice.brand_id])
    note.issue(number, sequence, at)
    note.save()
    InvoiceLine.objects.bulk_create(
        [
            _note_line(note, position, line, amount, f"{invoice.number}, line {line.position}: {reason}")
            for position, (line, amount) in enumerate(chosen, start=1)
        ],
        batch_size=1000,
    )
    return note


def _note_line(note: Invoice, position: int, line: InvoiceLine, amount: Decimal, why: str) -> InvoiceLine:
    """What is taken back of a line: the same thing and the same books, once, with the amount below zero."""
    return InvoiceLine(
        invoice=note,
        position=position,
        section=line.section if line.section == Section.TAX else Section.CREDIT.value,
        product=line.product,
        description=line.description,
        quantity=1,
        unit_price=amount,
        starts_on=line.starts_on,
        ends_on=line.ends_on,
        amount=-amount,
        subscription=line.subscription,
        subject=line.subject,
        subject_label=line.subject_label,
        holder=line.holder,
        rule=RULE,
        why=why[:300],
        ledger_code=line.ledger_code,
        tax_category=line.tax_category,
        charges=line.charges,
        corrects_position=line.position,
    )


def _title(invoice: Invoice) -> str:
    kind = "Credit note" if invoice.kind == InvoiceKind.CREDIT_NOTE else "Invoice"
    return f"{kind} {invoice.number}"


def _amount(amount: Decimal, invoice: Invoice) -> str:
    return f"{amount.quantize(minor_unit(decimals_of(invoice.currency)))} {invoice.currency}"
