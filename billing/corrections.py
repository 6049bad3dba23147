"""What may still happen to an issued invoice that is not paid: it is made void, or corrected (INV-1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.engine import Section, minor_unit
from billing.gather import decimals_of
from billing.issuing import draw_numbers
from billing.models import Invoice, InvoiceKind, InvoiceLine, InvoiceState
from billing.payments.settling import (
    amount_words,
    credit_toward,
    open_books,
    take_credit_back,
    tell_of_credit,
    use_credit,
)

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


def void_invoice(invoice: Invoice, *, reason: str, actor: Actor, at: datetime) -> Invoice:
    """The invoice is no longer owed; it keeps its number. What is on it is not billed again.

    Raises Refused where it is not open, a credit note corrects it already, or something has been paid of it.
    """
    with open_books(invoice.account):
        locked = _locked(invoice)
        check_open(locked, "made void")
        if _notes(locked).exists():
            raise Refused(
                "A credit note corrects this invoice already. Credit the rest of it instead.", rule=RULE
            )
        if locked.settled and locked.kind == InvoiceKind.CREDIT_NOTE:
            take_credit_back(locked)
        elif locked.settled:
            raise Refused("Part of this invoice has been paid. Credit it instead.", rule=RULE)
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
        tell_of_credit(locked.account, actor=actor, at=at)
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
    the invoice and leaves it as it is. It pays of the invoice what is open; the rest is the account's credit.
    `seen`: how much had been credited when the person decided; somebody else's note since then
    refuses this one, so a form that is sent twice credits once. Raises Refused.
    """
    with open_books(invoice.account):
        locked = _locked(invoice)
        can = correctable(locked)
        if seen is not None and seen != can.credited:
            raise Refused(
                "This invoice has been credited since you opened the page. Look at what is left, then decide.",
                rule=RULE,
            )
        chosen = _chosen(locked, can, amounts)
        note = _write_note(locked, chosen, reason, at)
        total = amount_words(note.total, note.currency)
        record(
            locked.account,
            "issue-credit-note",
            note,
            f"Credit note {note.number} of {total} issued for {locked.number}: {reason}",
            actor=actor,
            at=at,
            after={"corrects": locked.number, "total": note.total, "reason": reason},
        )
        if locked.state == InvoiceState.ISSUED:
            credit_toward(note, locked, actor=actor, at=at)
        use_credit(locked.account, actor=actor, at=at)
        tell_of_credit(locked.account, actor=actor, at=at)
        return Invoice.objects.get(pk=note.pk)


def _locked(invoice: Invoice) -> Invoice:
    return (
        Invoice.objects.select_for_update(of=("self",)).select_related("account", "brand").get(pk=invoice.pk)
    )


def _notes(invoice: Invoice) -> QuerySet[Invoice]:
    notes = Invoice.objects.filter(corrects=invoice, kind=InvoiceKind.CREDIT_NOTE)
    return notes.exclude(state=InvoiceState.VOID)


def check_open(invoice: Invoice, what: str) -> None:
    """Raise Refused for an invoice of which nothing is open, so that it cannot be `what`: paid, made void."""
    if invoice.state != InvoiceState.ISSUED:
        state = InvoiceState(invoice.state).label.lower()
        raise Refused(
            f"{_title(invoice)} is {state}, so it cannot be {what}. Nothing was changed.", rule=RULE
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
                f"Of line {position} at most {amount_words(found.left, invoice.currency)} can be credited.",
                rule=RULE,
                field=field,
            )
        chosen.append((found.line, amount))
    total = sum((amount for _, amount in chosen), Decimal(0))
    if total == 0:
        raise Refused("Say how much of which line is credited.", rule=RULE)
    if total > can.left:
        raise Refused(
            f"{amount_words(total, invoice.currency)} is more than the "
            f"{amount_words(can.left, invoice.currency)} that is left of {invoice.number}: its credits count too.",
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
