"""The Django admin of brands, accounts, users and the trail; every change made in it is in the trail too."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from babel import Locale, UnknownLocaleError
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import to_locale

from accounts.models import Account, AuditEntry, Brand, Membership, Partner, PartnerAccess, User
from accounts.permissions import FINANCE, ONBOARDING, STAFF_GROUPS, SUPPORT, is_in_group
from accounts.trail import Actor, record

if TYPE_CHECKING:
    from django.forms import ModelForm
    from django.http import HttpRequest

    ModelAdmin = admin.ModelAdmin[Any]
    Inline = admin.TabularInline[Any, Any]
    AnyUserAdmin = UserAdmin[User]
    CreationForm = AdminUserCreationForm[User]
    ChangeForm = UserChangeForm[User]
else:
    ModelAdmin = admin.ModelAdmin
    Inline = admin.TabularInline
    AnyUserAdmin = UserAdmin
    CreationForm = AdminUserCreationForm
    ChangeForm = UserChangeForm

SECRETS: Final = frozenset({"password", "password1", "password2", "usable_password"})


class StaffAdmin(ModelAdmin):
    """An admin page for staff groups: the permissions come with the group, not one by one (ACC-3).

    `editors` may look, add and change, `readers` look; superusers may do all that the page allows.
    """

    editors: ClassVar[tuple[str, ...]] = (ONBOARDING,)
    readers: ClassVar[tuple[str, ...]] = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the person sees the app at all."""
        return super().has_module_permission(request) or self._is_in(request, self.editors + self.readers)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the person may look."""
        mine = self._is_in(request, self.editors + self.readers)
        return super().has_view_permission(request, obj) or mine

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the person may add."""
        return super().has_add_permission(request) or self._is_in(request, self.editors)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the person may change."""
        return super().has_change_permission(request, obj) or self._is_in(request, self.editors)

    def _is_in(self, request: HttpRequest, groups: tuple[str, ...]) -> bool:
        return isinstance(request.user, User) and is_in_group(request.user, *groups)


class TrailedAdmin(StaffAdmin):
    """An admin page whose changes are written to the audit trail (ACC-5).

    The admin saves in a transaction, and the entry travels in it. What an account is about goes into
    that account's trail, the rest into the provider's own.
    """

    def account_of(self, item: models.Model) -> Account | None:
        """The account that the item belongs to, or None for what is the provider's own."""
        if isinstance(item, Account):
            return item
        found = getattr(item, "account", None)
        return found if isinstance(found, Account) else None

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: Any) -> None:
        """Save, and record what was changed to what."""
        names = [name for name in form.changed_data if name not in SECRETS]
        before = {}
        if change:
            old = type(obj)._default_manager.get(pk=obj.pk)
            before = {name: readable(getattr(old, name, None)) for name in names}
        after = {name: readable(form.cleaned_data.get(name)) for name in names}
        super().save_model(request, obj, form, change)
        if form.changed_data or not change:
            self._record(request, obj, "edit" if change else "add", before, after)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, and record that it was there."""
        self._record(request, obj, "delete", {}, {})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Delete one by one, so that each is recorded."""
        for item in queryset:
            self.delete_model(request, item)

    def _record(
        self,
        request: HttpRequest,
        item: models.Model,
        verb: str,
        before: dict[str, str],
        after: dict[str, str],
    ) -> None:
        noun = str(item._meta.verbose_name)
        done = {"add": "added", "edit": "changed", "delete": "deleted"}[verb]
        record(
            self.account_of(item),
            f"{verb}-{noun.replace(' ', '-')}",
            item,
            f"{noun.capitalize()} {item} {done} in the administration",
            actor=Actor.of(request),
            at=timezone.now(),
            before=before,
            after=after,
        )


def readable(value: Any) -> str:
    """A field's value in words, for the trail: many by their names, nothing as nothing."""
    if isinstance(value, models.Manager):
        value = value.all()
    if isinstance(value, models.QuerySet | list | tuple | set):
        return ", ".join(sorted(str(item) for item in value))
    return "" if value is None else str(value)


@admin.register(Brand)
class BrandAdmin(TrailedAdmin):
    """Who runs the panel: look, contacts, numbering, policies."""

    list_display = ("name", "logo_text", "invoice_prefix", "support_email", "payment_days")
    search_fields = ("name", "legal_name")
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    fieldsets = (
        (None, {"fields": ("name", "slug", "logo_text", "accent")}),
        ("Support", {"fields": ("support_name", "support_email", "support_phone")}),
        ("Onboarding team", {"fields": ("onboarding_name", "onboarding_email", "onboarding_phone")}),
        ("Invoices", {"fields": ("legal_name", "legal_address", "invoice_prefix", "payment_days")}),
        (
            "Payments, reminders and trials",
            {"fields": ("bank_details", "reminder_days", "suspend_after_days", "trial_days")},
        ),
        (
            "Policies",
            {
                "fields": (
                    "toll_free_upgrade_in_onboarding",
                    "auto_activate_after_days",
                    "auto_activate_from",
                )
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Addresses and invoice numbers that are out in the world stay what they are."""
        decided = ("auto_activate_from",)
        return ("slug", "invoice_prefix", *decided) if obj else decided

    def save_model(self, request: HttpRequest, obj: Brand, form: ModelForm[Any], change: Any) -> None:
        """A new age for automatic activation holds from today: nothing goes live for days before it (ONB-9)."""
        if "auto_activate_after_days" in form.changed_data:
            is_set = obj.auto_activate_after_days is not None
            obj.auto_activate_from = latest_date_of(obj, timezone.now()) if is_set else None
        super().save_model(request, obj, form, change)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Only while the slug can be typed."""
        return {} if obj else dict(super().get_prepopulated_fields(request, obj))


def latest_date_of(brand: Brand, at: datetime) -> date:
    """The date at the instant `at` in that time zone of the brand's accounts where it is latest; UTC's without any."""
    zones = Account.objects.filter(brand=brand).values_list("timezone", flat=True).order_by().distinct()
    return max((Account(timezone=zone).local_date(at) for zone in zones), default=at.astimezone(UTC).date())


class InlineToLookAt(Inline):
    """Rows that belong to what a page is about, and are changed elsewhere."""

    extra = 0
    can_delete = False
    show_change_link = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of them."""
        return self.fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They are added on their own page."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """For all who see the page."""
        return True


class MembershipInline(InlineToLookAt):
    """The members of an account."""

    model = Membership
    fields = ("user", "role", "since")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Membership]:
        """With their users."""
        return super().get_queryset(request).select_related("user")


class PartnerOfAccountInline(InlineToLookAt):
    """The partners of an account: they come in with subscriptions, and the customer decides about them (ACC-2)."""

    model = PartnerAccess
    fields = ("partner", "level", "is_first", "since")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PartnerAccess]:
        """With the organisations."""
        return super().get_queryset(request).select_related("partner")


def validate_language(code: str) -> None:
    """Refuse what is no language that dates and amounts can be written in."""
    try:
        Locale.parse(to_locale(code))
    except (UnknownLocaleError, ValueError):
        raise ValidationError(f"“{code}” is not a language. Use a code like en-us.") from None


@admin.register(Account)
class AccountAdmin(TrailedAdmin):
    """Accounts, mostly to look at: they are opened by an action, and what bills are made by stays."""

    list_display = ("name", "slug", "brand", "bdom", "currency", "timezone", "opened_on")
    list_filter = ("brand", "currency")
    list_select_related = ("brand",)
    search_fields = ("name", "slug")
    fields = (
        "name",
        "slug",
        "brand",
        "bdom",
        "currency",
        "timezone",
        "language",
        "opened_on",
        "extension_length",
        "billing_name",
        "billing_address",
        "collects_by_card",
        "suspended_on",
        "suspended_because",
        "dunning_held_until",
    )
    readonly_fields = (
        "collects_by_card",
        "suspended_on",
        "suspended_because",
        "dunning_held_until",
        "slug",
        "brand",
        "bdom",
        "currency",
        "timezone",
        "opened_on",
        "extension_length",
    )
    inlines = (MembershipInline, PartnerOfAccountInline)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """The language is checked where it is typed: every page of the account is written in it."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "language" and field is not None:
            field.validators.append(validate_language)
        return field

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Account]:
        """Without the simulator's scratch accounts."""
        accounts: models.QuerySet[Account] = super().get_queryset(request)
        return accounts.filter(is_simulation=False)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """An account is opened with its place in the billing calendar, which this page does not know."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An account keeps its invoices and its trail."""
        return False


@admin.register(Membership)
class MembershipAdmin(TrailedAdmin):
    """Makes somebody a member, such as the first owner; the rest is for the account's own owners."""

    list_display = ("user", "account", "role", "since")
    list_filter = ("role",)
    list_select_related = ("user", "account")
    search_fields = ("user__email", "user__full_name", "account__name", "account__slug")
    autocomplete_fields = ("account", "user")
    fields = ("account", "user", "role")

    def save_model(self, request: HttpRequest, obj: Membership, form: ModelForm[Any], change: Any) -> None:
        """A member from now on."""
        obj.since = timezone.now()
        super().save_model(request, obj, form, change)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The rules of owners are kept by the account's own page."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for changes."""
        return False


class AccountOfPartnerInline(InlineToLookAt):
    """The accounts that a partner has access to."""

    model = PartnerAccess
    verbose_name_plural = "accounts"
    fields = ("account", "level", "is_first", "since")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PartnerAccess]:
        """With the accounts, without the simulator's."""
        places = super().get_queryset(request).select_related("account")
        return places.filter(account__is_simulation=False).order_by("account__name", "pk")


class PersonOfPartnerInline(InlineToLookAt):
    """Who signs in for a partner; that is said on the person's own page."""

    model = User
    verbose_name = "person"
    verbose_name_plural = "people"
    fields = ("email", "full_name", "is_active", "last_login")


@admin.register(Partner)
class PartnerAdmin(TrailedAdmin):
    """Partner organisations: kept by the onboarding team, looked at by the other staff (ACC-2)."""

    readers = (FINANCE, SUPPORT)
    list_display = ("name", "brand", "email", "is_active")
    list_filter = ("brand", "is_active")
    list_select_related = ("brand",)
    search_fields = ("name", "slug", "email")
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    fields = ("name", "slug", "brand", "email", "is_active")
    inlines = (PersonOfPartnerInline, AccountOfPartnerInline)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The brand was that of the accounts it came into; the slug may be known outside."""
        return ("slug", "brand") if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Only while the slug can be typed."""
        may_type = obj is None and self.has_add_permission(request)
        return dict(super().get_prepopulated_fields(request, obj)) if may_type else {}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What it sold stays: switch it off instead."""
        return False


class NewUserForm(CreationForm):
    """A new user, with a password or, until a link is used, none."""

    class Meta:
        model = User
        fields = ("email", "full_name")


class UserForm(ChangeForm):
    """A user's details; the password has a page of its own."""

    class Meta:
        model = User
        fields = "__all__"


@admin.register(User)
class PanelUserAdmin(TrailedAdmin, AnyUserAdmin):
    """Who signs in. Superusers change users; the onboarding team looks, and makes them members."""

    editors = ()
    readers = (ONBOARDING,)
    form = UserForm
    add_form = NewUserForm
    list_display = ("email", "full_name", "is_staff", "partner", "is_active", "last_login")
    list_select_related = ("partner",)
    autocomplete_fields = ("partner",)
    list_filter = ("is_staff", "is_active", "groups")
    search_fields = ("email", "full_name")
    ordering = ("email",)
    readonly_fields = ("last_login", "joined_at")
    filter_horizontal = ("groups",)
    fieldsets = (
        (None, {"fields": ("email", "full_name", "password")}),
        ("Staff", {"fields": ("is_staff", "groups", "is_superuser")}),
        ("Partner", {"fields": ("partner",)}),
        ("Sign-in", {"fields": ("is_active", "last_login", "joined_at")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "full_name", "usable_password", "password1", "password2")}),)

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[Any], change: Any) -> None:
        """Addresses are kept in lower case, as sign-in compares them."""
        obj.email = obj.email.lower()
        if not change:
            obj.joined_at = timezone.now()
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a person did stays: switch the sign-in off instead."""
        return False


@admin.register(AuditEntry)
class AuditEntryAdmin(StaffAdmin):
    """The trail of all accounts, for all staff to read (ACC-5)."""

    editors = ()
    readers = tuple(STAFF_GROUPS)
    list_display = ("at", "account", "by", "action", "summary")
    list_filter = ("is_task", "target_kind", "at")
    list_select_related = ("account", "user")
    search_fields = ("summary", "target", "by")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Entries come with changes."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Append-only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Append-only."""
        return False


admin.site.unregister(Group)


@admin.register(Group)
class PanelGroupAdmin(TrailedAdmin, GroupAdmin):
    """The staff groups. Their names are known to the panel; who is in them is set on the user's page."""

    editors = ()
    fields = ("name",)
    readonly_fields = ("name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The groups are the panel's own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for adding."""
        return False
