"""Signing in, choosing a password, and what to do without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.views import LoginView, LogoutView, PasswordResetConfirmView
from django.db import transaction
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.forms import NewPasswordForm, SignInForm
from accounts.links import link_tokens
from accounts.models import User
from accounts.trail import Actor, record

if TYPE_CHECKING:
    from django.contrib.auth.forms import SetPasswordForm
    from django.http import HttpRequest, HttpResponse


class SignIn(LoginView):
    """The sign-in page. It leads on to `next` where that is a page of the panel, else to the start."""

    form_class = SignInForm
    template_name = "registration/sign_in.html"
    redirect_authenticated_user = True


class SignOut(LogoutView):
    """Ends the session; POST alone, so that no link or picture can do it."""

    http_method_names = ["post", "options"]


class SetPassword(PasswordResetConfirmView):
    """Chooses a password by a link that works once, and signs the person in."""

    form_class = NewPasswordForm
    template_name = "registration/set_password.html"
    success_url = reverse_lazy("start")
    post_reset_login = True
    token_generator = link_tokens

    def form_valid(self, form: SetPasswordForm[User]) -> HttpResponse:
        """Keep the password, with a line in the trail that belongs to no account."""
        with transaction.atomic():
            response = super().form_valid(form)
            user = form.user
            record(
                None,
                "choose-password",
                user,
                f"{user} chose a password",
                actor=Actor(user=user, address=self.request.META.get("REMOTE_ADDR") or None),
                at=timezone.now(),
            )
        return response


@require_safe
def forgot_password(request: HttpRequest) -> HttpResponse:
    """Says who can make a link. It asks for no address, so it tells nothing about who signs in here."""
    return render(request, "registration/forgot_password.html")
