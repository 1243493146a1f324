"""Credit leases: how many processes spend one balance, and none of them too much."""
