"""What whole models need around the network, in operators that every exporter knows.

No size is fixed, no branch depends on the image: batches, heights, widths and numbers of objects
are free in the file.
"""
