"""From files to answers, and answers to files."""
