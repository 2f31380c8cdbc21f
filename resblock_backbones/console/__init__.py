"""What a person sees in a terminal while long work goes on."""
