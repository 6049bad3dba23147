"""The members of an account and what each may do (ACC-1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms import MemberForm, RoleForm, show_refusal
from accounts.links import link_tokens
from accounts.members import add_member, change_role, grant_link, remove_member
from accounts.models import Membership, Role, User
from accounts.permissions import ADMINS, AccountRequest, account_page
from accounts.queries import members_of
from accounts.refusals import Refused
from accounts.trail import Actor
from accounts.views.partners import partner_rows

if TYPE_CHECKING:
    from django.http import HttpResponse

LINK_KEY = "password-link"


@require_safe
@account_page()
def administrators(request: AccountRequest) -> HttpResponse:
    """The members with their roles, the partners with their access, and what the person may change about them."""
    is_owner = request.membership_role is Role.OWNER
    rows = [
        {
            "member": member,
            "is_self": member.user_id == request.user.pk,
            "is_invited": not member.user.has_usable_password(),
            "may_alter": request.can_write and (is_owner or member.role != Role.OWNER),
            "may_link": member.user_id != request.user.pk and _may_link(request, member),
        }
        for member in members_of(request.account)
    ]
    context = {"rows": rows, "partners": partner_rows(request)}
    return render(request, "accounts/administrators.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def administrator_add(request: AccountRequest) -> HttpResponse:
    """Make somebody a member; for a person who is new a link to choose a password is shown once."""
    is_owner = request.membership_role is Role.OWNER
    form = MemberForm(
        request.POST if request.method == "POST" else None,
        is_owner=is_owner,
        initial={"role": Role.READ_ONLY},
    )
    if form.is_valid():
        actor = Actor.of(request)
        try:
            added = add_member(
                request.account,
                email=form.cleaned_data["email"],
                full_name=form.cleaned_data["full_name"],
                role=Role(form.cleaned_data["role"]),
                actor=actor,
                at=request.at,
            )
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            member = added.membership
            messages.success(request, f"{member.user} is now a member: {Role(member.role).label}.")
            if added.is_new_person:
                grant_link(member, actor=actor, at=request.at)
                return _show_link(request, member.user)
            return _to_list(request)
    return render(request, "accounts/administrator_form.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def administrator_role(request: AccountRequest, pk: int) -> HttpResponse:
    """Give a member another role."""
    member = _own_member(request, pk)
    form = RoleForm(
        request.POST if request.method == "POST" else None,
        is_owner=request.membership_role is Role.OWNER,
        initial={"role": member.role},
    )
    if form.is_valid():
        try:
            change_role(
                member,
                Role(form.cleaned_data["role"]),
                actor=Actor.of(request),
                at=request.at,
            )
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            role = Role(form.cleaned_data["role"]).label
            messages.success(request, f"{member.user}: the role is now {role}.")
            return _to_list(request)
    return render(request, "accounts/administrator_form.html", {"form": form, "member": member})


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def administrator_remove(request: AccountRequest, pk: int) -> HttpResponse:
    """Ask, then take a member out of the account."""
    member = _own_member(request, pk)
    is_self = member.user_id == request.user.pk
    refusal = None
    if request.method == "POST":
        try:
            remove_member(member, actor=Actor.of(request), at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"{member.user} is no longer a member.")
            return redirect("start") if is_self else _to_list(request)
    who, they = ("You", "you") if is_self else (str(member.user), "the person")
    context = {
        "member": member,
        "is_self": is_self,
        "refusal": refusal,
        "consequences": [
            f"{who} can no longer open {request.account}, until somebody adds {they} again.",
            "Other accounts stay as they are.",
            f"What {they} did stays in the activity.",
        ],
    }
    return render(request, "accounts/administrator_remove.html", context, status=400 if refusal else 200)


@require_POST
@account_page()
def administrator_link(request: AccountRequest, pk: int) -> HttpResponse:
    """Make a link with which a member chooses a password, and show it once."""
    member = _own_member(request, pk)
    try:
        user = grant_link(member, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        messages.error(request, refusal.message)
        return _to_list(request)
    return _show_link(request, user)


@never_cache
@require_safe
@account_page(read=ADMINS, is_form=True)
def administrator_link_shown(request: AccountRequest) -> HttpResponse:
    """The link that was just made. It is shown this once; opened again, the page leads to the list."""
    shown = request.session.pop(LINK_KEY, None)
    if shown is None or shown["account"] != request.account.pk:
        return _to_list(request)
    return render(request, "accounts/administrator_link.html", shown)


def _may_link(request: AccountRequest, member: Membership) -> bool:
    """Somebody of a partner makes no link for an admin who has a password (ACC-2)."""
    is_admin_s = member.role == Role.ADMIN and member.user.has_usable_password()
    return request.via_partner is None or not is_admin_s


def _own_member(request: AccountRequest, pk: int) -> Membership:
    members = Membership.objects.select_related("user", "account")
    return get_object_or_404(members, pk=pk, account=request.account)


def _show_link(request: AccountRequest, user: User) -> HttpResponse:
    where = reverse(
        "set-password",
        kwargs={
            "uidb64": urlsafe_base64_encode(force_bytes(user.pk)),
            "token": link_tokens.make_token(user),
        },
    )
    request.session[LINK_KEY] = {
        "account": request.account.pk,
        "person": str(user),
        "email": user.email,
        "link": request.build_absolute_uri(where),
    }
    return redirect("accounts:administrator-link-shown", account=request.account.slug)


def _to_list(request: AccountRequest) -> HttpResponse:
    return redirect("accounts:administrators", account=request.account.slug)
