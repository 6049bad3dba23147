"""Pages of the billing app, one module for each thing a person comes for."""
