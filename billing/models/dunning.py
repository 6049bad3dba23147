"""What is done about an invoice that is due: how often its card was asked, and of what was reminded."""

from __future__ import annotations

from django.db import models

from billing.models.invoices import Invoice
from billing.models.payments import Collection


class Chase(models.Model):
    """What has been done to have an invoice paid; there is none before something was.

    Days are the account's own. `tries` were made since `began_on`, the last of them by `collection`; the next
    is made on `next_try_on`, None once there is none. `reminded_days`: the brand's reminder that went out
    last, as days after the due day.
    """

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, primary_key=True, related_name="chase")
    tries = models.PositiveSmallIntegerField(default=0)
    began_on = models.DateField(null=True, blank=True)
    next_try_on = models.DateField(null=True, blank=True)
    collection = models.ForeignKey(
        Collection, on_delete=models.PROTECT, null=True, blank=True, related_name="chases"
    )
    reminded_days = models.PositiveSmallIntegerField(null=True, blank=True)
    reminded_on = models.DateField(null=True, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(tries=0, began_on=None, next_try_on=None)
                | models.Q(tries__gt=0, began_on__isnull=False),
                name="chase_tries_began_on_a_day",
            ),
        )

    def __str__(self) -> str:
        return f"{self.invoice_id}: {self.tries}"
