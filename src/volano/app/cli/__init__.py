"""The command line: one verb, one file; each parses, calls and prints."""
