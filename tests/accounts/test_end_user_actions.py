"""Adding, editing and retiring end users, and the extensions they share with services (NUM-6)."""

import datetime as dt
from typing import Any

import pytest

from accounts.end_users import add_end_user, edit_end_user, retire_end_user
from accounts.extensions import next_free_extension, set_extension
from accounts.models import Account, AuditEntry, EndUser, ExtensionClaim
from accounts.refusals import Refused
from accounts.trail import Actor
from telephony.models import ServiceKind
from telephony.services import add_service
from tests import factories
from tests.factories import AT, TESTS


def edited(end_user: EndUser, actor: Actor, **changes: Any) -> EndUser:
    details: dict[str, Any] = {
        "name": end_user.name,
        "email": end_user.email,
        "extension": end_user.extension,
        "department": end_user.department,
        "location": end_user.location,
        **changes,
    }
    return edit_end_user(end_user, **details, actor=actor, at=AT)


def test_added_on_the_account_s_own_day(account: Account, actor: Actor) -> None:
    """An end user is added on the account's date: at 2 in the morning in London it is the day before in New York."""
    at = dt.datetime(2026, 3, 2, 2, tzinfo=dt.UTC)
    end_user = add_end_user(account, name=" Ann Field ", email="ann@northwind.example", actor=actor, at=at)
    assert (end_user.name, end_user.added_on) == ("Ann Field", dt.date(2026, 3, 1))
    entry = AuditEntry.objects.get(action="add-end-user")
    assert (entry.user, entry.address, entry.at) == (actor.user, "203.0.113.7", at)
    assert entry.after == {"name": "Ann Field", "email": "ann@northwind.example"}


def test_needs_a_name(account: Account, actor: Actor) -> None:
    with pytest.raises(Refused) as refused:
        add_end_user(account, name="  ", actor=actor, at=AT)
    assert refused.value.field == "name"
    assert not EndUser.objects.exists()


def test_email_belongs_to_one_in_any_case(account: Account, actor: Actor) -> None:
    add_end_user(account, name="Ann", email="ann@northwind.example", actor=actor, at=AT)
    with pytest.raises(Refused, match="belongs to Ann") as refused:
        add_end_user(account, name="Anna", email="ANN@northwind.example", actor=actor, at=AT)
    assert refused.value.field == "email"
    assert EndUser.objects.count() == 1


def test_email_of_another_account_is_no_matter(account: Account, other: Account, actor: Actor) -> None:
    """ACC-4: nothing is told about another account."""
    factories.EndUserFactory(account=other, email="ann@northwind.example", extension="1001")
    add_end_user(account, name="Ann", email="ann@northwind.example", extension="1001", actor=actor, at=AT)


def test_location_is_the_account_s_own(account: Account, other: Account, actor: Actor) -> None:
    """ACC-4: another account's location is refused."""
    with pytest.raises(Refused) as refused:
        add_end_user(
            account, name="Ann", location=factories.LocationFactory(account=other), actor=actor, at=AT
        )
    assert refused.value.field == "location"


@pytest.mark.parametrize("extension", ["100", "10011", "10a1", "+101", "1 01", "١٢٣٤"])
def test_extension_has_the_account_s_length(account: Account, actor: Actor, extension: str) -> None:
    """NUM-6: extensions are digits of the account's length."""
    with pytest.raises(Refused, match="4 digits") as refused:
        add_end_user(account, name="Ann", extension=extension, actor=actor, at=AT)
    assert (refused.value.rule, refused.value.field) == ("NUM-6", "extension")
    assert not EndUser.objects.exists()


def test_extension_is_unique_among_end_users(account: Account, actor: Actor) -> None:
    """NUM-6: and the refusal says who has it."""
    factories.EndUserFactory(account=account, name="Ben", extension="1001")
    with pytest.raises(Refused, match="taken by Ben"):
        add_end_user(account, name="Ann", extension="1001", actor=actor, at=AT)
    assert EndUser.objects.count() == 1


def test_extension_is_unique_among_services_too(account: Account, actor: Actor) -> None:
    """NUM-6: end users and services share the extensions."""
    add_service(account, ServiceKind.FAX_LINE, "Fax", extension="1001", actor=TESTS, at=AT)
    with pytest.raises(Refused, match="taken by a service"):
        add_end_user(account, name="Ann", extension="1001", actor=actor, at=AT)
    end_user = add_end_user(account, name="Ann", extension="1002", actor=actor, at=AT)
    with pytest.raises(Refused, match="taken by Ann"):
        add_service(account, ServiceKind.FAX_LINE, "Fax 2", extension="1002", actor=TESTS, at=AT)
    assert end_user.extension == "1002"


def test_next_extension_follows_the_highest(account: Account) -> None:
    """NUM-6: what the form offers is free and of the right length, or nothing."""
    assert next_free_extension(account) == "1001"
    factories.EndUserFactory(account=account, extension="1009")
    factories.EndUserFactory(account=account, extension="0042")
    assert next_free_extension(account) == "1010"
    factories.EndUserFactory(account=account, extension="9999")
    assert next_free_extension(account) == ""


def test_edit_frees_the_old_extension(account: Account, actor: Actor) -> None:
    """NUM-6: an extension that was given up is anybody's."""
    ann = factories.EndUserFactory(account=account, extension="1001")
    assert edited(ann, actor, extension="1002").extension == "1002"
    ben = factories.EndUserFactory(account=account, extension="1001")
    edited(ben, actor, extension="")
    assert set(ExtensionClaim.objects.values_list("extension", flat=True)) == {"1002"}


def test_edit_keeps_before_and_after(account: Account, actor: Actor) -> None:
    """ACC-5: only what differs is kept."""
    ann = factories.EndUserFactory(account=account, name="Ann", department="Sales", extension="1001")
    edited(ann, actor, department="Support")
    entry = AuditEntry.objects.get(action="edit-end-user")
    assert (entry.before, entry.after) == ({"department": "Sales"}, {"department": "Support"})


def test_edit_without_a_change_leaves_no_trace(account: Account, actor: Actor) -> None:
    edited(factories.EndUserFactory(account=account, extension="1001"), actor)
    assert not AuditEntry.objects.filter(action="edit-end-user").exists()


def test_refused_edit_changes_nothing(account: Account, actor: Actor) -> None:
    """A refusal leaves no trace but its message, though the name came before the extension."""
    factories.EndUserFactory(account=account, extension="1001")
    ann = factories.EndUserFactory(account=account, name="Ann", extension="1002")
    with pytest.raises(Refused):
        edited(ann, actor, name="Anna", extension="1001")
    ann.refresh_from_db()
    assert (ann.name, ann.extension) == ("Ann", "1002")
    assert ExtensionClaim.objects.filter(extension="1002").exists()


def test_retired_end_user_frees_extension_and_address(account: Account, actor: Actor) -> None:
    """The next one may have both, and the one who went keeps them in the record."""
    ann = factories.EndUserFactory(account=account, email="a@northwind.example", extension="1001")
    retired = retire_end_user(ann, actor=actor, at=AT)
    assert (retired.removed_on, retired.extension) == (dt.date(2026, 3, 2), "1001")
    factories.EndUserFactory(account=account, email="a@northwind.example", extension="1001")
    assert AuditEntry.objects.get(action="remove-end-user").before["extension"] == "1001"


def test_retired_end_user_is_not_touched_again(account: Account, actor: Actor) -> None:
    ann = retire_end_user(factories.EndUserFactory(account=account), actor=actor, at=AT)
    with pytest.raises(Refused, match="removed"):
        retire_end_user(ann, actor=actor, at=AT)
    with pytest.raises(Refused, match="removed"):
        edited(ann, actor, name="Ghost")


def test_two_who_ask_at_once(account: Account) -> None:
    """NUM-6: the constraint decides where both looked before either wrote."""
    ann, ben = factories.EndUserFactory.create_batch(2, account=account)
    ExtensionClaim.objects.create(account=account, holder=f"end-user:{ann.pk}", extension="1001")
    with pytest.raises(Refused, match="taken by"):
        set_extension(ben, "1001")
    assert ben.extension == ""
