"""Locations: the sites of an account with their emergency (E911) addresses, and who or what is there.

Accounts knows of end users at a location. Rooms above say what else is there (devices):

    register_use(Use("device", "devices", count=..., present=...))
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from accounts.addresses import REGIONS, Address, faults_of, tidy
from accounts.models import Account, EndUser, Location
from accounts.refusals import Refused
from accounts.trail import Actor, record

INCOMPLETE = Q(street="") | Q(city="") | (Q(country__in=list(REGIONS)) & (Q(region="") | Q(postal_code="")))
"""The locations whose `is_complete` is false."""


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody or something at a location: its name, what else to know it by, the address of its page or ""."""

    name: str
    detail: str
    url: str


@dataclass(frozen=True, slots=True)
class Use:
    """What can be at a location, in one and in many, and how a room above tells what of it is there.

    `count`: how many are at each of the locations with these keys, by key; those with none may be left out.
    One query. `present`: the first of them at a location by name, at most so many.
    """

    one: str
    many: str
    count: Callable[[Collection[int]], Mapping[int, int]]
    present: Callable[[Location, int], Sequence[Present]]
    icon: str = "map-pin"

    def words(self, count: int) -> str:
        """A count with its noun: 1 user, 12 users."""
        return f"{count:,} {self.one if count == 1 else self.many}"


@dataclass(frozen=True, slots=True)
class Presence:
    """How many of one kind are at a location, and the first of them."""

    use: Use
    count: int
    first: Sequence[Present]

    @property
    def words(self) -> str:
        """The count with its noun."""
        return self.use.words(self.count)

    @property
    def more(self) -> int:
        """How many there are beside those that are named."""
        return self.count - len(self.first)


def _end_users_at(keys: Collection[int]) -> Mapping[int, int]:
    found = EndUser.objects.filter(location__in=keys, removed_on=None).order_by()
    return dict(found.values_list("location").annotate(count=Count("pk")))


def _first_end_users(location: Location, most: int) -> list[Present]:
    found = EndUser.objects.filter(location=location, removed_on=None).order_by("name", "pk")[:most]
    slug = location.account.slug
    return [
        Present(
            end_user.name,
            ", ".join(
                filter(
                    None,
                    (
                        f"extension {end_user.extension}" if end_user.extension else "",
                        end_user.department,
                        end_user.email,
                    ),
                )
            ),
            reverse("accounts:end-user", kwargs={"account": slug, "pk": end_user.pk}),
        )
        for end_user in found
    ]


USERS = Use("user", "users", count=_end_users_at, present=_first_end_users, icon="users")
_uses: list[Use] = [USERS]


def register_use(use: Use) -> Use:
    """Have what a room above keeps at locations counted, shown and asked about before an address changes."""
    if use not in _uses:
        _uses.append(use)
    return use


def counts_at(locations: Sequence[Location]) -> dict[int, str]:
    """Who and what is at each of these locations, in words, "" where nobody is. One query a kind."""
    keys = [location.pk for location in locations]
    words: dict[int, list[str]] = {key: [] for key in keys}
    for use in _uses:
        for key, count in use.count(keys).items():
            if count:
                words[key].append(use.words(count))
    return {key: " and ".join(found) for key, found in words.items()}


def presence_at(location: Location, most: int) -> list[Presence]:
    """Who and what is at a location, by kind, each with the first so many; kinds with none are left out."""
    found = [(use, use.count([location.pk]).get(location.pk, 0)) for use in _uses]
    return [Presence(use, count, use.present(location, most)) for use, count in found if count]


def locations_of(
    account: Account, *, search: str = "", is_complete: bool | None = None
) -> QuerySet[Location]:
    """The account's locations; each word of `search` is looked for in the name and the address."""
    found = Location.objects.filter(account=account)
    if is_complete is not None:
        found = found.exclude(INCOMPLETE) if is_complete else found.filter(INCOMPLETE)
    for word in search.split():
        found = found.filter(
            Q(name__icontains=word)
            | Q(street__icontains=word)
            | Q(city__icontains=word)
            | Q(region__iexact=word)
            | Q(postal_code__istartswith=word)
        )
    return found


def add_location(account: Account, *, name: str, address: Address, actor: Actor, at: datetime) -> Location:
    """A new location of the account.

    Raises Refused where the name is missing or taken, in whatever case, or for the first fault of the address.
    """
    with transaction.atomic():
        location = Location(account=account)
        _describe(location, name, address)
        _save(location)
        record(
            account, "add-location", location, f"{location} added", actor=actor, at=at, after=_facts(location)
        )
    return location


def edit_location(location: Location, *, name: str, address: Address, actor: Actor, at: datetime) -> Location:
    """The location with this name and emergency address; no trace where they are as before.

    The trail says whom a change of the address concerned. Raises Refused as `add_location` does, and
    where it was removed.
    """
    with transaction.atomic():
        location = _locked(location)
        before, lived_at = _facts(location), location.address
        _describe(location, name, address)
        after = _facts(location)
        changed = [key for key in before if before[key] != after[key]]
        if not changed:
            return location
        _save(location)
        summary = f"{location} edited"
        if location.address != lived_at:
            concerned = counts_at([location])[location.pk]
            summary = f"Emergency address of {location} changed" + (f", for {concerned}" if concerned else "")
        record(
            location.account,
            "edit-location",
            location,
            summary,
            actor=actor,
            at=at,
            before={key: before[key] for key in changed},
            after={key: after[key] for key in changed},
        )
    return location


def remove_location(location: Location, *, actor: Actor, at: datetime) -> None:
    """Remove a location where nobody and nothing is. Raises Refused where something is, or it was removed."""
    with transaction.atomic():
        location = _locked(location)
        there = counts_at([location])[location.pk]
        if there:
            raise Refused(
                f"{there[0].upper()}{there[1:]} {_are(there)} at {location}. Give them another location first. "
                "Nothing was changed."
            )
        record(
            location.account,
            "remove-location",
            location,
            f"{location} removed",
            actor=actor,
            at=at,
            before=_facts(location),
        )
        location.delete()


def _are(words: str) -> str:
    return "is" if words.startswith("1 ") and " and " not in words else "are"


def _locked(location: Location) -> Location:
    found = (
        Location.objects.select_for_update(of=("self",))
        .select_related("account")
        .filter(pk=location.pk)
        .first()
    )
    if found is None:
        raise Refused(f"{location} was removed. Nothing was changed.")
    return found


def _describe(location: Location, name: str, address: Address) -> None:
    location.name = " ".join(name.split())
    if not location.name:
        raise Refused("A location has a name.", field="name")
    tidied = tidy(address)
    for fault in faults_of(tidied):
        raise Refused(fault.message, field=fault.field)
    location.street = tidied.street
    location.city = tidied.city
    location.region = tidied.region
    location.postal_code = tidied.postal_code
    location.country = tidied.country


def _save(location: Location) -> None:
    same = Location.objects.filter(account=location.account_id, name__iexact=location.name)
    if same.exclude(pk=location.pk).exists():
        raise _name_taken(location)
    try:
        with transaction.atomic():
            location.save()
    except IntegrityError as error:
        # Somebody was quicker between the question and the answer.
        raise _name_taken(location) from error


def _name_taken(location: Location) -> Refused:
    return Refused(f"There is a location {location} already. Choose another name.", field="name")


def _facts(location: Location) -> dict[str, str]:
    return {"name": location.name, "address": location.address.words}
