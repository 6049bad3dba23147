"""Who: brands, accounts, users and their memberships, end users, locations, the audit trail."""
