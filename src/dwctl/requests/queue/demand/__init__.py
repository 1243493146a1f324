"""How much work there is: what waits and is being run, and what has ended lately."""
