"""What an option may be, and messages that name option, value and way out."""
