"""What beat and the workers do for telephony: the warnings before automatic activation, and imports (ONB-9, USE-1).

The activation itself is one of the triggers that the hourly tick of billing fires.
"""

from __future__ import annotations

from functools import partial

from celery import shared_task
from celery.signals import worker_ready
from django.db import OperationalError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.trail import Actor
from billing.models import UsageImport
from telephony.deadlines import warn_due
from telephony.usage_folder import look
from telephony.usage_import import run_import, sweep, unfinished

# Beat sends another one in a minute anyway.
_A_MINUTE = 60


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


@shared_task(name="telephony.tasks.look_for_usage")
def look_for_usage() -> None:
    """Take what has come into the watched folder, and go on with each import that is not finished.

    Among them are those whose workers died; the others are held by who is at them.
    """
    look(timezone.now())
    for found in unfinished():
        import_soon(found)
    sweep(timezone.now())


@shared_task(name="telephony.tasks.import_usage")
def import_usage(key: int) -> None:
    """Import what is left of a file, by the import's key."""
    found = UsageImport.objects.get(pk=key)
    run_import(found, actor=_actor_of(found), clock=timezone.now)


def import_soon(usage_import: UsageImport) -> None:
    """Have a worker import a file, once the transaction is through. What gets lost beat sends again."""
    send = partial(import_usage.apply_async, args=(usage_import.pk,), expires=_A_MINUTE)
    transaction.on_commit(send)


def _actor_of(usage_import: UsageImport) -> Actor:
    """Who uploaded the file; of one from the folder, the task."""
    if usage_import.source == UsageImport.Source.UPLOAD:
        user = User.objects.filter(email=usage_import.by).first()
        if user is not None:
            return Actor(user=user)
    return Actor.for_task("telephony.tasks.import_usage")


@worker_ready.connect
def catch_up(**_: object) -> None:
    """A worker is there: make up for what was missed while there was none (BIL-8)."""
    warn.delay()
