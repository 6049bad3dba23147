"""Pages of numbers and services, one module for each thing a person comes for."""
