"""Finance: the pages of all invoices, the files, what happens to an issued invoice, the catalogue's admin."""
