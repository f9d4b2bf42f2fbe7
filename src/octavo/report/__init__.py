"""A result in words, once; the terminal and the HTML page print it."""
