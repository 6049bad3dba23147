"""The staff's pages of the invoice runs, and what drives the runs: the tick and the command."""
