"""Plans: packages that are paid for whole cycles (PLN-1 to PLN-4).

`deals` says what a choice would come to; `orders` is what is paid for and what that brings about; `changes`
is what costs nothing now; `renewals` is what happens by itself. These alone write plans.
"""
