"""Licences: bought in quantities, assigned to end users (LIC-1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum

from accounts.models import Account, EndUser
from accounts.refusals import Refused
from accounts.trail import Actor, Change, record, record_all
from billing.charges import Ledger, open_ledger
from billing.models import Charge, ChargeState, Condition, Delay, LicenceAssignment, Product, Subscription
from billing.subscriptions import check_runs

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


@dataclass(frozen=True, slots=True)
class Stock:
    """All licences of an account: its own, and those of each subscription by its id."""

    own: list[Holding]
    of_subscriptions: dict[int, list[Holding]]

    def of(self, subscription: int | None, product: str) -> Holding | None:
        """The licences of a product that a subscription has, or without one the account itself; None for none."""
        held = self.own if subscription is None else self.of_subscriptions.get(subscription, ())
        return next((holding for holding in held if holding.product.pk == product), None)


def stock_of(account: Account) -> Stock:
    """What the account and each of its subscriptions has of licences. Three queries.

    Own ones are all that are on offer to it or held; those of a subscription what it has or had assigned,
    also once it has ended and nothing of it can be assigned any more. Each licence stands in one place alone.
    """
    open_charges = Charge.objects.filter(account=account, ended_on=None, product__is_licence=True)
    bought = _units(open_charges.exclude(state=ChargeState.ENDED), Sum("quantity"))
    assigned = _units(LicenceAssignment.objects.filter(account=account, unassigned_on=None), Count("id"))
    met = Condition.objects.filter(account=account, key=OuterRef("requires"))
    live = Condition.objects.filter(account=account, key=OuterRef("condition"))
    products = list(
        Product.objects.filter(is_licence=True).annotate(
            may_be_had=Q(requires="") | Exists(met), waits=Q(delay=Delay.ACTIVATED) & ~Exists(live)
        )
    )
    held = {key: (bought.get(key, 0), assigned.get(key, 0)) for key in bought | assigned}
    subscriptions = sorted({subscription for subscription, _ in held if subscription is not None})
    return Stock(
        own=[
            Holding(product, *held.get((None, product.pk), (0, 0)), is_offered, vars(product)["waits"])
            for product in products
            if (is_offered := product.is_on_sale and vars(product)["may_be_had"])
            or (None, product.pk) in held
        ],
        of_subscriptions={
            subscription: [
                Holding(product, *held[subscription, product.pk])
                for product in products
                if (subscription, product.pk) in held
            ]
            for subscription in subscriptions
        },
    )


def holdings(account: Account) -> list[Holding]:
    """The account's own licences by product, in the catalogue's order; all that are on offer to it or held.

    Those of subscriptions are told by `held_by_subscription`.
    """
    return stock_of(account).own


def held_by_subscription(account: Account, on: date) -> dict[int, list[Holding]]:
    """The licences of each subscription that has not ended by the day `on`, by its id. Four queries."""
    over = Q(ends_on__lte=on) | Q(ends_on=F("starts_on"))
    ended = set(Subscription.objects.filter(over, tenancy=account.pk).values_list("pk", flat=True))
    held = stock_of(account).of_subscriptions
    return {subscription: held[subscription] for subscription in held if subscription not in ended}


def _units(
    rows: QuerySet[Charge] | QuerySet[LicenceAssignment], units: Sum | Count
) -> dict[tuple[int | None, str], int]:
    """How many there are by subscription (None: the account's own) and product."""
    return {
        (subscription, product): found
        for subscription, product, found in rows.order_by()
        .values_list("subscription", "product")
        .annotate(units=units)
    }


def add_licences(
    account: Account,
    product: Product,
    quantity: int,
    *,
    subscription: Subscription | None = None,
    actor: Actor,
    at: datetime,
) -> Charge:
    """Buy licences. Billing begins as the product's delay says (BIL-3), at today's price (BIL-6).

    Those of a subscription are billed from today or its start to its end, and no limit bears on them
    (SUB-10). Raises Refused where a limit is reached, the product is no licence or not for sale, or the
    subscription has ended.
    """
    check_quantity(quantity)
    if not product.is_licence or not product.is_on_sale:
        raise Refused(f"{product.name} is not a licence that can be bought.", field="product")
    with open_ledger(account, actor=actor, at=at) as ledger:
        if subscription is None:
            charge = ledger.open(product, quantity)
        else:
            check_runs(subscription, ledger.on)
            charge = ledger.open_for(subscription, product, quantity)
        ledger.record(
            "add-licences",
            product,
            f"Bought {quantity} × {product.name}{_on(subscription)}",
            after={
                "quantity": quantity,
                "unit_price": charge.unit_price,
                "billing_starts_on": charge.billing_starts_on,
            },
        )
    return charge


def remove_licences(
    account: Account,
    product: Product,
    quantity: int,
    *,
    subscription: Subscription | None = None,
    actor: Actor,
    at: datetime,
) -> list[Charge]:
    """Give back unassigned licences, the newest first; returns the charges that ended (LIC-1).

    Those of a subscription, or without one the account's own. Raises Refused where fewer are free than
    are to be given back.
    """
    check_quantity(quantity)
    with open_ledger(account, actor=actor, at=at) as ledger:
        if subscription is not None:
            check_runs(subscription, ledger.on)
        bought = ledger.held(product.pk, subscription=subscription)
        free = max(0, bought - _assigned(account, product, subscription))
        if quantity > free:
            raise Refused(
                f"{_unassigned(free, product)}{_on(subscription)}, "
                f"so {quantity} cannot be given back. Unassign licences first. "
                "Nothing was changed.",
                rule="LIC-1",
                field="quantity",
            )
        ended = ledger.end_newest(product, quantity, subscription)
        ledger.record(
            "remove-licences",
            product,
            f"Gave back {quantity} × {product.name}{_on(subscription)}",
            before={"bought": bought},
            after={"bought": bought - quantity},
        )
    return ended


def assign_licence(
    end_user: EndUser,
    product: Product,
    *,
    subscription: Subscription | None = None,
    actor: Actor,
    at: datetime,
) -> None:
    """Give an end user a licence of the subscription's free ones, or without one of the account's own (LIC-1).

    Nothing if it is held already; one that is held of elsewhere is moved, and is free there again (SUB-9).
    Raises Refused where none is free, the subscription has ended, or the end user was removed.
    """
    account = end_user.account
    with open_ledger(account, actor=actor, at=at) as ledger:
        check_present(end_user)
        held = _assignments(end_user, product).select_related("subscription").first()
        if held is not None and held.subscription_id == (subscription.pk if subscription else None):
            return
        _check_free(ledger, product, subscription, units=1)
        if held is not None:
            held.unassigned_on = ledger.on
            held.save(update_fields=["unassigned_on"])
        LicenceAssignment.objects.create(
            account=account,
            end_user=end_user,
            product=product,
            subscription=subscription,
            assigned_on=ledger.on,
        )
        record(
            account,
            "assign-licence" if held is None else "move-licence",
            end_user,
            f"{product.name} assigned to {end_user}{_on(subscription)}",
            actor=actor,
            at=at,
            before={} if held is None else {"subscription": held.subscription},
            after={"licence": product.pk, "subscription": subscription},
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """A licence for an end user: of a subscription, or without one of the account's own."""

    end_user: EndUser
    product: Product
    subscription: Subscription | None = None


def grant_licences(account: Account, grants: Sequence[Grant], *, actor: Actor, at: datetime) -> None:
    """Give licences to end users who do not hold them yet, all or none, in a few statements (LIC-1, LIC-2).

    Raises Refused where fewer are free than are to be given, a subscription has ended, or somebody was
    removed; ValueError where somebody holds what is given, or two grants are one.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        _check_grants(account, grants)
        needed = Counter((grant.product, grant.subscription) for grant in grants)
        for (product, subscription), units in needed.items():
            _check_free(ledger, product, subscription, units=units)
        LicenceAssignment.objects.bulk_create(
            (
                LicenceAssignment(
                    account=account,
                    end_user=grant.end_user,
                    product=grant.product,
                    subscription=grant.subscription,
                    assigned_on=ledger.on,
                )
                for grant in grants
            ),
            batch_size=1000,
        )
        changes = [
            Change(
                "assign-licence",
                grant.end_user,
                f"{grant.product.name} assigned to {grant.end_user}{_on(grant.subscription)}",
                after={"licence": grant.product.pk, "subscription": grant.subscription},
            )
            for grant in grants
        ]
        record_all(account, changes, actor=actor, at=at)


def _check_grants(account: Account, grants: Sequence[Grant]) -> None:
    """Raise Refused where somebody is gone, ValueError where somebody would hold a licence twice."""
    keys = {grant.end_user.pk for grant in grants}
    if EndUser.objects.filter(account=account, pk__any_of=keys, removed_on=None).count() < len(keys):
        raise Refused("Somebody among these was removed from the account. Nothing was changed.")
    held = LicenceAssignment.objects.filter(end_user__any_of=keys, unassigned_on=None)
    pairs = [*held.values_list("end_user", "product")]
    pairs += [(grant.end_user.pk, grant.product.pk) for grant in grants]
    if len(set(pairs)) < len(pairs):
        raise ValueError("a licence is given once to those who do not hold it")


def move_assignments(source: Subscription, target: Subscription, *, actor: Actor, at: datetime) -> int:
    """Move everybody with a licence of one subscription to another, all or none (SUB-8); returns how many licences.

    Works before the source's end and after it. Raises Refused where the target has ended, or has fewer free
    than are needed, and says how many are missing of what.
    """
    account = source.account
    if source.pk == target.pk:
        return 0
    if source.tenancy_id != target.tenancy_id:
        raise ValueError("licences move within one account")
    with open_ledger(account, actor=actor, at=at) as ledger:
        found = LicenceAssignment.objects.filter(subscription=source, unassigned_on=None)
        held = list(found.select_related("product", "end_user").order_by("id"))
        if not held:
            return 0
        check_runs(target, ledger.on)
        _check_missing(account, Counter(assignment.product for assignment in held), target)
        # Nobody else writes them: the ledger is open.
        found.update(unassigned_on=ledger.on)
        LicenceAssignment.objects.bulk_create(
            (
                LicenceAssignment(
                    account=account,
                    end_user=assignment.end_user,
                    product=assignment.product,
                    subscription=target,
                    assigned_on=ledger.on,
                )
                for assignment in held
            ),
            batch_size=1000,
        )
        record_all(
            account,
            [
                Change(
                    "move-licence",
                    assignment.end_user,
                    f"{assignment.product.name} of {assignment.end_user} moved from {source} to {target}",
                    before={"subscription": source},
                    after={"subscription": target},
                )
                for assignment in held
            ],
            actor=actor,
            at=at,
        )
    return len(held)


def _check_missing(account: Account, needed: Counter[Product], target: Subscription) -> None:
    """Raise Refused where the target has not enough free of all that is needed (LIC-1)."""
    stock = stock_of(account)
    missing = [
        f"{short:,} × {product.name}"
        for product, units in sorted(needed.items(), key=lambda pair: pair[0].rank)
        if (short := units - free_of(stock.of(target.pk, product.pk))) > 0
    ]
    if missing:
        raise Refused(
            f"Subscription {target} has too few free licences: {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 and missing[0].startswith('1 ×') else 'are'} missing. "
            "Add them to it, or choose another subscription. Nobody was moved.",
            rule="LIC-1",
            field="target",
        )


def free_of(holding: Holding | None) -> int:
    """How many licences are free where there may be none at all."""
    return 0 if holding is None else holding.free


def unassign_licence(
    end_user: EndUser,
    product: Product,
    *,
    subscription: Subscription | None = None,
    actor: Actor,
    at: datetime,
) -> None:
    """Take a licence from an end user; it is free again, and goes on being billed.

    Taking the UC licence parks the end user's numbers (NUM-8). Nothing if none is held, or not of the
    subscription that is named.
    """
    with open_ledger(end_user.account, actor=actor, at=at) as ledger:
        held = _assignments(end_user, product)
        if subscription is not None:
            held = held.filter(subscription=subscription)
        taken = held.update(unassigned_on=ledger.on)
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


def _assigned(account: Account, product: Product, subscription: Subscription | None) -> int:
    return LicenceAssignment.objects.filter(
        account=account, product=product, subscription=subscription, unassigned_on=None
    ).count()


def _check_free(ledger: Ledger, product: Product, subscription: Subscription | None, *, units: int) -> None:
    """Raise Refused where fewer licences are free than are to be assigned (LIC-1)."""
    if subscription is not None:
        check_runs(subscription, ledger.on)
    else:
        ledger.check_requirement(product)
        # While its licences wait for the contact center to go live, it is assigned without limit (ONB-4).
        if product.delay == Delay.ACTIVATED and not ledger.is_met(product.condition):
            return
    held = ledger.held(product.pk, subscription=subscription)
    free = max(0, held - _assigned(ledger.account, product, subscription))
    if free >= units:
        return
    if units == 1:
        message = f"No {product.name} is free{_on(subscription)}. Add one, or unassign one first."
    else:
        there = f"{free} {'is' if free == 1 else 'are'} free"
        message = f"{units} × {product.name} are needed{_on(subscription)}, and {there}."
    raise Refused(f"{message} Nothing was changed.", rule="LIC-1", field="product")


def _on(subscription: Subscription | None) -> str:
    return "" if subscription is None else f" on subscription {subscription}"


def _unassigned(free: int, product: Product) -> str:
    if free == 0:
        return f"{product.name}: none is unassigned"
    return f"{product.name}: only {free} {'is' if free == 1 else 'are'} unassigned"
