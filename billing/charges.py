"""Opens, moves and ends charges: the only writer of the ledger.

    with open_ledger(account, actor=actor, at=at) as ledger:
        ledger.open(product, quantity=5)

The ledger is held under the account's schedule, the same row that an invoice run claims: what is
recorded before a run is on its invoice, and what comes after it is on the next (BIL-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from django.db import transaction
from django.db.models import Model, QuerySet, Sum

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.catalogue import sale_price
from billing.engine import next_bdom
from billing.engine.reasons import Basis
from billing.models import (
    BillingSchedule,
    Charge,
    ChargeState,
    Condition,
    Delay,
    Family,
    Limit,
    Product,
    Subscription,
)

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Subject:
    """What a charge is for: a key (`number:12`), its label, and who or what it serves."""

    key: str
    label: str
    holder: str = ""


@dataclass(slots=True)
class Written:
    """The charges that an action wrote, as it left them."""

    _charges: dict[int, Charge] = field(default_factory=dict)
    _new: set[int] = field(default_factory=set)

    def note(self, charge: Charge, *, is_new: bool) -> None:
        """Remember a charge that has just been written."""
        self._charges[charge.pk] = charge
        if is_new:
            self._new.add(charge.pk)

    @property
    def opened(self) -> tuple[Charge, ...]:
        """The new charges that go on."""
        return tuple(
            charge for pk, charge in self._charges.items() if pk in self._new and charge.ended_on is None
        )

    @property
    def ended(self) -> tuple[Charge, ...]:
        """The charges, or parts of them, that ended."""
        return tuple(charge for charge in self._charges.values() if charge.ended_on is not None)


# Prices that were agreed on, in place of the catalogue's, for what is bought meanwhile.
_agreed: ContextVar[Mapping[str, Decimal] | None] = ContextVar("agreed prices", default=None)


@contextmanager
def agreed_prices(prices: Mapping[str, Decimal]) -> Iterator[None]:
    """What is bought inside the block has these unit prices, by product code; all else that of the catalogue."""
    token = _agreed.set(prices)
    try:
        yield
    finally:
        _agreed.reset(token)


_watched: ContextVar[Written | None] = ContextVar("written charges", default=None)


@contextmanager
def watched_charges() -> Iterator[Written]:
    """Tells what the actions inside the block write to ledgers."""
    written = Written()
    token = _watched.set(written)
    try:
        yield written
    finally:
        _watched.reset(token)


@dataclass(slots=True)
class Ledger:
    """An account's charges, locked. `on` is the account's own date of the action."""

    account: Account
    schedule: BillingSchedule
    actor: Actor
    at: datetime
    on: date
    recorded_on: date
    _moved: bool = field(default=False)

    def open(
        self,
        product: Product,
        quantity: int = 1,
        *,
        subject: Subject | None = None,
        delay: str | None = None,
        basis: Basis | None = None,
        unit_price: Decimal | None = None,
        brought_by: Charge | None = None,
    ) -> Charge:
        """A new charge from today, with what its product brings along. The price is locked.

        `unit_price` replaces that of the catalogue, `delay` the product's own delay, `basis` the
        reason that lines will show. Raises Refused where a limit is reached, something that the
        product requires is missing, or it has no price.
        """
        if quantity < 1:
            raise ValueError("a charge is for one unit at least")
        self.check_requirement(product)
        self._check_limits(product, quantity)
        price = self.price_of(product) if unit_price is None else unit_price
        charge = self._new(product, quantity, price, delay, basis, subject)
        charge.brought_by = brought_by
        self._write(charge)
        if product.brings is not None:
            self.open(product.brings, quantity, brought_by=charge)
        return charge

    def open_each(
        self,
        product: Product,
        subjects: Sequence[Subject],
        *,
        delay: str | None = None,
        basis: Basis | None = None,
    ) -> list[Charge]:
        """A new charge from today for each of many subjects; as `open` for one unit of each, in one statement.

        Raises Refused as `open` does, and ValueError for a product that brings another along.
        """
        if product.brings_id is not None:
            raise ValueError(f"{product.code} brings something along: open each by itself")
        if not subjects:
            return []
        self.check_requirement(product)
        self._check_limits(product, len(subjects))
        price = self.price_of(product)
        charges = [self._new(product, 1, price, delay, basis, subject) for subject in subjects]
        Charge.objects.bulk_create(charges, batch_size=_BATCH)
        self._note(charges, are_new=True)
        return charges

    def _new(
        self,
        product: Product,
        quantity: int,
        price: Decimal,
        delay: str | None,
        basis: Basis | None,
        subject: Subject | None,
    ) -> Charge:
        """A charge from today that is not written yet; it has begun where its delay says so."""
        rule = product.delay if delay is None else delay
        starts_on, default_basis, basis_on = self._beginning(product, rule)
        charge = Charge(
            account=self.account,
            product=product,
            quantity=quantity,
            unit_price=price,
            added_on=self.on,
            billing_starts_on=starts_on,
            start_recorded_on=None if starts_on is None else self.recorded_on,
            condition=product.condition if rule == Delay.ACTIVATED else "",
            basis=basis or default_basis,
            basis_on=basis_on,
            basis_days=product.delay_days if rule in (Delay.TIMED, Delay.PARKED) else 0,
            subject=subject.key if subject else "",
            subject_label=subject.label if subject else "",
            holder=subject.holder if subject else "",
        )
        if starts_on is not None and starts_on <= self.on:
            charge.begin()
        return charge

    def price_of(self, product: Product) -> Decimal:
        """What a unit costs that is bought now: what was agreed on, else the price of the catalogue.

        Raises Refused where there is none.
        """
        agreed = (_agreed.get() or {}).get(product.pk)
        return sale_price(product, self.account, self.on) if agreed is None else agreed

    def open_for(self, subscription: Subscription, product: Product, quantity: int) -> Charge:
        """A new charge of a subscription: from today or its start, to its end, and nothing else bears on it (SUB-10).

        The price is locked. Raises Refused where the product is not billed monthly or has no price.
        """
        if not product.is_recurring:
            raise Refused(
                f"{product.name} is not billed monthly, so no subscription holds it. Nothing was changed.",
                rule="SUB-10",
                field="product",
            )
        if product.family == Family.PACKAGE:
            raise Refused(
                "The toll-free package is the account's, not a subscription's. Nothing was changed.",
                rule="USE-6",
                field="product",
            )
        starts_on = max(self.on, subscription.starts_on)
        charge = Charge(
            account=self.account,
            product=product,
            quantity=quantity,
            unit_price=self.price_of(product),
            added_on=self.on,
            billing_starts_on=starts_on,
            start_recorded_on=self.recorded_on,
            term_ends_on=subscription.ends_on,
            basis=Basis.TERM,
            basis_on=starts_on,
            subscription=subscription,
        )
        if starts_on <= self.on:
            charge.begin()
        self._write(charge)
        return charge

    def end(self, charge: Charge, quantity: int | None = None) -> Charge:
        """End a charge today, or `quantity` of its units; the others go on untouched (NUM-7).

        What they brought along ends with them if it has not begun; a fee that is due stays due.

        Returns the charge that ended. Raises ValueError where it has fewer units.
        """
        units = charge.quantity if quantity is None else quantity
        if not 0 < units <= charge.quantity:
            raise ValueError(f"the charge has {charge.quantity} units")
        if self.is_to_come(charge):
            self._end_at_old_price(charge, units)
        self._end_what_it_brought(charge, units)
        ended = self.split_off(charge, units)
        ended.end(self.on, self.recorded_on)
        self._write(ended)
        return ended

    def end_each(self, charges: Sequence[Charge]) -> None:
        """End many whole charges today; as `end` for each, in a few statements for all that are simple."""
        keys = [charge.pk for charge in charges]
        bring = set(self.open_charges().filter(brought_by__any_of=keys).values_list("brought_by", flat=True))
        simple = []
        for charge in charges:
            if charge.pk in bring or self.is_to_come(charge):
                self.end(charge)
            else:
                charge.end(self.on, self.recorded_on)
                simple.append(charge)
        Charge.objects.filter(pk__any_of=[charge.pk for charge in simple]).update(
            state=ChargeState.ENDED, ended_on=self.on, end_recorded_on=self.recorded_on
        )
        self._note(simple, are_new=False)

    def end_newest(
        self, product: Product, quantity: int, subscription: Subscription | None = None
    ) -> list[Charge]:
        """End so many units of a product, the newest first; returns the charges that ended (LIC-1).

        Those of a subscription, or without one the account's own.
        """
        ended: list[Charge] = []
        left = quantity
        charges = self.open_charges().filter(product=product, subscription=subscription)
        for charge in charges.order_by("-added_on", "-id"):
            if left == 0:
                break
            ended.append(self.end(charge, min(left, charge.quantity)))
            left -= ended[-1].quantity
        return ended

    def move(self, charge: Charge, subject: Subject) -> None:
        """What is charged now serves somebody else; the charge goes on as it was (NUM-7)."""
        if (charge.subject_label, charge.holder) == (subject.label, subject.holder):
            return
        charge.subject_label = subject.label
        charge.holder = subject.holder
        self._write(charge)
        if self.is_to_come(charge):
            for earlier in self._at_old_price(charge):
                self.move(earlier, subject)

    def begin(self, charge: Charge, basis: Basis, starts_on: date | None = None) -> None:
        """The event that a charge waited for has come; billing begins `starts_on`, else today."""
        if charge.billing_starts_on is not None:
            raise ValueError("it is known already when this charge begins")
        charge.billing_starts_on = max(starts_on or self.on, charge.added_on)
        charge.start_recorded_on = self.recorded_on
        charge.basis = basis
        charge.basis_on = charge.billing_starts_on
        if charge.billing_starts_on <= self.on:
            charge.begin()
        self._write(charge)

    def meet_condition(self, key: str) -> list[Charge]:
        """A condition of the account is met today, once and for good; returns what now begins.

        Charges that wait for it begin today, those added later on their own day (BIL-3).
        """
        _, is_new = Condition.objects.get_or_create(
            account=self.account, key=key, defaults={"met_on": self.on}
        )
        if not is_new:
            return []
        waiting = list(self.open_charges().filter(condition=key, billing_starts_on=None))
        for charge in waiting:
            self.begin(charge, Basis.CONDITION)
        return waiting

    def set_limit(self, key: str, products: Sequence[str], maximum: int, reason: str, rule: str) -> None:
        """From now on at most `maximum` of these product codes together; replaces one of that key."""
        Limit.objects.update_or_create(
            account=self.account,
            key=key,
            defaults={
                "products": list(products),
                "maximum": maximum,
                "reason": reason,
                "rule": rule,
            },
        )

    def lift_limit(self, key: str) -> None:
        """The limit holds no longer."""
        Limit.objects.filter(account=self.account, key=key).delete()

    def reprice(self, charge: Charge, unit_price: Decimal, from_bdom: date) -> Charge:
        """A new price from a BDOM to come: the charge ends there and a successor begins (BIL-6).

        A charge that never had a price has this one from its beginning.

        Raises Refused where `from_bdom` is no BDOM to come, or the charge does not run until then.
        """
        if from_bdom < self._next_bdom() or not self._is_bdom(from_bdom):
            raise Refused(
                f"A new price takes effect from a billing day to come; "
                f"the next is {self._next_bdom():%B %-d, %Y}.",
                rule="BIL-6",
                field="from_on",
            )
        if charge.ended_on is not None or charge.term_ends_on is not None:
            raise Refused("This charge has an end already.", rule="BIL-6")
        # Nothing can have been billed at a price that there was not.
        was_billed = charge.unit_price is not None
        if not was_billed or charge.billing_starts_on is None or charge.billing_starts_on >= from_bdom:
            charge.unit_price = unit_price
            self._write(charge)
            return charge
        successor = Charge(
            account=self.account,
            product=charge.product,
            quantity=charge.quantity,
            unit_price=unit_price,
            added_on=charge.added_on,
            billing_starts_on=from_bdom,
            start_recorded_on=self.recorded_on,
            basis=Basis.REPRICED,
            basis_on=from_bdom,
            subject=charge.subject,
            subject_label=charge.subject_label,
            holder=charge.holder,
        )
        charge.ended_on = from_bdom
        charge.end_recorded_on = self.recorded_on
        self._write(charge)
        self._write(successor)
        return successor

    def split_off(self, charge: Charge, units: int) -> Charge:
        """So many units of a charge as one of their own, equal in all else; the charge itself if it has no more."""
        if not 0 < units <= charge.quantity:
            raise ValueError(f"the charge has {charge.quantity} units")
        return charge if units == charge.quantity else self._part(charge, units)

    def open_charges(self) -> QuerySet[Charge]:
        """The charges that have no end yet."""
        return Charge.objects.filter(account=self.account, ended_on=None).exclude(state=ChargeState.ENDED)

    def charge_of(self, subject: str) -> Charge | None:
        """The charge of a subject that has no end yet, if there is one."""
        return self.open_charges().filter(subject=subject).order_by("-id").first()

    def is_to_come(self, charge: Charge) -> bool:
        """Whether it is a new price that has not taken effect: until then its predecessor is billed."""
        starts_on = charge.billing_starts_on
        return charge.basis == Basis.REPRICED and starts_on is not None and starts_on > self.recorded_on

    def is_billed(self, charge: Charge) -> bool:
        """Whether today is billed, by this charge or by the one whose new price it is."""
        if self.is_to_come(charge):
            return any(self.is_billed(earlier) for earlier in self._at_old_price(charge))
        return charge.billing_starts_on is not None and charge.billing_starts_on <= self.on

    def reopen(
        self,
        charge: Charge | None,
        product: Product,
        subject: Subject,
        *,
        delay: str,
        basis: Basis | None = None,
    ) -> Charge:
        """Charge a subject anew from today, in place of `charge`, at the price it has been charged before.

        A new price that was agreed for a BDOM to come is as agreed for the new charge (BIL-6).
        """
        price = self._locked_price(subject.key, product)
        to_come = []
        if charge is not None:
            to_come = self._prices_to_come(charge)
            self.end(charge)
        opened = self.open(product, subject=subject, delay=delay, basis=basis, unit_price=price)
        latest = opened
        for from_bdom, agreed in to_come:
            latest = self.reprice(latest, agreed, from_bdom)
        return opened

    def _locked_price(self, subject: str, product: Product) -> Decimal | None:
        """The price at which a subject has been charged before, or None (BIL-6)."""
        return (
            Charge.objects.filter(account=self.account, subject=subject, product=product)
            .exclude(basis=Basis.REPRICED, billing_starts_on__gt=self.recorded_on)
            .order_by("-id")
            .values_list("unit_price", flat=True)
            .first()
        )

    def _at_old_price(self, charge: Charge) -> list[Charge]:
        """The charges that are billed until the new price of `charge` takes effect."""
        return list(
            Charge.objects.filter(
                account=self.account,
                product=charge.product_id,
                subject=charge.subject,
                added_on=charge.added_on,
                ended_on=charge.billing_starts_on,
            )
            .exclude(state=ChargeState.ENDED)
            .order_by("-id")
        )

    def _end_at_old_price(self, charge: Charge, units: int) -> None:
        """What ends before its new price has taken effect ends at the old one too."""
        for earlier in self._at_old_price(charge):
            if units == 0:
                return
            units -= self.end(earlier, min(units, earlier.quantity)).quantity

    def _prices_to_come(self, charge: Charge) -> list[tuple[date, Decimal]]:
        """The new prices that were agreed, the first to take effect first."""
        prices: list[tuple[date, Decimal]] = []
        while self.is_to_come(charge):
            if charge.billing_starts_on is not None and charge.unit_price is not None:
                prices.insert(0, (charge.billing_starts_on, charge.unit_price))
            earlier = self._at_old_price(charge)
            if not earlier:
                break
            charge = earlier[0]
        return prices

    def held(self, *products: str, subscription: Subscription | None = None) -> int:
        """How many units of these product codes a subscription has, or without one the account itself (SUB-10)."""
        charges = self.open_charges().filter(product__in=products, subscription=subscription)
        return charges.aggregate(held=Sum("quantity"))["held"] or 0

    def record(
        self,
        action: str,
        target: Model,
        summary: str,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        """Write the trail of this action."""
        record(
            self.account,
            action,
            target,
            summary,
            actor=self.actor,
            at=self.at,
            before=before,
            after=after,
        )

    def _beginning(self, product: Product, rule: str) -> tuple[date | None, Basis, date]:
        """When billing begins under a delay, why, and the day that the reason counts from."""
        if rule == Delay.NONE:
            return self.on, Basis.ADDED, self.on
        if rule in (Delay.TIMED, Delay.PARKED):
            basis = Basis.TIMED if rule == Delay.TIMED else Basis.PARKED
            return self.on + timedelta(days=product.delay_days), basis, self.on
        if rule == Delay.SHIPPED:
            return None, Basis.SHIPPED, self.on
        if rule == Delay.ACTIVATED:
            if self.is_met(product.condition):
                return self.on, Basis.ADDED, self.on
            return None, Basis.CONDITION, self.on
        raise ValueError(f"no such billing delay: {rule}")

    def _end_what_it_brought(self, charge: Charge, units: int) -> None:
        for brought in self.open_charges().filter(brought_by=charge, state=ChargeState.WAITING):
            self.end(brought, min(units, brought.quantity))

    def is_met(self, condition: str) -> bool:
        """Whether a condition of the account has been met."""
        return Condition.objects.filter(account=self.account, key=condition).exists()

    def check_requirement(self, product: Product) -> None:
        """Raise Refused where a condition is not met without which a product cannot be had."""
        if product.requires and not self.is_met(product.requires):
            raise Refused(
                f"{product.name} can be had once {Family(product.family).label} is installed. "
                "Nothing was changed.",
                field="product",
            )

    def _check_limits(self, product: Product, quantity: int) -> None:
        for limit in Limit.objects.filter(account=self.account):
            if product.code not in limit.products:
                continue
            if self.held(*limit.products) + quantity > limit.maximum:
                raise Refused(limit.reason, rule=limit.rule, field="quantity")

    def _next_bdom(self) -> date:
        """The first BDOM from which a new price can take effect."""
        return max(self.schedule.next_bdom_on, next_bdom(self.account.bdom, self.on))

    def _is_bdom(self, on: date) -> bool:
        return next_bdom(self.account.bdom, on - timedelta(days=1)) == on

    def _part(self, charge: Charge, quantity: int) -> Charge:
        """Take some units of a charge into one of their own, equal in all else."""
        charge.quantity -= quantity
        self._write(charge)
        fields = {
            column.attname: getattr(charge, column.attname)
            for column in Charge._meta.concrete_fields
            if not column.primary_key
        }
        return Charge(**(fields | {"quantity": quantity}))

    def _write(self, charge: Charge) -> None:
        is_new = charge._state.adding
        charge.save()
        self._note([charge], are_new=is_new)

    def _note(self, charges: Sequence[Charge], *, are_new: bool) -> None:
        """What has been written, for previews and for those who watch."""
        self._moved = self._moved or bool(charges)
        written = _watched.get()
        if written is not None:
            for charge in charges:
                written.note(charge, is_new=are_new)

    def touch(self) -> None:
        """Something that invoices are drawn from has moved, beside the charges."""
        self._moved = True

    def close(self) -> None:
        """Mark that the ledger moved, so that previews are drawn anew."""
        if self._moved:
            self.schedule.stamp = uuid4()
            self.schedule.save(update_fields=["stamp"])


# What is due on an account before an action of its own; `billing.triggers` knows it.
CatchUp = Callable[[Account, date, datetime], None]
_catching_up: list[CatchUp] = []
_is_catching_up: ContextVar[bool] = ContextVar("catching up", default=False)


def before_actions(catch_up: CatchUp) -> None:
    """Have something done for an account before each of its actions."""
    _catching_up.append(catch_up)


def _catch_up(account: Account, today: date, at: datetime) -> None:
    if _is_catching_up.get():
        return
    token = _is_catching_up.set(True)
    try:
        for catch_up in _catching_up:
            catch_up(account, today, at)
    finally:
        _is_catching_up.reset(token)


@contextmanager
def open_ledger(account: Account, *, actor: Actor, at: datetime, on: date | None = None) -> Iterator[Ledger]:
    """The account's ledger, in a transaction and under the account's lock, until the block ends.

    `at` is the instant of the action, which is dated in the account's time zone; a scheduled thing
    that is done late is dated `on` the day that was due. An action inside another of the same
    account joins its transaction. What was due on the account before comes first, so that an action
    finds things as they would be if nothing had been late (BIL-8).
    """
    with transaction.atomic():
        schedule = BillingSchedule.objects.select_for_update().get(account=account)
        today = account.local_date(at)
        if on is None:
            _catch_up(account, today, at)
            on = seen_from = today
        else:
            # What is scheduled for a day comes before that day's run, which sees what was recorded
            # before its day (BIL-7).
            seen_from = on - timedelta(days=1)
        # A run may have looked already at the day on which a slow request began: what it did not
        # see belongs to the next one.
        recorded_on = max(seen_from, schedule.last_bdom_on or seen_from)
        ledger = Ledger(account, schedule, actor, at, on, recorded_on)
        yield ledger
        ledger.close()
