"""An account with a past: its actions and its daily schedule are played to a day, at which the clock stands."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import Account, AuditEntry, Role, User
from accounts.trail import Actor
from billing.invoicing import start_run
from billing.models import InvoiceRun, Price, Product
from billing.opening import start_of_day
from billing.simulate import run_schedule
from tests import factories

OPENED = date(2026, 1, 10)
TODAY = date(2026, 3, 2)

Event = Callable[[dict[str, Any]], object]


@dataclass
class Story:
    """What happens to an account, day by day: first what is scheduled, then the events."""

    account: Account
    actor: Actor
    played_to: date = OPENED - timedelta(days=1)
    events: dict[date, list[Event]] = field(default_factory=dict)

    def on(self, day: date, event: Event) -> None:
        """The event is given `actor` and `at`, noon of the day."""
        self.events.setdefault(day, []).append(event)

    def play(self, until: date = TODAY) -> None:
        """Play to the end of the day `until`."""
        at = datetime.combine(self.played_to, time(12), tzinfo=self.account.zone)
        run = start_run(at, trigger=InvoiceRun.Trigger.COMMAND, by="tests", at=at)
        while self.played_to < until:
            self.played_to += timedelta(days=1)
            run_schedule(self.account, run, start_of_day(self.account, self.played_to))
            noon = datetime.combine(self.played_to, time(12), tzinfo=self.account.zone)
            for event in self.events.get(self.played_to, []):
                event({"actor": self.actor, "at": noon})


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """It is 15:00 UTC on TODAY."""
    with time_machine.travel(datetime(2026, 3, 2, 15, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def account(db: None) -> Account:
    """An account of New York, billed on the 15th, whose UC licence is 29.99 a month."""
    found: Account = factories.AccountFactory(slug="acme", name="Acme", bdom=15, opened_on=OPENED)
    Price.objects.create(
        product_id="uc-licence",
        brand=found.brand,
        amount=Decimal("29.99"),
        amount_currency="USD",
        effective_on=OPENED,
    )
    return found


@pytest.fixture
def other(account: Account) -> Account:
    """Another customer's account, of the same brand."""
    found: Account = factories.AccountFactory(
        slug="elsewhere", name="Elsewhere", bdom=15, opened_on=OPENED, brand=account.brand
    )
    return found


@pytest.fixture
def owner(account: Account) -> User:
    return factories.member(account, Role.OWNER, full_name="Olivia Owner")


@pytest.fixture
def story(account: Account, owner: User) -> Story:
    return Story(account, Actor(user=owner, address="203.0.113.7"))


@pytest.fixture
def uc(db: None) -> Product:
    return Product.objects.get(pk="uc-licence")


def client_of(user: User) -> Client:
    """A browser that the person is signed in with."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner_client(owner: User) -> Client:
    return client_of(owner)


@pytest.fixture
def role_client(account: Account) -> Callable[[Role], Client]:
    """A browser of a member with a role."""
    return lambda role: client_of(factories.member(account, role))


def words_of(response: Any) -> str:
    """What the main part of a page says, as one line without markup."""
    content = response.content.decode()
    main = content[content.index("<main") : content.index("</main>")]
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())
    return re.sub(r" ([.,:;])", r"\1", words)


def entries() -> int:
    """How much is in the trail: nothing happens that is not there."""
    return AuditEntry.objects.count()
