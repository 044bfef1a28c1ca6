"""``python -m training.gpu_check OUT``, from a checkout, installed or not."""

import sys

from training.gpu_check.command import main

if __name__ == "__main__":
    sys.exit(main())
