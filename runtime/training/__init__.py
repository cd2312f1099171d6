"""Training for any task, and the run that it leaves behind."""
