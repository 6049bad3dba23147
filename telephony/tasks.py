"""What beat and the workers do for telephony: the warnings before automatic activation (ONB-9).

The activation itself is one of the triggers that the hourly tick of billing fires.
"""

from __future__ import annotations

from celery import shared_task
from celery.signals import worker_ready
from django.db import OperationalError
from django.utils import timezone

from telephony.deadlines import warn_due


@shared_task(
    name="telephony.tasks.warn",
    autoretry_for=(OperationalError,),
    retry_backoff=2,
    retry_backoff_max=60,
    max_retries=5,
)
def warn() -> None:
    """Send the warnings that are due; accounts reach a day at their own midnight, so it comes every hour."""
    warn_due(timezone.now())


@worker_ready.connect
def catch_up(**_: object) -> None:
    """A worker is there: make up for what was missed while there was none (BIL-8)."""
    warn.delay()
