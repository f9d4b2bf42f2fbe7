"""What a user sees in the terminal: progress on stderr, tables on stdout."""
