"""What data sets and predictions look like, as pages: plots, tables, drawn images."""
