"""What every HTTP route shares: errors, paging, guards."""
