"""Terminal output: progress on stderr, tables on stdout."""
