"""BIL-6: another price for charges that run, from a BDOM to come, looked at before it is made."""

from dataclasses import replace
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounts.models import Account, AuditEntry
from accounts.trail import Actor
from billing.licences import add_licences
from billing.models import Charge
from billing.repricing import Effect, Repricing, effect_of, reached, reprice
from tests.billing.engine_facts import day
from tests.billing.world import an_account, bill, charges_of, issued_lines, on, price, product

ACTOR = Actor.for_command("reprice")


@pytest.fixture
def accounts(account: Account, elsewhere: Account) -> list[Account]:
    """Northwind with 5 at 31.00 in USD, Praha with one at 28.00 in EUR, Acme with 2 at 35.00 in USD and BDOM 31."""
    price("uc-licence", "35.00", since="2026-02-01")
    acme = an_account(31, "02-02", slug="acme", name="Acme", brand=elsewhere.brand)
    add_licences(acme, product("uc-licence"), 2, **on(acme, "02-03"))
    return [account, elsewhere, acme]


def wanted(**more: Any) -> Repricing:
    asked = Repricing(product("uc-licence"), Decimal(40), "USD", day("03-01"))
    return replace(asked, **more)


def test_the_effect_is_known_before(accounts: list[Account]) -> None:
    assert effect_of(wanted()) == Effect(2, 2, 7, 0, Decimal("225.0000"), Decimal(280))
    assert effect_of(wanted()).difference == 55
    assert effect_of(wanted(was=Decimal(31))).units == 5
    assert effect_of(wanted(brand=accounts[2].brand)).units == 2
    assert effect_of(wanted(accounts=("northwind",))).units == 5
    assert effect_of(wanted(currency="EUR")).units == 1
    assert not AuditEntry.objects.filter(action="reprice").exists()


def test_each_account_changes_on_its_own_billing_day(accounts: list[Account]) -> None:
    northwind, praha, acme = accounts
    assert reprice(wanted(), **on(northwind, "02-20")) == (2, 2)
    bill(northwind, "03-15")
    bill(acme, "03-31")
    assert issued_lines(northwind)["03-15"] == ["recurring uc-licence 5 · 03-15 to 04-15 · 31/31 · 200.00"]
    assert issued_lines(acme)["03-31"][-1] == "recurring uc-licence 2 · 03-31 to 04-30 · 30/30 · 80.00"
    assert [charge.unit_price for charge in charges_of(praha)] == [28]
    entry = AuditEntry.objects.get(action="reprice", account=northwind)
    assert entry.summary == "UC licence at 40 USD from Mar 15, 2026"


def test_doing_it_again_changes_nothing(accounts: list[Account]) -> None:
    """What was interrupted is finished by doing it again."""
    at = on(accounts[0], "02-20")
    reprice(wanted(accounts=("northwind",)), **at)
    assert reprice(wanted(), **at) == (1, 1)
    before = list(Charge.objects.order_by("pk").values())
    assert reprice(wanted(), **at) == (0, 0)
    assert list(Charge.objects.order_by("pk").values()) == before


def test_a_charge_without_a_price_has_it_from_its_beginning(accounts: list[Account]) -> None:
    """The way to mend an account that the run set aside."""
    acme = accounts[2]
    Charge.objects.filter(account=acme).update(unit_price=None)
    run = bill(acme, "02-28")
    assert run.failures == 1
    assert effect_of(wanted()).unpriced == 1
    reprice(wanted(accounts=("acme",)), **on(acme, "03-02"))
    (charge,) = charges_of(acme)
    assert charge.unit_price == 40
    assert charge.ended_on is None


def test_what_has_an_end_is_left_alone(accounts: list[Account]) -> None:
    Charge.objects.filter(account=accounts[0]).update(ended_on=day("04-01"), end_recorded_on=day("02-01"))
    assert [charge.account.slug for charge in reached(wanted())] == ["acme"]


# --- the command ---------------------------------------------------------------------------------


def told(*arguments: str) -> str:
    out = StringIO()
    with time_machine.travel(on(Account.objects.get(slug="northwind"), "02-20")["at"], tick=False):
        call_command("reprice", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_shows_and_changes_only_when_told_to(accounts: list[Account]) -> None:
    shown = told("uc-licence", "40", "usd", "--from", "2026-03-01")
    assert "2 charges of 2 accounts, 7 units" in shown
    assert "225.00 before, 280.00 after, difference +55.00 USD" in shown
    assert "Nothing was changed" in shown
    assert not Charge.objects.filter(unit_price=40).exists()
    done = told("uc-licence", "40", "USD", "--from", "2026-03-01", "--account", "acme", "--yes")
    assert "Changed: 1 charge of 1 account." in done
    assert "Nothing to change." in told(
        "uc-licence", "40", "USD", "--from", "2026-03-01", "--account", "acme", "--yes"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such", "40", "USD", "--from", "2026-03-01"), "no product “no-such”"),
        (("headset", "40", "USD", "--from", "2026-03-01"), "charged once"),
        (("uc-licence", "forty", "USD", "--from", "2026-03-01"), "“forty” is not a price"),
        (("uc-licence", "-1", "USD", "--from", "2026-03-01"), "arguments are required|not a price"),
        (("uc-licence", "NaN", "USD", "--from", "2026-03-01"), "“NaN” is not a price"),
        (("uc-licence", "1.123456789", "USD", "--from", "2026-03-01"), "at most 8 decimals"),
        (("uc-licence", "40", "CHF", "--from", "2026-03-01"), "No account is billed in “CHF”"),
        (("uc-licence", "40", "USD", "--from", "soon"), "“soon” is not a date"),
        (("uc-licence", "40", "USD", "--from", "2026-03-01", "--brand", "x"), "no brand “x”"),
        (("uc-licence", "40", "USD", "--from", "2026-03-01", "--account", "x"), "no account “x”"),
    ],
)
def test_bad_input_is_status_2(accounts: list[Account], arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message) as error:
        told(*arguments)
    assert error.value.returncode in {1, 2}
