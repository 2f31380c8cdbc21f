"""What a segmentor predicts, beside what there is: scores, confusions, errors at borders."""
