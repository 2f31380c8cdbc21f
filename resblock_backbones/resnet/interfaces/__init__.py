"""Names and protocols by which other libraries read a network."""
