"""A whole data set at a glance: counts, sizes, shapes, and what a model will find hard in it."""
