"""The public contract as Structs and protocols."""
