"""What is compared: one file each, listed in `catalogue.py`."""
