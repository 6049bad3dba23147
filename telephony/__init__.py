"""Phone numbers and the services that they are assigned to."""
