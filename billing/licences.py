"""Licences: bought in quantities, assigned to end users (LIC-1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from accounts.models import Account, EndUser
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.charges import Ledger, open_ledger
from billing.models import Charge, Condition, Delay, LicenceAssignment, Product

UC_LICENCE = "uc-licence"
MOST_UNITS = 100_000

# Called when an end user has lost a licence, in the transaction in which it happened. What depends
# on the licence (numbers) belongs to rooms above billing, which say so here.
Listener = Callable[[Ledger, EndUser, Product], None]
_when_taken: list[Listener] = []


def when_taken(listener: Listener) -> Listener:
    """Register what has to follow when a licence is taken from an end user (NUM-8)."""
    if listener not in _when_taken:
        _when_taken.append(listener)
    return listener


@dataclass(frozen=True, slots=True)
class Holding:
    """How many licences of a product an account has, and how many of them are assigned.

    `is_offered`: more can be bought; the product is on sale, and what it requires is there.
    """

    product: Product
    bought: int
    assigned: int
    is_offered: bool = True
    is_waiting: bool = False

    @property
    def can_assign(self) -> bool:
        """Whether one more end user can have it: one is free, or those bought wait for activation (ONB-4)."""
        return self.free > 0 or (self.is_waiting and self.bought > 0)

    @property
    def free(self) -> int:
        """How many can be assigned, or given back; more may be assigned than there are while they wait (ONB-4)."""
        return max(0, self.bought - self.assigned)


def holdings(account: Account) -> list[Holding]:
    """The account's licences by product, in the catalogue's order; all that are on offer to it or held."""
    bought = dict(
        Charge.objects.filter(account=account, ended_on=None, product__is_licence=True)
        .values_list("product")
        .annotate(units=Sum("quantity"))
        .order_by()
    )
    assigned = dict(
        LicenceAssignment.objects.filter(account=account, unassigned_on=None)
        .values_list("product")
        .annotate(units=Count("id"))
        .order_by()
    )
    met = Condition.objects.filter(account=account, key=OuterRef("requires"))
    live = Condition.objects.filter(account=account, key=OuterRef("condition"))
    products = Product.objects.filter(is_licence=True).annotate(
        may_be_had=Q(requires="") | Exists(met), waits=Q(delay=Delay.ACTIVATED) & ~Exists(live)
    )
    return [
        Holding(product, bought.get(product.pk, 0), assigned.get(product.pk, 0), is_offered, product.waits)
        for product in products
        if (is_offered := product.is_on_sale and product.may_be_had)
        or product.pk in bought
        or product.pk in assigned
    ]


def add_licences(account: Account, product: Product, quantity: int, *, actor: Actor, at: datetime) -> Charge:
    """Buy licences. Billing begins as the product's delay says (BIL-3), at today's price (BIL-6).

    Raises Refused where a limit is reached, or the product is no licence or not for sale.
    """
    check_quantity(quantity)
    if not product.is_licence or not product.is_on_sale:
        raise Refused(f"{product.name} is not a licence that can be bought.", field="product")
    with open_ledger(account, actor=actor, at=at) as ledger:
        charge = ledger.open(product, quantity)
        ledger.record(
            "add-licences",
            product,
            f"Bought {quantity} × {product.name}",
            after={
                "quantity": quantity,
                "unit_price": charge.unit_price,
                "billing_starts_on": charge.billing_starts_on,
            },
        )
    return charge


def remove_licences(
    account: Account, product: Product, quantity: int, *, actor: Actor, at: datetime
) -> list[Charge]:
    """Give back unassigned licences, the newest first; returns the charges that ended (LIC-1).

    Raises Refused where fewer are free than are to be given back.
    """
    check_quantity(quantity)
    with open_ledger(account, actor=actor, at=at) as ledger:
        bought = ledger.held(product.pk)
        free = max(0, bought - _assigned(account, product))
        if quantity > free:
            raise Refused(
                f"{_unassigned(free, product)}, "
                f"so {quantity} cannot be given back. Unassign licences first. "
                "Nothing was changed.",
                rule="LIC-1",
                field="quantity",
            )
        ended = ledger.end_newest(product, quantity)
        ledger.record(
            "remove-licences",
            product,
            f"Gave back {quantity} × {product.name}",
            before={"bought": bought},
            after={"bought": bought - quantity},
        )
    return ended


def assign_licence(end_user: EndUser, product: Product, *, actor: Actor, at: datetime) -> None:
    """Give an end user a licence of the account's free ones (LIC-1); nothing if one is held.

    Raises Refused where none is free, or the end user was removed.
    """
    account = end_user.account
    with open_ledger(account, actor=actor, at=at) as ledger:
        check_present(end_user)
        if _assignments(end_user, product).exists():
            return
        ledger.check_requirement(product)
        # While its licences wait for the contact center to go live, it is assigned without limit (ONB-4).
        is_waiting = product.delay == Delay.ACTIVATED and not ledger.is_met(product.condition)
        if not is_waiting and ledger.held(product.pk) - _assigned(account, product) < 1:
            raise Refused(
                f"No {product.name} is free. Add one, or unassign one first. Nothing was changed.",
                rule="LIC-1",
                field="product",
            )
        LicenceAssignment.objects.create(
            account=account, end_user=end_user, product=product, assigned_on=ledger.on
        )
        record(
            account,
            "assign-licence",
            end_user,
            f"{product.name} assigned to {end_user}",
            actor=actor,
            at=at,
            after={"licence": product.pk},
        )


def unassign_licence(end_user: EndUser, product: Product, *, actor: Actor, at: datetime) -> None:
    """Take a licence from an end user; it is free again, and goes on being billed.

    Taking the UC licence parks the end user's numbers (NUM-8). Nothing if none is held.
    """
    with open_ledger(end_user.account, actor=actor, at=at) as ledger:
        taken = _assignments(end_user, product).update(unassigned_on=ledger.on)
        if not taken:
            return
        record(
            end_user.account,
            "unassign-licence",
            end_user,
            f"{product.name} taken from {end_user}",
            actor=actor,
            at=at,
            before={"licence": product.pk},
        )
        for listener in _when_taken:
            listener(ledger, end_user, product)


def unassign_all(end_user: EndUser, *, actor: Actor, at: datetime) -> None:
    """Take all licences from an end user, with what follows from each."""
    held = Product.objects.filter(assignments__end_user=end_user, assignments__unassigned_on=None).distinct()
    for product in held:
        unassign_licence(end_user, product, actor=actor, at=at)


def holds_licence(end_user: EndUser, product: str) -> bool:
    """Whether the end user holds a licence of this product code now."""
    return LicenceAssignment.objects.filter(end_user=end_user, product=product, unassigned_on=None).exists()


def check_quantity(quantity: int) -> None:
    """Raise Refused unless the quantity is one that can be bought or given back."""
    if not 1 <= quantity <= MOST_UNITS:
        raise Refused(f"The quantity is a whole number from 1 to {MOST_UNITS:,}.", field="quantity")


def check_present(end_user: EndUser) -> None:
    """Raise Refused where the end user has been removed."""
    if EndUser.objects.filter(pk=end_user.pk, removed_on=None).exists():
        return
    raise Refused(f"{end_user} was removed from the account. Nothing was changed.")


def _assignments(end_user: EndUser, product: Product) -> QuerySet[LicenceAssignment]:
    return LicenceAssignment.objects.filter(end_user=end_user, product=product, unassigned_on=None)


def _assigned(account: Account, product: Product) -> int:
    return LicenceAssignment.objects.filter(account=account, product=product, unassigned_on=None).count()


def _unassigned(free: int, product: Product) -> str:
    if free == 0:
        return f"{product.name}: none is unassigned"
    return f"{product.name}: only {free} {'is' if free == 1 else 'are'} unassigned"
