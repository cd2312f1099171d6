"""Networks against each other, against conditions, and against budgets."""
