"""Whole stories, end to end: invoices worked out by hand, and a second reading of the rules, day by day."""
