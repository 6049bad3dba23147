"""Stories with their invoices worked out by hand: ``told/NAME.toml``, and what comes of it in ``NAME.json``."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from billing.simulate import as_json, as_table, simulate
from billing.stories import read_file

pytestmark = pytest.mark.django_db

FOLDER = Path(__file__).parent / "told"
STORIES = sorted(path.stem for path in FOLDER.glob("*.toml"))


def line(told: dict[str, Any]) -> str:
    """A line in words."""
    days = f"{told['from'][5:]} to {told['to'][5:]}"
    if told["section"] == "usage":
        assert told["days"] is None
        assert told["of_days"] is None
    else:
        days += f", {told['days']} of {told['of_days']} days"
    if told["section"] in {"one-time", "hardware"}:
        assert told["from"] == told["to"]
        days = f"once {told['from'][5:]}"
    product = told["product"] + (f" of {told['subscription']}" if told["subscription"] else "")
    return (
        f"{told['section']} {product} {told['quantity']} × {told['unit_price']}, "
        f"{days}: {told['amount']} ({told['why']})"
    )


def invoice(told: dict[str, Any]) -> dict[str, list[str]]:
    """An invoice in words, by its date."""
    assert told["tax"].strip("0") == "." or told["tax"] == "0"
    assert told["subtotal"] == told["total"]
    return {told["date"]: [*map(line, told["lines"]), f"total {told['total']}"]}


def outcome_of(name: str) -> dict[str, Any]:
    """What comes of a story, as JSON."""
    return as_json(simulate(read_file(str(FOLDER / f"{name}.toml"))))


@pytest.mark.parametrize("name", STORIES)
def test_a_story_comes_to_its_invoices(name: str) -> None:
    """SIM-1: every line, its dates, its days and its reason, the total, what was refused, and what comes next."""
    expected = json.loads((FOLDER / f"{name}.json").read_text())
    outcome = outcome_of(name)
    invoices: dict[str, list[str]] = {}
    for told in outcome["invoices"]:
        assert told["kind"] == "bdom"
        assert told["period"][0] == told["date"]
        invoices |= invoice(told)
    assert invoices == expected["invoices"]
    assert invoice(outcome["next_invoice"]) == expected["next"]
    assert [str(told["event"]) for told in outcome["refused"]] == list(expected["refused"])
    for told, (_, reason) in zip(outcome["refused"], expected["refused"].items(), strict=True):
        assert reason in told["reason"]


def test_there_is_a_story_for_each_expectation() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == STORIES
    assert len(STORIES) >= 12


def test_the_example_of_the_format_to_the_letter() -> None:
    """SIM-1: the very JSON of the format's description."""
    outcome = outcome_of("example")
    assert outcome["account"] == {"name": "Acme", "currency": "USD", "bdom": 15}
    assert outcome["invoices"][0] == {
        "date": "2026-02-15",
        "kind": "bdom",
        "period": ["2026-02-15", "2026-03-15"],
        "lines": [
            {
                "section": "recurring",
                "product": "uc-licence",
                "quantity": 5,
                "unit_price": "29.99",
                "from": "2026-01-17",
                "to": "2026-02-15",
                "days": 29,
                "of_days": 31,
                "amount": "140.28",
                "subscription": None,
                "why": "7-day delay from 2026-01-10",
            },
            {
                "section": "recurring",
                "product": "uc-licence",
                "quantity": 5,
                "unit_price": "29.99",
                "from": "2026-02-15",
                "to": "2026-03-15",
                "days": 28,
                "of_days": 28,
                "amount": "149.95",
                "subscription": None,
                "why": "month ahead",
            },
        ],
        "subtotal": "290.23",
        "tax": "0.00",
        "total": "290.23",
    }
    assert outcome["refused"] == []
    assert outcome["next_invoice"]["date"] == "2026-05-15"
    assert set(outcome["next_invoice"]) == {"date", "lines", "subtotal", "tax", "total"}


def test_a_refusal_names_its_event() -> None:
    """SIM-1: number from 1, date, kind and reason."""
    [told] = outcome_of("licence-taken")["refused"]
    assert told == {
        "event": 4,
        "on": "2026-01-15",
        "do": "assign_number",
        "reason": "Ann has no UC licence, and only an end user who holds one can be given a number. "
        "Assign a licence first. Nothing was changed.",
    }


@pytest.mark.parametrize("zone", ["Pacific/Honolulu", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def test_a_story_is_the_same_in_every_time_zone(zone: str, tmp_path: Path) -> None:
    """BIL-7: days are the account's own."""
    told = (FOLDER / "licence-taken.toml").read_text()
    file = tmp_path / "story.toml"
    file.write_text(told.replace('name = "Acme"', f'name = "Acme"\ntimezone = "{zone}"'))
    assert as_json(simulate(read_file(str(file)))) == outcome_of("licence-taken")


def test_an_outage_changes_no_invoice(tmp_path: Path) -> None:
    """BIL-8."""
    told = (FOLDER / "outage.toml").read_text()
    assert "outage" in told
    file = tmp_path / "story.toml"
    file.write_text(told.replace("until = 2026-03-20", "until = 2026-01-12"))
    without = as_json(simulate(read_file(str(file))))
    assert without == outcome_of("outage")


def test_automatic_activation_in_an_outage_is_as_if_there_had_been_none(tmp_path: Path) -> None:
    """ONB-9, BIL-8: same invoices, same refusals."""
    told = (FOLDER / "cc-automatic-in-an-outage.toml").read_text()
    file = tmp_path / "story.toml"
    file.write_text(told.replace("until = 2026-04-20", "until = 2026-02-10"))
    assert as_json(simulate(read_file(str(file)))) == outcome_of("cc-automatic-in-an-outage")


def test_what_comes_next_foresees_an_automatic_activation() -> None:
    """BIL-10, ONB-9: nobody has to do anything for it, so the preview has it from the day of installation on."""
    path = str(FOLDER / "cc-automatic.toml")
    early = as_json(simulate(read_file(path, until=date(2026, 3, 13))))
    assert early["next_invoice"]["date"] == "2026-03-15"
    issued = as_json(simulate(read_file(path, until=date(2026, 3, 15))))["invoices"][-1]
    assert issued["date"] == "2026-03-15"
    assert early["next_invoice"]["lines"] == issued["lines"]
    assert issued["lines"]


def test_until_ends_the_story_earlier_or_later() -> None:
    path = str(FOLDER / "example.toml")
    early = as_json(simulate(read_file(path, until=date(2026, 2, 14))))
    assert (early["invoices"], early["next_invoice"]["date"]) == ([], "2026-02-15")
    assert early["next_invoice"]["lines"] == outcome_of("example")["invoices"][0]["lines"]
    late = as_json(simulate(read_file(path, until=date(2026, 12, 31))))
    assert [told["date"][:7] for told in late["invoices"]] == [f"2026-{month:02}" for month in range(2, 13)]


def test_the_table_for_people_says_the_same() -> None:
    table = as_table(simulate(read_file(str(FOLDER / "licence-taken.toml"))))
    for told in ("BDOM 15", "Invoice of 2026-02-15", "24 of 31 days", "Total 67.40", "Ann has no UC licence"):
        assert told in table
    assert "Next invoice, 2026-05-15" in table
