"""``manage.py demo`` on a database without the demo: when it loads, when it does not, and never in production."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Account, Brand, User
from controlpanel.demo import loader
from tests.factories import AccountFactory


def told(*arguments: str) -> str:
    """What the command prints."""
    output = StringIO()
    call_command("demo", *arguments, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_ensure_leaves_a_database_alone_that_has_an_account() -> None:
    AccountFactory()
    assert "no demo" in told("--ensure")
    assert Account.objects.count() == 1


@pytest.mark.django_db
def test_ensure_loads_an_empty_database(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[datetime] = []
    monkeypatch.setattr("controlpanel.management.commands.demo.load", loaded.append)
    told("--ensure")
    assert len(loaded) == 1


@pytest.mark.django_db
def test_what_fails_half_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(now: datetime) -> Iterator[datetime]:
        # Soon after it begins: what the other stories would do until now takes the most of loading.
        yield now - timedelta(days=loader.DAYS - 5)
        assert Account.objects.exists()
        raise RuntimeError("half way")

    monkeypatch.setattr(loader, "schedule", broken)
    with pytest.raises(RuntimeError, match="half way"):
        loader.load(timezone.now())
    assert not Account.objects.exists()
    assert not Brand.objects.exists()
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("argument", ["--ensure", "--sign-ins"])
def test_production_gets_no_demo(settings: LazySettings, argument: str) -> None:
    """No default passwords outside the demo."""
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="PRODUCTION=1") as refused:
        told(argument)
    assert refused.value.returncode == 2
    assert not User.objects.exists()
