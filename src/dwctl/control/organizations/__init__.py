"""Organizations: accounts that several people call and pay with."""
