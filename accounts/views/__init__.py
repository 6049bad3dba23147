"""Pages of the accounts app, one module for each thing a person comes for."""
