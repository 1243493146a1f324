"""What it cost: token metering."""
