"""Money that comes in and goes back.

`settling` keeps the books: what was received, which invoices it covers, what is left as credit. `collecting`
takes money from saved cards through a gateway of `gateways`, and books what came of it.
"""
