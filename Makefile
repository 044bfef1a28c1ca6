# make demo   the viewer on synthetic cases, with the shipped model (a picture of it where there is no display)
# make test   everything that CI checks
# make test-oldest   the viewer's tests on the oldest napari that is declared
# make gpu-check   proves and measures on a machine with a GPU, with its own python and torch: docs/gpu.md
# make pictures      docs/images anew, from the synthetic cases
PYTHON ?= python3
BIN := .venv/bin
# What Qt and OpenGL need beyond a bare Debian or Ubuntu, and a display for machines without one.
PACKAGES := python3-venv xvfb xauth libegl1 libgl1 libopengl0 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0 \
	libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0

.PHONY: demo test test-slow test-oldest gpu-check pictures check system clean

demo: .venv/installed
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
		$(BIN)/napari-ambiseg demo; \
	else \
		xvfb-run -a -s "-screen 0 1600x1000x24" $(BIN)/napari-ambiseg demo --screenshot ambiseg-demo.png; \
	fi

# Two tests at a time, each with one thread: most wait for processes, or are too small for more.
test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

# The tests that take longer than CI allows as well.
test-slow: check
	$(BIN)/pytest -m "slow or not slow"

test-oldest: .venv-oldest/installed
	.venv-oldest/bin/pytest tests/napari_ambiseg

# Nothing is installed for it.  GPU_CHECK="--minutes 20" and the like go to the command.
gpu-check:
	PYTHONPATH=$(CURDIR)$${PYTHONPATH:+:$$PYTHONPATH} $(PYTHON) -P -m training.gpu_check runs/gpu-check $(GPU_CHECK)

pictures: .venv/installed
	xvfb-run -a -s "-screen 0 1600x1000x24" $(BIN)/python -P docs/pictures.py docs/images

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/installed: pyproject.toml constraints.txt napari.yaml | system
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e ".[test]"
	@touch $@

.venv-oldest/installed: pyproject.toml constraints.txt constraints-oldest.txt napari.yaml | system
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/pip install -q -c constraints.txt -c constraints-oldest.txt -e ".[test]"
	@touch $@

system:
	@command -v dpkg-query > /dev/null || exit 0; \
	for package in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$package 2> /dev/null | grep -q "ok installed" || missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	else \
		echo "If no window opens, run: sudo apt-get install --no-install-recommends$$missing"; \
	fi

clean:
	rm -rf .venv .venv-oldest dist ambiseg-demo.png
