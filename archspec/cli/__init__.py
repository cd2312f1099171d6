"""The command line. A command parses, calls the API, and prints."""
