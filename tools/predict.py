"""Predictions for images: `tools/predict.py CONFIG CHECKPOINT photos/ --out predictions`."""

import sys

from resblock_backbones.commands.command_line import predict_command

if __name__ == "__main__":
    sys.exit(predict_command())
