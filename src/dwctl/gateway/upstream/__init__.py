"""The HTTP/1.1 client towards model servers: one protocol class, one pool for each origin."""
