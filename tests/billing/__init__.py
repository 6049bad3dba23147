"""Billing: the engine by tables and properties, the actions and the run against a database."""
