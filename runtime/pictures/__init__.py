"""Pictures from files, as networks were trained on them."""
