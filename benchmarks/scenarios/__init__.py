"""What is measured: one file each, listed in `catalogue.py`."""
