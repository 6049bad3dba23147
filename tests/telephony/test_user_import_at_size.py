"""A full file: 1,000 people, each with a licence, a number, an extension and a location (LIC-2)."""

import time

import pytest

from accounts.models import Account, EndUser, Location
from billing.licences import stock_of
from billing.models import LicenceAssignment
from billing.preview import cost_of
from telephony.models import InventoryNumber, Number, NumberState
from telephony.user_file import MOST_ROWS, read_table
from telephony.user_import import carry_out, import_end_users
from telephony.user_rows import judge
from tests import factories
from tests.factories import AT, TESTS

pytestmark = pytest.mark.django_db

SECONDS = 20
"""Of this process, far above what it takes: a slow machine does not fail for its slowness alone."""


@pytest.fixture
def account() -> Account:
    found: Account = factories.AccountFactory(slug="northwind")
    Location.objects.create(account=found, name="Harbour")
    InventoryNumber.objects.bulk_create(
        InventoryNumber(
            brand=found.brand, e164=f"+1212555{line:04}", area_code="212", kind="local", region="NY"
        )
        for line in range(MOST_ROWS)
    )
    return found


def test_a_thousand_rows_in_seconds(account: Account) -> None:
    """LIC-2: judged, priced and done, with everything that a row can ask for."""
    lines = ["name,email,extension,department,location,licence,number"]
    lines += [
        f"Person {place},p{place}@n.example,{1000 + place},Sales,Harbour,UC licence,212"
        for place in range(MOST_ROWS)
    ]
    began = time.process_time()
    table = read_table("\n".join(lines).encode())
    plan = judge(account, table, is_buying=True, on=account.local_date(AT))
    judged = time.process_time()
    assert not plan.refused
    cost = cost_of(account, lambda: carry_out(plan, account, actor=TESTS, at=AT))
    priced = time.process_time()
    assert [charge.quantity for charge in cost.opened] == [MOST_ROWS]
    assert not EndUser.objects.filter(account=account).exists(), "a look at the cost does nothing"
    import_end_users(account, table, name="users.csv", seen=plan.seen, is_buying=True, actor=TESTS, at=AT)
    done = time.process_time()
    spent = f"judged {judged - began:.1f} s, priced {priced - judged:.1f} s, done {done - priced:.1f} s"
    assert done - began < SECONDS, spent
    assert EndUser.objects.filter(account=account).count() == MOST_ROWS
    assert LicenceAssignment.objects.filter(account=account, unassigned_on=None).count() == MOST_ROWS
    assert Number.objects.filter(account=account, state=NumberState.ASSIGNED).count() == MOST_ROWS
    assert not InventoryNumber.objects.filter(brand=account.brand, taken_by=None).exists()
    holding = stock_of(account).of(None, "uc-licence")
    assert holding is not None
    assert (holding.bought, holding.free) == (MOST_ROWS, 0)
