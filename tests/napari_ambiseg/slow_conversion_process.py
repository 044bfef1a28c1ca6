"""A converting process that takes its time with every slice; the rest of it is real."""

import time

from training.data.conversion_process import main
from training.data.prepare import prepare

PAUSE_S = 0.3


def slowly(source, out, plan, progress):
    def tell(how_far):
        progress(how_far)
        time.sleep(PAUSE_S)

    return prepare(source, out, plan, tell)


if __name__ == "__main__":
    main(slowly)
