"""`manage.py simulate`: what it prints, and how it says that a story is malformed (SIM-1)."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Account, AuditEntry, Brand
from billing.models import Charge, Invoice, InvoiceRun
from telephony.models import Number
from telephony.numbers import add_number
from tests.billing.world import an_account, on, price

pytestmark = pytest.mark.django_db

FOLDER = Path(__file__).parent / "told"

HEAD = "[account]\nopened = 2026-01-10\n"
EVENT = HEAD + "[[events]]\non = 2026-01-12\n"

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(text, name)`` is the path of a story with this text."""

    def write(text: str | bytes, name: str = "story.toml") -> str:
        file = tmp_path / name
        if isinstance(text, bytes):
            file.write_bytes(text)
        else:
            file.write_text(text)
        return str(file)

    return write


def printed(*arguments: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command("simulate", *arguments, stdout=out)
    return out.getvalue()


def fault(*arguments: str) -> str:
    """What is wrong, as the command says it, with status 2."""
    with pytest.raises(CommandError) as error:
        printed(*arguments)
    assert error.value.returncode == 2
    return str(error.value)


def test_one_file_as_json() -> None:
    outcome = json.loads(printed(str(FOLDER / "example.toml"), "--format", "json"))
    assert [invoice["total"] for invoice in outcome["invoices"]] == ["290.23", "149.95", "149.95"]


def test_several_files_are_one_object_a_line_in_their_order() -> None:
    names = ["yen", "example", "yen"]
    lines = printed("--format", "json", *(str(FOLDER / f"{name}.toml") for name in names)).splitlines()
    found = [json.loads(line) for line in lines]
    assert [outcome["account"]["currency"] for outcome in found] == ["JPY", "USD", "JPY"]
    assert found[0] == found[2]


def test_the_table_is_what_people_get() -> None:
    table = printed(str(FOLDER / "example.toml"), str(FOLDER / "yen.toml"), "--until", "2026-02-20")
    assert table.count("Invoice of 2026-02-15") == 2
    assert "7-day delay from 2026-01-10" in table
    assert "Total 290.23" in table
    assert "Total 13548" in table


def test_a_story_in_json_is_read_like_one_in_toml(write: Write) -> None:
    story = {
        "until": "2026-04-30",
        "account": {"name": "Acme", "opened": "2026-01-10", "bdom": 15},
        "prices": {"uc-licence": 29.99},
        "events": [{"on": "2026-01-10", "do": "add_licences", "product": "uc-licence", "quantity": 5}],
    }
    from_json = printed(write(json.dumps(story), "story.json"), "--format", "json")
    assert from_json == printed(str(FOLDER / "example.toml"), "--format", "json")


def test_the_bdom_is_the_day_of_the_opening_and_the_story_ends_with_its_last_event(write: Write) -> None:
    story = write(EVENT + 'do = "add_user"\nuser = "Ann"\n')
    outcome = json.loads(printed(story, "--format", "json"))
    assert outcome["account"] == {"name": "Simulated account", "currency": "USD", "bdom": 10}
    assert outcome["next_invoice"]["date"] == "2026-02-10"


def test_nothing_stays() -> None:
    """SIM-1: the transaction is rolled back."""
    models = (Account, Brand, Charge, Invoice, InvoiceRun, Number, AuditEntry)
    before = [model._default_manager.count() for model in models]
    printed(str(FOLDER / "licence-taken.toml"))
    assert [model._default_manager.count() for model in models] == before


def test_numbers_and_prices_of_real_accounts_do_not_disturb_a_story() -> None:
    """NUM-1, SIM-1: the story's numbers are a space of their own, its prices are of its own brand."""
    undisturbed = printed(str(FOLDER / "parked-numbers.toml"))
    account = an_account()
    add_number(account, "+12125550101", **on(account, "01-10"))
    price("number-local", "99.00", since="2026-01-11")
    assert printed(str(FOLDER / "parked-numbers.toml")) == undisturbed
    assert Number.objects.get(e164="+12125550101").account == account


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "account: opened: is missing"),
        ("[account]\n", "account: opened: is missing"),
        ("account = 3\n", "account: is a table"),
        ("[account\n", "Expected ']'"),
        ("[account]\nopened = 2026-02-30\n", "Invalid date"),
        ('[account]\nopened = "tomorrow"\n', "account: opened: is a date like 2026-01-31"),
        ("[account]\nopened = 2026-01-10T10:00:00\n", "account: opened: is a date like 2026-01-31"),
        ("[account]\nopened = 0001-01-01\n", "account: opened: is a date from 1970 to 2199"),
        (HEAD + "bdom = 32\n", "account: bdom: is a day of the month, 1 to 31"),
        (HEAD + "bdom = true\n", "account: bdom: is a day of the month"),
        (HEAD + f"bdom = {'1' * 5000}\n", "story.toml: "),
        (HEAD + 'currency = "XXX1"\n', "account: currency: “XXX1” is not a currency code"),
        (HEAD + 'currency = ["USD"]\n', "account: currency:"),
        (HEAD + 'timezone = "Mars/Olympus"\n', "account: timezone: “Mars/Olympus” is not a time zone"),
        (HEAD + 'timezone = "../etc/passwd"\n', "is not a time zone"),
        (HEAD + 'name = ""\n', "account: name: is a name, and cannot be empty"),
        (HEAD + f'name = "{"x" * 81}"\n', "account: name: is a name of at most 80 characters"),
        (HEAD + 'name = "a\\u0000b"\n', "account: name: is a name of at most 80 characters, on one line"),
        (HEAD + "color = 1\n", "account: “color” is not known here"),
        (HEAD + "toll_free_upgrade_in_onboarding = 1\n", "is true or false"),
        (HEAD + "auto_activate_after_days = 0\n", "is a number of days, 1 to 3,650"),
        ("x = 1\n" + HEAD, "story: “x” is not known here"),
        ("until = 2026-01-09\n" + HEAD, "until: 2026-01-09 is before the account was opened on 2026-01-10"),
        ("until = 2099-01-09\n" + HEAD, "until: 2099-01-09 is more than 50 years after 2026-01-10"),
        (HEAD + '[prices]\ngold = "1"\n', "prices: “gold” is not a product code"),
        (HEAD + '[prices]\nuc-licence = "-1"\n', "prices: uc-licence: is an amount from 0"),
        (HEAD + '[prices]\nuc-licence = "NaN"\n', "prices: uc-licence: is an amount from 0"),
        (HEAD + '[prices]\nuc-licence = "cheap"\n', 'prices: uc-licence: is an amount like "29.99"'),
        (HEAD + '[prices]\nuc-licence = "1E+99"\n', "prices: uc-licence: is an amount from 0"),
        (HEAD + "[prices]\nuc-licence = 0.123456789\n", "prices: uc-licence: has at most 8 decimals"),
        (HEAD + '[prices]\nuc-licence = "1_000"\n', 'prices: uc-licence: is an amount like "29.99"'),
        (HEAD + '[prices]\nuc-licence = "٣"\n', 'prices: uc-licence: is an amount like "29.99"'),
        (HEAD + '[prices]\nuc-licence = "9999999999.999999"\n', "prices: uc-licence: has at most 15 digits"),
        (HEAD + "[prices]\nuc-licence = true\n", "prices: uc-licence: is an amount like"),
        (HEAD + "[rates]\nagents = 1\n", "rates: agents: is a table"),
        (HEAD + "[rates.x]\n", "rates: “x” is not a meter"),
        (
            HEAD + '[plan_discounts]\nyear = "0.1"\n',
            "plan_discounts: year: the months of a cycle are 1, 3, 6, 12, 24",
        ),
        (HEAD + "[taxes]\nx = 1\n", "taxes: not supported yet"),
        ("events = 3\n" + HEAD, "events: is a list"),
        ("events = [3]\n" + HEAD, "event 1: is a table with on and do"),
        ('events = [{do = "add_user"}]\n' + HEAD, "event 1: on: is missing"),
        (HEAD + '[[events]]\non = "soon"\ndo = "add_user"\n', "event 1 (soon, add_user): on: is a date like"),
        (EVENT + 'do = ["x"]\n', "event 1 (2026-01-12, ['x']): do: there is no such event"),
        (EVENT + 'do = "fly"\n', "event 1 (2026-01-12, fly): do: there is no such event"),
        (EVENT, "event 1 (2026-01-12, None): do: there is no such event"),
        (EVENT + 'do = "register_plan"\n', "event 1 (2026-01-12, register_plan): plan: is missing"),
        (EVENT + 'do = "add_user"\n', "event 1 (2026-01-12, add_user): user: is missing"),
        (EVENT + 'do = "add_user"\nuser = "  "\n', "user: is a name, and cannot be empty"),
        (EVENT + 'do = "add_user"\nuser = "Ann"\nage = 3\n', "“age” is not known here"),
        (EVENT + 'do = "buy_number"\nnumber = "hello"\n', "number: “hello” is not a phone number"),
        (EVENT + 'do = "buy_number"\nnumber = 12125550101\n', "number: is a phone number like"),
        (
            EVENT + 'do = "park_number"\nnumber = "+12125550101"\n',
            "no event of the story makes “+12125550101”",
        ),
        (
            EVENT + 'do = "add_service"\nservice = "S"\nkind = "pbx"\n',
            "kind: is one of resource-line, fax-line",
        ),
        (EVENT + 'do = "add_service"\nservice = "S"\nkind = ["x"]\n', "kind: is one of"),
        (EVENT + 'do = "remove_service"\nservice = "S"\n', "service: no event of the story makes “S”"),
        (EVENT + 'do = "outage"\nuntil = 2026-01-11\n', "until: is before the outage"),
        (EVENT + 'do = "outage"\n', "until: is missing"),
        (
            EVENT + 'do = "add_licences"\nproduct = "uc-licence"\nquantity = 1\nsubscription = "x"\n',
            "subscription: no event of the story makes “x”",
        ),
        *(
            (
                EVENT + f'do = "add_licences"\nproduct = "uc-licence"\nquantity = {quantity}\n',
                "quantity: is a whole",
            )
            for quantity in ("0", "-1", "1.5", '"2"', "true", "100001")
        ),
        (
            EVENT + 'do = "add_licences"\nproduct = "gold"\nquantity = 1\n',
            "product: “gold” is not a product code",
        ),
        (
            HEAD + '[[events]]\non = 2026-01-09\ndo = "add_user"\nuser = "Ann"\n',
            "event 1 (2026-01-09, add_user): on: is before the account was opened on 2026-01-10",
        ),
        (
            EVENT
            + 'do = "add_user"\nuser = "Ann"\n[[events]]\non = 2026-01-13\ndo = "assign_licence"\n'
            + 'user = "Bob"\nproduct = "uc-licence"\n',
            "event 2 (2026-01-13, assign_licence): user: no event of the story makes “Bob”",
        ),
        (
            EVENT
            + 'do = "add_service"\nservice = "Fax"\nkind = "fax-line"\n[[events]]\non = 2026-01-13\n'
            + 'do = "assign_licence"\nuser = "Fax"\nproduct = "uc-licence"\n',
            "event 2 (2026-01-13, assign_licence): user: no event of the story makes “Fax”",
        ),
    ],
)
def test_a_malformed_story_is_told_with_where_and_what(text: str, message: str, write: Write) -> None:
    """SIM-1: the event's number, its date and what is wrong; status 2."""
    found = fault(write(text))
    assert message in found
    assert "story.toml" in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "a story is a table"),
        ("{", "story.json: Expecting"),
        ("[" * 100_000, "story.json: "),
        ('{"account": {"opened": "2026-01-10", "bdom": ' + "1" * 5000 + "}}", "story.json: "),
        ('{"account": {"opened": "2026-01-10", "name": "\\ud800"}}', "account: name: is a name"),
        (
            '{"account": {"opened": "2026-01-10"}, "prices": {"uc-licence": NaN}}',
            "prices: uc-licence: is an amount like",
        ),
    ],
)
def test_malformed_json(text: str, message: str, write: Write) -> None:
    assert message in fault(write(text, "story.json"))


def test_files_that_are_no_stories(write: Write, tmp_path: Path) -> None:
    assert "cannot be read: No such file" in fault(str(tmp_path / "none.toml"))
    assert "cannot be read: Is a directory" in fault(str(tmp_path))
    assert "is not a text in UTF-8" in fault(write(b"\xff\xfe", "story.toml"))
    assert "a story is a .toml or a .json file" in fault(write("x", "story.yaml"))


def test_one_malformed_story_among_several_prints_nothing(write: Write) -> None:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("simulate", str(FOLDER / "example.toml"), write("x"), stdout=out)
    assert out.getvalue() == ""


def test_an_invoice_that_cannot_be_made_is_an_error(write: Write) -> None:
    """SIM-1: a story whose run fails does not look like one without invoices."""
    story = write(
        HEAD
        + '[prices]\nuc-licence = "9999999999"\n[[events]]\non = 2026-01-10\ndo = "add_licences"\n'
        + 'product = "uc-licence"\nquantity = 100000\n'
    )
    found = fault(story, "--until", "2026-03-01")
    assert "story.toml: the invoice of 2026-02-10 could not be made" in found


def test_usage_without_a_rate_is_told_by_its_event(write: Write) -> None:
    """SIM-1: the event's number, its date and what is wrong, also where only the invoice shows it."""
    usage = '[[events]]\non = 2026-01-12\ndo = "usage"\nmeter = "agents"\nquantity = 1\n'
    story = write(HEAD + 'currency = "XAF"\n' + usage.replace("do", 'id = "a"\ndo') + usage + 'id = "b"\n')
    assert "event 1 (2026-01-12, usage): no rate in XAF is set for agents" in fault(
        story, "--until", "2026-03-01"
    )
    before_its_invoice = fault(story, "--until", "2026-01-20")
    assert (
        "which the invoice of 2026-02-10 needs: give one as per_unit in [rates.agents]" in before_its_invoice
    )
