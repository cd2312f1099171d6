"""Commands that analyse networks and compare them."""
