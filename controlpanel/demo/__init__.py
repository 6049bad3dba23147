"""The demo: two brands, fourteen accounts and four months of what their people did.

Nothing here writes what an action could write. The stories call the panel's actions with an instant
that has passed, and the schedule runs in between as beat would run it, so every invoice is a real one.
"""
