"""Pages of the hardware app, one module for each thing a person, or a phone, comes for."""
