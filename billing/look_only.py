"""Pages of the administration that show what actions write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accounts.admin import StaffAdmin
from accounts.permissions import STAFF_GROUPS

if TYPE_CHECKING:
    from django.http import HttpRequest


class LookOnlyAdmin(StaffAdmin):
    """Rows that the panel's actions write: all staff may look, nobody adds, changes or deletes here."""

    editors = ()
    readers = tuple(STAFF_GROUPS)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come with actions."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows change with actions."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was billed stays."""
        return False
