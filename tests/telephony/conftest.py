"""An account with numbers, end users and services, on the day on which everything in tests happens."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AuditEntry, EndUser, Role, User
from billing.licences import UC_LICENCE, add_licences, assign_licence
from billing.models import Charge, Product
from telephony.models import Number, Service, ServiceKind
from telephony.numbers import add_number, assign_number
from telephony.services import add_service
from tests import factories
from tests.factories import AT, TESTS

Snapshot = Callable[[], dict[str, list[tuple[Any, ...]]]]


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    """The panel's clock stands at AT, so that dates on pages are known."""
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def account(db: None) -> Account:
    """Opened on February 20, billed on the 10th: its next invoice is that of March 10."""
    opened = date(2026, 2, 20)
    found: Account = factories.AccountFactory(slug="northwind", name="Northwind", opened_on=opened)
    return found


@pytest.fixture
def elsewhere(account: Account) -> Account:
    """Another account of the same brand."""
    found: Account = factories.AccountFactory(slug="elsewhere", name="Elsewhere", brand=account.brand)
    return found


@pytest.fixture
def owner(account: Account) -> User:
    return factories.member(account, Role.OWNER, full_name="Olivia Owner")


@pytest.fixture
def client(owner: User) -> Client:
    """The owner's browser."""
    client = Client(REMOTE_ADDR="203.0.113.7")
    client.force_login(owner)
    return client


@pytest.fixture
def reader(account: Account) -> Client:
    """The browser of a member who may only look."""
    client = Client()
    client.force_login(factories.member(account, Role.READ_ONLY))
    return client


@pytest.fixture
def dana(account: Account) -> EndUser:
    """An end user with a UC licence and no number."""
    return licensed(account, "Dana Whitfield", extension="1001")


@pytest.fixture
def lobby(account: Account) -> Service:
    return add_service(account, ServiceKind.RESOURCE_LINE, "Lobby", actor=TESTS, at=AT)


@pytest.fixture
def ring(account: Account) -> Service:
    """A hunt group: it needs no number."""
    return add_service(account, ServiceKind.HUNT_GROUP, "Ring all", actor=TESTS, at=AT)


@pytest.fixture
def number(account: Account) -> Number:
    """A parked local number, +12125550100."""
    return bought(account, "+12125550100")


@pytest.fixture
def everything() -> Snapshot:
    """``everything()`` is each row of the account's tables, to see that nothing changed."""

    def rows() -> dict[str, list[tuple[Any, ...]]]:
        models = [
            model
            for label in ("accounts", "billing", "telephony")
            for model in apps.get_app_config(label).get_models()
        ]
        return {
            model._meta.label: list(model._default_manager.order_by("pk").values_list())
            for model in models
            if model is not User
        }

    return rows


def licensed(account: Account, name: str, **details: str) -> EndUser:
    """An end user with a UC licence."""
    product = Product.objects.get(pk=UC_LICENCE)
    end_user: EndUser = factories.EndUserFactory(account=account, name=name, **details)
    add_licences(account, product, 1, actor=TESTS, at=AT)
    assign_licence(end_user, product, actor=TESTS, at=AT)
    return end_user


def bought(account: Account, typed: str, to: EndUser | Service | None = None) -> Number:
    """A number of the account, assigned where it says to whom."""
    number = add_number(account, typed, actor=TESTS, at=AT)
    if to is not None:
        assign_number(number, to=to, actor=TESTS, at=AT)
    return fresh(number)


def fresh(number: Number) -> Number:
    """The number as it is kept now."""
    return Number.objects.select_related("account", "end_user", "service").get(pk=number.pk)


def page(name: str, *args: object, account: str = "northwind") -> str:
    """The address of a page of telephony."""
    return reverse(f"telephony:{name}", args=[account, *args])


def text(response: Any) -> str:
    """What a page says."""
    content: bytes = response.content
    return content.decode()


def running(number: Number | Service) -> Charge | None:
    """The charge that runs for a number or a service."""
    kind = "number" if isinstance(number, Number) else "service"
    return Charge.objects.filter(subject=f"{kind}:{number.pk}", ended_on=None).first()


def last_action() -> str:
    """The kind of the latest change in the trail."""
    entry = AuditEntry.objects.first()
    return entry.action if entry else ""
