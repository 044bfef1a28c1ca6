"""A process that draws masks and then waits for its end, as the viewer's sampling process does."""

from __future__ import annotations

import json

from training.parent import answer_parent


def main() -> None:
    """Draw what the parent asks for, say so, and stay until it hangs up."""
    with answer_parent() as connection:
        wish = json.loads(connection.recv_bytes())

        from training.bench.memory import draw
        from training.build import ModelCache

        cache = ModelCache()
        draw(wish["model"], wish["device"], wish["samples"], wish["steps"], cache)
        connection.send_bytes(b"drawn")
        try:
            connection.recv_bytes()
        except EOFError:
            return


if __name__ == "__main__":
    main()
