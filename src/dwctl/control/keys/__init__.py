"""The resource keys."""
