"""What a file says and stores, looked at without a run."""
