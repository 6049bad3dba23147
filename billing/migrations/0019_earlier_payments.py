"""What was paid before payments were kept becomes payments, so that statements and balances begin with it (INV-6)."""

from datetime import UTC, datetime, time

from django.db import migrations

BY = "migration"


def write_down(apps, schema_editor):
    """A payment for each paid invoice, less the credit notes that were used with it; a refund for each other note."""
    Invoice = apps.get_model("billing", "Invoice")
    paid = Invoice.objects.filter(state="paid")
    for invoice in paid.filter(total__gt=0, settlements=None).order_by("pk").iterator(chunk_size=500):
        _settle(apps, invoice)
    for credit in paid.filter(total__lt=0, used_for=None, refunds=None).order_by("pk").iterator(chunk_size=500):
        _use(apps, credit)


def _settle(apps, invoice):
    Payment, Settlement = (apps.get_model("billing", name) for name in ("Payment", "Settlement"))
    at = _instant(invoice.paid_on)
    left = invoice.total
    notes = invoice.credit_notes.filter(state="paid", used_for=None, total__lt=0)
    for note in notes.filter(payment_reference__startswith="Used with").order_by("pk"):
        amount = min(left, -note.total)
        if amount > 0:
            Settlement.objects.create(invoice=invoice, credit=note, amount=amount, on=invoice.paid_on, at=at)
            left -= amount
    if left > 0:
        payment = Payment.objects.create(
            account_id=invoice.account_id,
            kind="transfer",
            amount=left,
            left=0,
            currency=invoice.currency,
            on=invoice.paid_on,
            reference=invoice.payment_reference,
            recorded_at=at,
            recorded_by=BY,
        )
        Settlement.objects.create(invoice=invoice, payment=payment, amount=left, on=invoice.paid_on, at=at)


def _use(apps, credit):
    """A credit that was closed by itself was given back: a refund of the last payment before it."""
    Payment, Refund = (apps.get_model("billing", name) for name in ("Payment", "Refund"))
    payment = Payment.objects.filter(account_id=credit.account_id).order_by("-on", "-pk").first()
    if payment is not None:
        Refund.objects.create(
            payment=payment,
            credit=credit,
            amount=-credit.total,
            state="done",
            reason=credit.payment_reference or "Given back",
            on=credit.paid_on,
            asked_at=_instant(credit.paid_on),
            asked_by=BY,
            finished_at=_instant(credit.paid_on),
        )


def _instant(on):
    return datetime.combine(on, time(12), tzinfo=UTC)


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0018_bank_lines"),
    ]

    operations = [
        migrations.RunPython(write_down, migrations.RunPython.noop),
    ]
