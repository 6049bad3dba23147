"""What is owed: catalogue, licences, charges, invoices and the run that makes them."""
