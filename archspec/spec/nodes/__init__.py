"""The words of structure, as pydantic models: a file for each subject."""
