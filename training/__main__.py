"""``python -m training``: the same as the command ``ambiseg``; torchrun starts it this way."""

from training.cli import main

if __name__ == "__main__":
    main()
