"""The resource components: the standard models that a composite model consists of."""
