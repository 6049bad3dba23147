"""What README.md says is so: its commands exist, its examples give what stands below them, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.urls import resolve
from django.utils import timezone

from billing.licences import add_licences
from billing.models import BillingSchedule, Charge, Product, RunFailure
from billing.tasks import run_again_now
from controlpanel.demo import cast, loader
from controlpanel.demo.sign_ins import SIGN_INS
from tests.factories import TESTS, AccountFactory

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
MOST_BYTES = 250_000


def commands() -> list[list[str]]:
    """Every line of the README's shell blocks, and every `manage.py` command in its text, as words."""
    lines = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
    lines += re.findall(r"`(python manage\.py [^`]*|make [^`]*)`", README)
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_it_opens_with_a_picture_that_is_there_and_light() -> None:
    picture = re.search(r"^# .+\n\n!\[(.+)\]\((.+)\)$", README, re.MULTILINE)
    assert picture is not None
    file = ROOT / picture[2]
    assert 10_000 < file.stat().st_size <= MOST_BYTES
    assert file.read_bytes()[8:12] == b"WEBP"


def test_every_file_that_it_names_is_there() -> None:
    named = re.findall(r"`((?:[\w.]+/)*[\w.]+\.(?:py|html|toml|txt)|(?:\w+/)+|\.ci/\w+)`", README)
    made_by_the_reader = {"acme.toml", "manage.py", "var/"}
    named = [name for name in named if name not in made_by_the_reader]
    assert len(named) > 8
    for name in named:
        places = (ROOT / name, ROOT / "templates" / name)
        is_a_pattern = name == "stories.py"
        assert is_a_pattern or any(place.exists() for place in places), name


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {words[1] for words in commands() if words[0] == "make"}
    assert {"run", "test", "demo-reset", "check", "bench"} <= asked
    assert asked <= targets


def test_every_command_exists_and_takes_the_options_it_is_given() -> None:
    asked = [words[2:] for words in commands() if words[:2] == ["python", "manage.py"]]
    assert {words[0] for words in asked} >= {"bill", "demo", "simulate", "migrate"}
    known = get_commands()
    for name, *arguments in asked:
        app = known[name]
        command = load_command_class(app, name) if isinstance(app, str) else app
        command.create_parser("manage.py", name).parse_args(arguments)


def test_every_option_in_the_text_is_one_of_a_command() -> None:
    mentioned = set(re.findall(r"`(--[a-z-]+)[^`]*`", README))
    assert len(mentioned) >= 6
    options: set[str] = set()
    for name in ("bill", "demo", "reprice", "simulate"):
        parser = load_command_class(str(get_commands()[name]), name).create_parser("manage.py", name)
        options.update(*(action.option_strings for action in parser._actions))
    assert mentioned <= options


def variables_that_exist() -> set[str]:
    """What the settings and `make run` read from the environment."""
    settings = (ROOT / "controlpanel/settings.py").read_text()
    serve = (ROOT / "controlpanel/management/commands/serve.py").read_text()
    read = re.findall(r"""(?:env\.\w+|_needed)\(\s*"([A-Z_]+)\"""", settings)
    return {*read, *re.findall(r"""os\.environ\.get\(\s*"([A-Z_]+)\"""", serve)}


def rows_of_variables() -> dict[str, bool]:
    """The variables of the table, and whether production needs them."""
    rows = re.findall(r"^\| `([A-Z_]+)`( \*)? \|", README, re.MULTILINE)
    return {name: bool(star) for name, star in rows}


def test_the_table_of_variables_is_what_the_settings_read() -> None:
    assert set(rows_of_variables()) == variables_that_exist()


def test_the_stars_are_what_production_needs() -> None:
    settings = (ROOT / "controlpanel/settings.py").read_text()
    needed = set(re.findall(r"""_needed\(\s*"([A-Z_]+)\"""", settings))
    assert {name for name, is_needed in rows_of_variables().items() if is_needed} == needed
    assert "the six marked" in README
    assert len(needed) == 6


def test_every_address_leads_to_a_page() -> None:
    paths = re.findall(r"`(/(?:help|finance|staff|admin|healthz)[^`]*)`", README)
    assert len(paths) >= 6
    for path in paths:
        assert resolve(path.partition("?")[0])


@pytest.mark.django_db
def test_the_story_gives_what_stands_below_it(tmp_path: Path) -> None:
    """SIM-1."""
    ((story, printed),) = [
        (first, third)
        for (kind, first), (_, _), (_, third) in zip(BLOCKS, BLOCKS[1:], BLOCKS[2:], strict=False)
        if kind == "toml"
    ]
    file = tmp_path / "acme.toml"
    file.write_text(story)
    output = StringIO()
    call_command("simulate", str(file), stdout=output)
    assert output.getvalue().strip() == printed.strip()


@pytest.mark.django_db
def test_a_new_price_is_shown_before_it_is_made_and_takes_effect_on_a_bdom() -> None:
    """BIL-6."""
    (asked,) = [words[3:] for words in commands() if words[2:3] == ["reprice"] and "harbor-dental" in words]
    now = timezone.now()
    account = AccountFactory(
        slug="harbor-dental", bdom=15, at=now, opened_on=(now - timedelta(days=2)).date()
    )
    add_licences(account, Product.objects.get(pk="uc-licence"), 2, actor=TESTS, at=now)
    output = StringIO()
    call_command("reprice", *asked, stdout=output)
    assert "1 charge of 1 account, 2 units" in output.getvalue()
    assert Charge.objects.get(account=account).unit_price == Decimal("24.99")
    call_command("reprice", *asked, "--yes", stdout=output)
    prices = Charge.objects.filter(account=account).order_by("pk").values_list("unit_price", flat=True)
    assert list(prices)[-1] == Decimal("22.50")


@pytest.mark.django_db
def test_the_held_account_of_the_demo_can_be_mended_as_it_says() -> None:
    """BIL-8, BIL-9."""
    now = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
    loader.load(now)
    (asked,) = [
        words[3:] for words in commands() if words[2:3] == ["reprice"] and "summit-outfitters" in words
    ]
    call_command("reprice", *asked, stdout=StringIO())
    run_again_now(RunFailure.objects.all(), actor=TESTS, at=now)
    call_command("bill", on="2026-03-20", account="summit-outfitters", stdout=StringIO())
    schedule = BillingSchedule.objects.get(account__slug="summit-outfitters")
    assert schedule.held_at is None
    assert schedule.last_bdom_on is not None
    assert schedule.last_bdom_on.isoformat() >= "2026-03-17"


def test_the_demo_is_as_it_says() -> None:
    assert f"`{cast.KNOWN_TO_ALL}`" in README
    assert len(cast.BRANDS) == 2
    assert len(cast.ACCOUNTS) == 14
    named = set(re.findall(r"`([\w.-]+@[\w.-]+)`", README))
    assert len(named) >= 3
    assert named <= {row.email for row in SIGN_INS}
