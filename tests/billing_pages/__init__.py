"""The billing pages of an account, and the words and pictures that explain an invoice."""
