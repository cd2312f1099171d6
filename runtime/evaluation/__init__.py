"""A trained run against its exported file, and ensembles by batch statistics."""
