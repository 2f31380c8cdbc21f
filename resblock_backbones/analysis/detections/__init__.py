"""What a detector finds beside what there is: scores, confusions, kinds of errors, drawings."""
