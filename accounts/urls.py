"""Addresses of the accounts app. `urlpatterns` go under the namespace `accounts`, `sign_in_patterns` under none."""

from django.urls import path

from accounts.views import activity, administrators, choosing, end_users, locations, partners, sign_in

app_name = "accounts"

members = "a/<slug:account>/administrators/"
sites = "a/<slug:account>/locations/"

urlpatterns = [
    path("accounts/", choosing.choose, name="choose"),
    path("a/<slug:account>/users/add/", end_users.end_user_add, name="end-user-add"),
    path(sites, locations.locations, name="locations"),
    path("a/<slug:account>/locations.csv", locations.locations_csv, name="locations-csv"),
    path(f"{sites}add/", locations.location_add, name="location-add"),
    path(f"{sites}<int:pk>/", locations.location, name="location"),
    path(f"{sites}<int:pk>/edit/", locations.location_edit, name="location-edit"),
    path(f"{sites}<int:pk>/remove/", locations.location_remove, name="location-remove"),
    path(members, administrators.administrators, name="administrators"),
    path(f"{members}add/", administrators.administrator_add, name="administrator-add"),
    path(
        f"{members}link/",
        administrators.administrator_link_shown,
        name="administrator-link-shown",
    ),
    path(f"{members}<int:pk>/role/", administrators.administrator_role, name="administrator-role"),
    path(
        f"{members}<int:pk>/remove/",
        administrators.administrator_remove,
        name="administrator-remove",
    ),
    path(f"{members}<int:pk>/link/", administrators.administrator_link, name="administrator-link"),
    path(f"{members}partners/<int:pk>/level/full/", partners.partner_raise, name="partner-raise"),
    path(f"{members}partners/<int:pk>/level/read-only/", partners.partner_lower, name="partner-lower"),
    path(f"{members}partners/<int:pk>/remove/", partners.partner_remove, name="partner-remove"),
    path("a/<slug:account>/activity/", activity.activity, name="activity"),
    path("a/<slug:account>/activity.csv", activity.activity_csv, name="activity-csv"),
]

sign_in_patterns = [
    path("", choosing.start, name="start"),
    path("sign-in/", sign_in.SignIn.as_view(), name="sign-in"),
    path("sign-out/", sign_in.SignOut.as_view(), name="sign-out"),
    path("password/forgot/", sign_in.forgot_password, name="forgot-password"),
    path("password/set/<uidb64>/<token>/", sign_in.SetPassword.as_view(), name="set-password"),
]
