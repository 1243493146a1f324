"""Several processes behind one port: the first one accepts and hands on, all of them answer."""
