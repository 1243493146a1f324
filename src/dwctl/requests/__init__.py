"""Every call's row: records, spool, writer, replay, store, rendering."""
