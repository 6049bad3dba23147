"""Hardware orders, shipments, devices."""
