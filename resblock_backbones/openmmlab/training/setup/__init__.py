"""What is fitted and refused before the first iteration."""
