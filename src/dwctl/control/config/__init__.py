"""What pages need to know of this installation (spec/platform §1.2)."""
