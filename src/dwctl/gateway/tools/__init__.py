"""Tools that the server runs: what a call is offered, its rounds with the model, and the tools run between them."""
