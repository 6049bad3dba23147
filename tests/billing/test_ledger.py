"""The ledger's general notions: conditions, limits, delays, and its one writer (BIL-3, section 9)."""

import ast
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import Account
from accounts.refusals import Refused
from billing.charges import open_ledger
from billing.models import Charge, ChargeState, Condition, Product
from tests.billing.engine_facts import day
from tests.billing.world import an_account, bill, charges_of, dates_of, lines_to_come, on, price, product

pytestmark = pytest.mark.django_db

KEY = "contact-center-active"


@pytest.fixture
def account() -> Account:
    price("cc-pro-licence", "62.00")
    found = an_account()
    with open_ledger(found, **on(found, "01-02")) as ledger:
        ledger.meet_condition("contact-center-installed")
    return found


def pro() -> Product:
    return product("cc-pro-licence")


# --- conditions --------------------------------------------------------------------------------


def test_what_waits_for_a_condition_begins_when_it_is_met(account: Account) -> None:
    """BIL-3: the later of the day of the condition and the day it was added; met once and for good."""
    with open_ledger(account, **on(account, "01-05")) as ledger:
        first = ledger.open(pro(), 2)
    assert (dates_of(first), first.state) == ((None, None), ChargeState.WAITING)
    bill(account, "01-15")
    assert lines_to_come(account, "02-15") == []
    with open_ledger(account, **on(account, "01-25")) as ledger:
        assert len(ledger.meet_condition(KEY)) == 2
        assert ledger.meet_condition(KEY) == []
    with open_ledger(account, **on(account, "02-01")) as ledger:
        assert ledger.meet_condition(KEY) == []
        later = ledger.open(pro())
    assert dates_of(later) == (day("02-01"), None)
    assert Condition.objects.get(key=KEY).met_on == day("01-25")
    assert lines_to_come(account, "02-15") == [
        "recurring cc-pro-licence 2 · 01-25 to 02-15 · 21/31 · 84.00",
        "recurring cc-pro-licence 1 · 02-01 to 02-15 · 14/31 · 28.00",
        "recurring cc-pro-licence 3 · 02-15 to 03-15 · 28/28 · 186.00",
        "one-time cc-activation-fee 2 · 01-25 · 100.00",
        "one-time cc-activation-fee 1 · 02-01 · 50.00",
    ]


def test_what_requires_a_condition_is_refused_without_it() -> None:
    """ONB-1: no licence of a contact center that is not installed; the fee comes with the licence alone."""
    account = an_account()
    with open_ledger(account, **on(account, "01-05")) as ledger:
        with pytest.raises(Refused, match="once Contact center is installed"):
            ledger.open(pro())
        assert not ledger.open_charges().exists()


def test_what_a_charge_brought_goes_with_its_units_while_it_waits(account: Account) -> None:
    """ONB-10: of three licences one goes before the condition is met, and its fee; another's fee stays after it."""
    with open_ledger(account, **on(account, "01-05")) as ledger:
        licences = ledger.open(pro(), 3)
        ledger.end(licences, 1)
        fee = licences.brought.get(ended_on=None)
        assert (fee.quantity, fee.state) == (2, ChargeState.WAITING)
    with open_ledger(account, **on(account, "01-10")) as ledger:
        ledger.meet_condition(KEY)
    with open_ledger(account, **on(account, "01-12")) as ledger:
        ledger.end(Charge.objects.get(pk=licences.pk), 1)
    assert lines_to_come(account, "01-15") == [
        "recurring cc-pro-licence 1 · 01-10 to 01-12 · 2/31 · 4.00",
        "recurring cc-pro-licence 1 · 01-10 to 01-15 · 5/31 · 10.00",
        "recurring cc-pro-licence 1 · 01-15 to 02-15 · 31/31 · 62.00",
        "one-time cc-activation-fee 2 · 01-10 · 100.00",
    ]


def test_what_is_scheduled_for_a_billing_day_is_on_its_invoice(account: Account) -> None:
    """BIL-7, ONB-9: done on its own day it comes before the run of that day; what people do that day comes after."""
    with open_ledger(account, **on(account, "01-05")) as ledger:
        ledger.open(pro())
    late = on(account, "01-20")
    with open_ledger(account, **late, on=day("01-15")) as ledger:
        ledger.meet_condition(KEY)
    assert lines_to_come(account, "01-15") == [
        "recurring cc-pro-licence 1 · 01-15 to 02-15 · 31/31 · 62.00",
        "one-time cc-activation-fee 1 · 01-15 · 50.00",
    ]


def test_what_ends_before_its_condition_never_appears(account: Account) -> None:
    """BIL-5, ONB-10."""
    with open_ledger(account, **on(account, "01-05")) as ledger:
        ledger.end(ledger.open(pro()))
    with open_ledger(account, **on(account, "01-25")) as ledger:
        assert ledger.meet_condition(KEY) == []
    assert lines_to_come(account, "02-15") == []


def test_an_event_may_be_told_with_its_own_day(account: Account) -> None:
    """BIL-4: a shipment told late, of a day two periods ago; hardware has no days, so it is one line."""
    with open_ledger(account, **on(account, "01-05")) as ledger:
        phone = ledger.open(product("phone-desk-basic"), 3)
    assert dates_of(phone) == (None, None)
    from billing.engine.reasons import Basis

    with open_ledger(account, **on(account, "02-20")) as ledger:
        ledger.begin(phone, Basis.SHIPPED, day("01-10"))
        with pytest.raises(ValueError, match="known already"):
            ledger.begin(phone, Basis.SHIPPED)
    assert lines_to_come(account, "02-15") == []
    assert lines_to_come(account, "03-15") == ["hardware phone-desk-basic 3 · 01-10 · 267.00"]


# --- limits ------------------------------------------------------------------------------------


def test_a_limit_counts_its_products_together(account: Account) -> None:
    """ONB-3's shape: at most 2 in all, until it is lifted; what ended no longer counts."""
    elite = product("cc-elite-licence")
    with open_ledger(account, **on(account, "01-05")) as ledger:
        ledger.set_limit("onboarding", [pro().pk, elite.pk], 2, "At most 2 while in onboarding.", "BIL-3")
        first = ledger.open(pro())
        with pytest.raises(Refused, match="At most 2 while in onboarding") as refused:
            ledger.open(elite, 2)
        assert (refused.value.rule, refused.value.field) == ("BIL-3", "quantity")
        ledger.open(elite)
        ledger.open(product("webfax"), 5)
        with pytest.raises(Refused):
            ledger.open(pro())
        ledger.end(first)
        ledger.open(pro())
        ledger.set_limit("onboarding", [pro().pk, elite.pk], 3, "At most 3.", "BIL-3")
        ledger.open(pro())
        with pytest.raises(Refused, match="At most 3"):
            ledger.open(pro())
        ledger.lift_limit("onboarding")
        ledger.open(pro(), 50)
    assert (
        sum(charge.quantity for charge in charges_of(account, ended_on=None, brought_by=None)) == 3 + 5 + 50
    )


# --- bounds ------------------------------------------------------------------------------------


def test_a_charge_has_units(account: Account) -> None:
    with open_ledger(account, **on(account, "01-05")) as ledger:
        with pytest.raises(ValueError, match="one unit at least"):
            ledger.open(pro(), 0)
        charge = ledger.open(pro(), 3)
        for quantity in (0, -1, 4):
            with pytest.raises(ValueError, match="has 3 units"):
                ledger.end(charge, quantity)


def test_the_state_of_a_charge_is_not_written_by_hand(account: Account) -> None:
    with open_ledger(account, **on(account, "01-05")) as ledger:
        charge = ledger.open(product("webfax"))
    with pytest.raises(AttributeError):
        charge.state = "ended"


# --- one writer --------------------------------------------------------------------------------

# Where states are written other than by a transition, and by whom: each is the one writer of its rows in bulk.
WRITERS = {
    "billing/charges.py": {"update"},
    "billing/triggers.py": {"update"},
    "billing/issuing.py": {"insert"},
    # Rows in bulk that have no states.
    "billing/rate_deck.py": {"insert"},
    "billing/usage.py": {"insert"},
    "telephony/usage_import.py": {"insert"},
    "telephony/first_numbers.py": {"update"},
}
APPS = ("accounts", "billing", "telephony", "hardware", "controlpanel")
WITH_STATES = {"Charge", "Invoice", "Number"}
WRITING = {"update", "create", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "setattr"}


def writes_of_state(tree: ast.AST) -> set[str]:
    """The ways in which a module writes a field called state around the state machine."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = {keyword.arg for keyword in node.keywords}
            values = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "defaults")]
            if name in WITH_STATES | WRITING and ("state" in given or any(map(_names_state, values))):
                found.add(name)
            if (
                name == "insert"
                and isinstance(node.func, ast.Attribute)
                and _is_named(node.func.value, "bulk")
            ):
                found.add(name)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Attribute) and target.attr == "state" for target in targets):
                found.add("assignment")
    return found


def _names_state(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Constant) and part.value == "state" for part in ast.walk(node))


def _is_named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_states_have_one_writer() -> None:
    """`bulk_create` and `QuerySet.update` walk past the state machines, so only who is named here does it."""
    root = Path(settings.BASE_DIR)
    found = {}
    for app in APPS:
        for path in sorted((root / app).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            if writes := writes_of_state(ast.parse(path.read_text())):
                found[path.relative_to(root).as_posix()] = writes
    assert found == WRITERS


@pytest.mark.parametrize(
    ("code", "way"),
    [
        ("Charge.objects.filter(pk=1).update(state='ended')", "update"),
        ("Charge.objects.bulk_create([Charge(state='ended')])", "Charge"),
        ("Invoice.objects.bulk_update(rows, ['total', 'state'])", "bulk_update"),
        ("charge.state = 'ended'", "assignment"),
        ("setattr(charge, 'state', 'ended')", "setattr"),
        ("bulk.insert(Invoice, COLUMNS, rows)", "insert"),
        ("Charge.objects.update_or_create(pk=1, defaults={'state': 'ended'})", "update_or_create"),
        ("Charge.objects.create(state='ended')", "create"),
    ],
)
def test_the_guard_sees_each_way(code: str, way: str) -> None:
    assert writes_of_state(ast.parse(code)) == {way}


@pytest.mark.parametrize(
    "code", ["Charge.objects.filter(state='ended')", "Q(state='draft')", "x = charge.state"]
)
def test_the_guard_lets_reading_pass(code: str) -> None:
    assert writes_of_state(ast.parse(code)) == set()


def test_only_the_ledger_writes_charges() -> None:
    """`billing.charges` is the only writer of the ledger: nobody else makes, saves or deletes a charge."""
    root = Path(settings.BASE_DIR)
    words = (" Charge(", "Charge.objects.create", "Charge.objects.bulk", "Charge.objects.update")
    for app in APPS:
        for path in (root / app).rglob("*.py"):
            name = path.relative_to(root).as_posix()
            if name in {"billing/charges.py", "billing/models/ledger.py"} or "migrations" in path.parts:
                continue
            text = path.read_text()
            assert not [word for word in words if word in text], name
    assert Charge._meta.get_field("state").protected
