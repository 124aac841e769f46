# Each target creates .venv and installs what it needs; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help environment book serve lab quick test test-all test-gpu lint notebooks assignments release preflight grade report claims weights screenshots bench execute pdf zip clean

PYTHON := .venv/bin/python
SITE := _build/html
UNIT := $(PYTHON) -m pytest -q -n 2 --dist loadfile
NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout=300 --nbval-sanitize-with tests/nbval_sanitize.cfg
# What quick leaves out: the longest files, and those that load the transformers library.
LONG := $(addprefix --ignore=tests/test_,tokenization.py checks_tokenization.py model.py huggingface.py generation.py output.py embeddings.py)
BUILD := .venv/bin/jupyter-book build . -n -W --keep-going
export OMP_NUM_THREADS ?= 1

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

environment: # .venv with requirements.txt; takes no time when it is there
	@python3 scripts/environment.py

book: environment ## build the site, execute the chapters, open it
	@time $(BUILD)
	echo "file://$$PWD/$(SITE)/index.html"
	if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ] || [ "$$(uname)" = Darwin ]; then
	  $(PYTHON) -m webbrowser "file://$$PWD/$(SITE)/index.html"
	fi

serve: environment ## serve the built site at http://127.0.0.1:8000
	@[ -f $(SITE)/index.html ] || $(MAKE) book
	$(PYTHON) -m http.server 8000 --bind 127.0.0.1 --directory $(SITE)

lab: environment ## open the chapters in JupyterLab
	@$(PYTHON) -m jupyterlab --notebook-dir chapters

lint: environment ## ruff, line budgets, the rules for chapters, assignments, prose, claims, tables, workflows
	@$(PYTHON) scripts/lint.py

quick: lint ## lint, most unit tests, one notebook, one page: under a minute
	@$(BUILD) -q & build=$$!
	$(UNIT) $(NBVAL) -m "not slow and not browser" tests chapters/tokenization.ipynb $(LONG)
	wait $$build
	$(PYTHON) -m pytest -q -p no:nbval tests/browser/test_pages.py -k index

test: lint ## all that CI runs: lint, unit tests, notebooks, the site, browser tests
	@$(UNIT) -m "not slow and not browser"
	$(MAKE) execute
	$(BUILD)
	$(UNIT) -m "browser and not slow"

test-all: test ## test, and what takes minutes
	@$(PYTHON) -m pytest -q -m slow

test-gpu: environment ## unit tests and notebooks on a GPU; LLM_DEVICE=mps for Apple's
	@export LLM_DEVICE="$${LLM_DEVICE:-cuda}"
	$(PYTHON) -c "import llm, torch; print('torch', torch.__version__, 'on', llm.default_device())"
	$(PYTHON) -m pytest -q -m "not slow and not browser" tests
	$(MAKE) execute

notebooks: environment ## execute the committed notebooks again and normalise them
	@$(PYTHON) scripts/normalise_notebooks.py chapters/*.ipynb

assignments: environment ## execute the assignments with their solutions, write the student versions
	@$(PYTHON) scripts/normalise_notebooks.py assignments/source/*/*.ipynb
	$(PYTHON) -m llm.classroom release

# What a teacher does; options in ARGS, as in: make release ARGS="attention --variant 2 --to spring"
release: environment ## write student versions
preflight: environment ## put what was handed in back into the notebooks that were given out
grade: environment ## run what was handed in, under limits
report: environment ## grades, a page for each student, a page for the class
release preflight grade report:
	@$(PYTHON) -m llm.classroom $@ $(ARGS)

claims: environment ## run the chapters again and compare every figure of the page of claims
	@$(PYTHON) scripts/claims.py

weights: environment ## train the models of the book, their films and tables again (two hours)
	@$(PYTHON) scripts/train_weights.py
	for script in films tiny_shakespeare stairs extrapolation owner_heads head_effects norm_places \
	    first_sentences llama_steps ladder carries few_examples fine_tune; do
	  $(PYTHON) scripts/$$script.py
	done

screenshots: environment ## every page at desktop and phone width, light and dark
	@$(PYTHON) scripts/screenshots.py

execute: environment ## run all notebooks and compare what they gave
	@$(UNIT) $(NBVAL) chapters assignments/source

pdf zip: environment ## the built book on paper, and to take along
	@$(PYTHON) scripts/paper.py $@

bench: environment ## every figure that depends on the machine, in one table
	@for script in benchmarks/*.py; do $(PYTHON) $$script; done

clean: ## remove what was built; .venv stays
	@rm -rf _build .pytest_cache .ruff_cache .hypothesis chapters/.ipynb_checkpoints
