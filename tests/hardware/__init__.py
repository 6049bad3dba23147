"""Tests of hardware: orders, shipments, devices."""
