"""Whole jobs in a real browser."""
