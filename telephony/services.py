"""Actions on services: resource lines, fax lines, webfax, auto attendants, hunt groups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from accounts.extensions import free_extension, set_extension
from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.charges import open_ledger
from telephony.charging import numbers_of, relabel, settle_service
from telephony.models import Service, ServiceKind
from telephony.numbers import park_in

# A contact center is installed, not added here.
ADDABLE = tuple(kind for kind in ServiceKind if kind != ServiceKind.CONTACT_CENTER)

# Called before a service is removed, in the transaction in which it happens: rooms above take back what they
# have given.
Listener = Callable[[Service, Actor, datetime], None]
_when_removed: list[Listener] = []


def when_removed(listener: Listener) -> Listener:
    """Register what has to happen when a service is removed."""
    if listener not in _when_removed:
        _when_removed.append(listener)
    return listener


def add_service(
    account: Account,
    kind: ServiceKind,
    name: str,
    *,
    extension: str = "",
    actor: Actor,
    at: datetime,
) -> Service:
    """Add a service; what is charged is charged at once (BIL-3), the first auto attendant is not.

    Raises Refused where the name or the extension is taken, or the kind cannot be added.
    """
    if kind not in ADDABLE:
        raise Refused("Choose one of the kinds of service on offer.", field="kind")
    name = name.strip()
    if not name:
        raise Refused("A service has a name.", field="name")
    with open_ledger(account, actor=actor, at=at) as ledger:
        if Service.objects.filter(account=account, kind=kind, name=name, removed_on=None).exists():
            raise Refused(
                f"{kind.label} “{name}” is there already. Choose another name. Nothing was changed.",
                field="name",
            )
        service = Service(account=account, kind=kind, name=name, added_on=ledger.on)
        service.save()
        if extension:
            set_extension(service, extension)
            service.save(update_fields=["extension"])
        settle_service(ledger, service)
        record(
            account,
            "add-service",
            service,
            f"{kind.label} {name} added",
            actor=actor,
            at=at,
            after={"kind": kind, "name": name, "extension": extension},
        )
    return service


def remove_service(service: Service, *, actor: Actor, at: datetime) -> None:
    """Remove a service: its numbers are parked, and what was paid ahead for it is credited.

    Raises Refused where it was removed before, or is the contact center.
    """
    with open_ledger(service.account, actor=actor, at=at) as ledger:
        service = Service.objects.select_for_update(of=("self",)).get(pk=service.pk)
        if service.removed_on is not None:
            raise Refused(f"{service.name} was removed already. Nothing was changed.")
        if service.kind == ServiceKind.CONTACT_CENTER:
            raise Refused("The contact center cannot be removed here.")
        for listener in _when_removed:
            listener(service, actor, at)
        # A number that is parked changes which of those left is included; with all of them going,
        # the order from the latest on spares the ledger moves that the next would undo.
        for number in reversed(numbers_of(service)):
            park_in(ledger, number)
        service.removed_on = ledger.on
        free_extension(service)
        service.extension = ""
        service.save()
        settle_service(ledger, service)
        record(
            service.account,
            "remove-service",
            service,
            f"{ServiceKind(service.kind).label} {service.name} removed",
            actor=actor,
            at=at,
            before={"kind": service.kind, "name": service.name},
        )


def rename_service(service: Service, *, name: str, extension: str, actor: Actor, at: datetime) -> None:
    """Change a service's name and extension. Raises Refused where either is taken."""
    name = name.strip()
    with open_ledger(service.account, actor=actor, at=at) as ledger:
        service = Service.objects.select_for_update(of=("self",)).get(pk=service.pk)
        if service.removed_on is not None:
            raise Refused(f"{service.name} was removed. Nothing was changed.")
        if not name:
            raise Refused("A service has a name.", field="name")
        same = Service.objects.filter(account=service.account, kind=service.kind, name=name, removed_on=None)
        if same.exclude(pk=service.pk).exists():
            raise Refused(f"“{name}” is taken by another service of this kind.", field="name")
        before = {"name": service.name, "extension": service.extension}
        if (name, extension) == (service.name, service.extension):
            return
        if extension != service.extension:
            set_extension(service, extension)
        service.name = name
        service.extension = extension
        service.save()
        relabel(ledger, service)
        record(
            service.account,
            "edit-service",
            service,
            f"{ServiceKind(service.kind).label} {name} changed",
            actor=actor,
            at=at,
            before=before,
            after={"name": name, "extension": extension},
        )
