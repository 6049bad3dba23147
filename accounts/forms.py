"""Forms of the accounts app, and how a form shows what a rule refuses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from django import forms
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.core.exceptions import ValidationError

from accounts.extensions import example
from accounts.mail import KINDS
from accounts.models import Account, Location, PartnerLevel, Role, User
from accounts.queries import SCHEDULED_TASKS

if TYPE_CHECKING:
    from accounts.refusals import Refused

    PasswordForm = SetPasswordForm[User]
else:
    PasswordForm = SetPasswordForm

ROLES: Final = {
    Role.OWNER: "everything, including who owns the account",
    Role.ADMIN: "everything but who owns the account",
    Role.BILLING: "the billing pages only",
    Role.READ_ONLY: "looks at all pages, changes nothing",
}

PARTNER_LEVELS: Final = {
    PartnerLevel.FULL: "Does what an admin does, but makes no owners and decides nothing about partners",
    PartnerLevel.READ_ONLY: "Looks at every page except Activity, and changes nothing",
}


def show_refusal(form: forms.BaseForm, refusal: Refused) -> None:
    """Put a refusal by its field, or above the form; the error's code is the rule's number, which links to help."""
    field = refusal.field if refusal.field in form.fields else None
    form.add_error(field, ValidationError(refusal.message, code=refusal.rule or None))


class SignInForm(AuthenticationForm):
    """E-mail address, in any case, and password. What fails does not say which of the two it was."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wrong = "This e-mail address and password do not go together. Try again."
        self.error_messages = {"invalid_login": wrong, "inactive": wrong}
        address = self.fields["username"]
        address.label = "E-mail address"
        address.widget = forms.EmailInput(
            attrs={"autocomplete": "username", "autofocus": True, "maxlength": 254}
        )
        address.error_messages["required"] = "Enter your e-mail address."
        self.fields["password"].error_messages["required"] = "Enter your password."


class NewPasswordForm(PasswordForm):
    """The password with which a person will sign in, twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].label = "New password"
        self.fields["new_password2"].label = "The same again"
        self.fields["new_password2"].help_text = ""


class EndUserForm(forms.Form):
    """An end user's details. What the rules say about them is asked by the action, not here."""

    name = forms.CharField(max_length=120, error_messages={"required": "Enter the person's name."})
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        required=False,
        error_messages={"invalid": "Enter an e-mail address, like name@example.com."},
    )
    extension = forms.CharField(
        max_length=8,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    department = forms.CharField(max_length=80, required=False)
    location = forms.ModelChoiceField(Location.objects.none(), required=False, empty_label="No location")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        extension = self.fields["extension"]
        length = account.extension_length
        extension.help_text = f"{length} digits, like {example(account)}. Nobody else may have it."
        department = self.fields["department"]
        department.widget.attrs["list"] = "departments"
        locations = cast("forms.ModelChoiceField[Location]", self.fields["location"])
        locations.queryset = Location.objects.filter(account=account)
        if not locations.queryset.exists():
            del self.fields["location"]

    def details(self) -> dict[str, Any]:
        """What the action is given."""
        return {"location": None, **self.cleaned_data}


class EndUserFilter(forms.Form):
    """What the list of end users can be narrowed to. What it does not know, it leaves aside."""

    q = forms.CharField(
        label="Search end users",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Search name, e-mail, extension, department"}),
    )
    department = forms.ChoiceField(required=False)
    location = forms.ModelChoiceField(Location.objects.none(), required=False, empty_label="All locations")

    def __init__(self, data: Any, *, account: Account, departments: list[str]) -> None:
        super().__init__(data)
        department = cast(forms.ChoiceField, self.fields["department"])
        department.choices = [("", "All departments"), *((name, name) for name in departments)]
        if not departments:
            del self.fields["department"]
        locations = cast("forms.ModelChoiceField[Location]", self.fields["location"])
        locations.queryset = Location.objects.filter(account=account)


class MemberForm(forms.Form):
    """Who becomes a member, and what the person may do."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        error_messages={
            "required": "Enter the person's e-mail address.",
            "invalid": "Enter an e-mail address, like name@example.com.",
        },
    )
    full_name = forms.CharField(
        label="Name",
        max_length=120,
        required=False,
        help_text="Needed for somebody who does not sign in to the panel yet.",
    )
    role = forms.ChoiceField(
        widget=forms.RadioSelect, error_messages={"required": "Choose what the person may do."}
    )

    def __init__(self, *args: Any, is_owner: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["role"]).choices = role_choices(is_owner=is_owner)


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(
        widget=forms.RadioSelect, error_messages={"required": "Choose what the person may do."}
    )

    def __init__(self, *args: Any, is_owner: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["role"]).choices = role_choices(is_owner=is_owner)


class ActivityFilter(forms.Form):
    """What the activity page can be narrowed to."""

    q = forms.CharField(
        label="Search activity",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Search what was changed, or by whom"}),
    )
    who = forms.ChoiceField(required=False)
    action = forms.ChoiceField(required=False)
    first = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Any, *, people: Iterable[User], actions: Iterable[str]) -> None:
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["who"]).choices = [
            ("", "Everybody"),
            *((str(person.pk), str(person)) for person in people),
            (SCHEDULED_TASKS, "Scheduled tasks"),
        ]
        cast(forms.ChoiceField, self.fields["action"]).choices = [
            ("", "All changes"),
            *((action, action_label(action)) for action in actions),
        ]


class MailFilter(forms.Form):
    """What the list of mail can be narrowed to."""

    q = forms.CharField(
        label="Search mail",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Search address or account"}),
    )
    kind = forms.ChoiceField(required=False, choices=[("", "All kinds"), *KINDS.items()])
    state = forms.ChoiceField(
        required=False,
        choices=[("", "All states"), ("sent", "Sent"), ("waiting", "To be sent"), ("failed", "Given up")],
    )


def action_label(action: str) -> str:
    """An action of the trail in words: assign-number as Assign number."""
    return action.replace("-", " ").capitalize()


def role_choices(*, is_owner: bool) -> list[tuple[str, str]]:
    """The roles with what they may do; only an owner makes owners (ACC-1)."""
    return [
        (role.value, f"{role.label}: {what}")
        for role, what in ROLES.items()
        if is_owner or role is not Role.OWNER
    ]


def filters_of(form: forms.Form) -> dict[str, Any]:
    """What a filter form understood; a field it did not understand filters nothing."""
    form.is_valid()
    return {name: form.cleaned_data.get(name) for name in form.fields}
