"""Adding end users. What shows or touches their licences and numbers too is in controlpanel.people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.end_users import add_end_user
from accounts.extensions import next_free_extension
from accounts.forms import EndUserForm, show_refusal
from accounts.models import EndUser
from accounts.permissions import AccountRequest, account_page
from accounts.queries import departments_of
from accounts.refusals import Refused
from accounts.trail import Actor

if TYPE_CHECKING:
    from django.http import HttpResponse


def own_end_user(request: AccountRequest, pk: int) -> EndUser:
    """The end user of the account by its key; 404 for another account's, and for one removed (ACC-4)."""
    end_users = EndUser.objects.select_related("location", "account")
    return get_object_or_404(end_users, pk=pk, account=request.account, removed_on=None)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def end_user_add(request: AccountRequest) -> HttpResponse:
    """Add one end user; the extension after the highest is offered (NUM-6)."""
    account = request.account
    if request.method == "POST":
        form = EndUserForm(request.POST, account=account)
        if form.is_valid():
            try:
                end_user = add_end_user(account, **form.details(), actor=Actor.of(request), at=request.at)
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{end_user} added.")
                return redirect("accounts:end-user", account=account.slug, pk=end_user.pk)
    else:
        form = EndUserForm(account=account, initial={"extension": next_free_extension(account)})
    return form_page(request, form, title="Add user", submit="Add user")


def form_page(
    request: AccountRequest,
    form: EndUserForm,
    *,
    title: str,
    submit: str,
    end_user: EndUser | None = None,
) -> HttpResponse:
    """The form for an end user's details, new (no `end_user`) or not."""
    context: dict[str, Any] = {
        "form": form,
        "title": title,
        "submit": submit,
        "end_user": end_user,
        "departments": departments_of(request.account),
    }
    return render(request, "accounts/end_user_form.html", context)
