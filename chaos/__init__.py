"""A nemesis for the whole platform, and a ledger that shows whether it lost or doubled anything: `make chaos`."""
