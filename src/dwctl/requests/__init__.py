"""Every call's row: journal, writer, store, rendering."""
