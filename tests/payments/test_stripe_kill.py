"""A process that is killed with a payment in its hands: what Stripe took is booked once, by whoever comes (INV-6)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.utils import timezone

from billing.models import Collection, CollectionState, Payment, PaymentMethod
from billing.payments.collecting import LEASE, begin_collection, reconcile
from billing.payments.gateways.stripe_gateway import StripeGateway
from billing.payments.methods import begin_card, finish_card
from tests import factories
from tests.factories import TESTS
from tests.paying import invoiced
from tests.staff.test_worker import ROOT, database_url
from tests.stripe_peer import KEY, StripePeer

PATIENCE = 60.0
State = CollectionState

# What the process runs: it brings a payment on, and is killed where the text in the middle says.
DRIVE = """
import os, signal
import django
django.setup()
from django.utils import timezone
from accounts.trail import Actor
from billing.models import Collection
from billing.payments import collecting
from billing.payments.gateways.stripe_gateway import StripeGateway

def killed(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

{where}
found = Collection.objects.get(pk={key})
collecting.drive(found, actor=Actor.for_task("killed"), clock=timezone.now)
"""
BEFORE_PREPARE = "StripeGateway.prepare = killed"
BEFORE_ITS_ID_IS_KEPT = """
prepare = StripeGateway.prepare
StripeGateway.prepare = lambda *args: killed(prepare(*args))
"""
BEFORE_CONFIRM = "StripeGateway.confirm = killed"
BEFORE_BOOKING = "collecting._book = killed"
WITHIN_BOOKING = "collecting.receive_payment = killed"
NOWHERE = ""


@pytest.fixture
def collection(transactional_db: None, stripe_gateway: StripeGateway, stripe_peer: StripePeer) -> Collection:
    """Ten dollars that are owed, and to be taken."""
    account = factories.AccountFactory()
    at = timezone.now()
    setup = begin_card(account, return_url=lambda _: "https://x.example", next_url="/", actor=TESTS, at=at)
    stripe_peer.enter_card(setup.gateway_id)
    card = finish_card(setup, actor=TESTS, at=at)
    assert isinstance(card, PaymentMethod)
    invoiced(account, Decimal(10), account.local_date(at), actor=TESTS, at=at)
    return begin_collection(account, Decimal(10), card, off_session=True, actor=TESTS, at=at)


@contextmanager
def driving(collection: Collection, peer: StripePeer, where: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the panel's at work on a payment."""
    with subprocess.Popen(
        [sys.executable, "-c", DRIVE.format(where=where, key=collection.pk)],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(settings.DATA_DIR),
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "controlpanel.settings",
            "STRIPE_SECRET_KEY": KEY,
            "STRIPE_API_BASE": peer.url,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(is_so: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < end
        time.sleep(0.05)


def assert_paid_once(collection: Collection, peer: StripePeer) -> None:
    """After one run of the task, as soon as the dead one's lease is over."""
    assert Collection.objects.get(pk=collection.pk).is_live
    assert not Payment.objects.exists()
    reconcile(timezone.now)
    assert Collection.objects.get(pk=collection.pk).is_live
    later = timezone.now() + LEASE + timedelta(seconds=1)
    reconcile(lambda: later)
    found = Collection.objects.get(pk=collection.pk)
    assert found.state == State.SUCCEEDED
    (charge,) = peer.charges()
    assert (charge["intent"], charge["amount"]) == (found.gateway_id, 1000)
    assert Payment.objects.get().gateway_id == found.gateway_id
    reconcile(lambda: later + LEASE)
    assert (len(peer.charges()), Payment.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("where", "state", "charges"),
    [
        pytest.param(BEFORE_PREPARE, State.NEW, 0, id="before anything is asked"),
        pytest.param(BEFORE_ITS_ID_IS_KEPT, State.NEW, 0, id="before the intent is known"),
        pytest.param(BEFORE_CONFIRM, State.SENT, 0, id="between preparing and confirming"),
        pytest.param(BEFORE_BOOKING, State.SENT, 1, id="between confirming and booking"),
        pytest.param(WITHIN_BOOKING, State.SENT, 1, id="within booking"),
    ],
)
def test_killed_at_a_step(
    collection: Collection, stripe_peer: StripePeer, where: str, state: State, charges: int
) -> None:
    """INV-6: wherever it was."""
    with driving(collection, stripe_peer, where) as process:
        process.wait(PATIENCE)
        assert process.returncode == -signal.SIGKILL, process.communicate()[0].decode()
    assert Collection.objects.get(pk=collection.pk).state == state
    assert len(stripe_peer.charges()) == charges
    assert_paid_once(collection, stripe_peer)
    assert len(stripe_peer.intents()) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("done", [False, True])
def test_killed_while_it_waits_for_stripe(
    collection: Collection, stripe_peer: StripePeer, done: bool
) -> None:
    """INV-6: Stripe has charged, or has not begun to, and nobody is there for the answer."""
    stripe_peer.fail("confirm", "hang", done=done)
    with driving(collection, stripe_peer, NOWHERE) as process:
        wait_until(lambda: stripe_peer.calls("confirm"), process)
        if done:
            wait_until(stripe_peer.charges, process)
        process.kill()
        process.wait(PATIENCE)
    assert len(stripe_peer.charges()) == done
    assert_paid_once(collection, stripe_peer)
