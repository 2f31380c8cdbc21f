"""Image files: what a loader makes of them, and what is wrong with them."""
