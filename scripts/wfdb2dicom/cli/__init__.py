"""Programs on the terminal: how they start, what they print, and how they end."""
