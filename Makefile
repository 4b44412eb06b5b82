# `make run` and `make test` need only Python 3.11 or newer and make. `make help` lists everything.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help run admin demo test simulate fuzz mutants mutation-tests screenshots browser check examples openapi schema lock bench shell clean

VENV := .venv
BIN := $(VENV)/bin
# Tests of a module stay together, in the order of tests/order.py.
PYTEST_ARGS ?= -n 3 --dist loadgroup --no-loadscope-reorder
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes
UV_COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate

# Addresses that nobody listens at, for commands that load the settings but ask no database.
NO_DATABASE := postgresql://nobody@127.0.0.1:1/none
NO_REDIS := redis://127.0.0.1:1/0
DEVELOPMENT := env REDIS_URL=$(NO_REDIS) DJANGO_READ_DOT_ENV=false DEBUG=true VAR_DIR=var/check
PRODUCTION := env REDIS_URL=$(NO_REDIS) DJANGO_READ_DOT_ENV=false DEBUG=false DATABASE_URL=$(NO_DATABASE) \
	SECRET_KEY=only-to-check-that-production-settings-hold-together-3f9c1b7e \
	JWT_ACCESS_SECRET=only-to-check-that-production-settings-hold-together-8d2a6e40 \
	STOCK_SIGNING_KEYS=check:only-to-check-that-production-settings-hold-together \
	ALLOWED_HOSTS=api.example.com FRONTEND_URL=https://www.example.com \
	EMAIL_URL=smtp+tls://127.0.0.1:1 DEFAULT_FROM_EMAIL=no-reply@example.com

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.installed .env ## Run the whole service here; PORT, HOST, VAR_DIR and every other setting from the environment or .env
	@exec $(BIN)/python manage.py dev

admin: $(VENV)/.installed .env ## Make a superuser, or give it a new password; ADMIN_EMAIL and ADMIN_PASSWORD choose them
	@$(BIN)/python manage.py create_admin

demo: $(VENV)/.installed .env ## Make a month of users, bets, stocks and payouts; once, however often it is run
	@$(BIN)/python manage.py create_demo_world

# They start hundreds of processes: `env -u` has these read what others have compiled, whatever the environment says.
test: $(VENV)/.installed-dev browser ## Run all tests; PYTEST_ARGS="-n 0 tests/markets" for some
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest $(PYTEST_ARGS)

simulate: $(VENV)/.installed-dev ## Simulate the service against a model; SEED=1 OPS=20000
	@$(BIN)/python -m tests.simulation --seed $(or $(SEED),1) --operations $(or $(OPS),20000) --progress 10000 --counts $(SIMULATE_ARGS)

fuzz: $(VENV)/.installed-dev ## Send the API requests made of its description; SECONDS=600 SEED=7
	@FUZZ_SECONDS=$(or $(SECONDS),600) FUZZ_SEED=$(or $(SEED),$$RANDOM) $(BIN)/python -m pytest -n 0 -s tests/fuzzing

mutants: $(VENV)/.installed-dev ## Plant known bugs in a copy and see that the tests catch them; MUTANTS_ARGS="ledger bet" for some
	@$(BIN)/python -m tests.mutants $(MUTANTS_ARGS)

mutation-tests: $(VENV)/.installed-dev ## Run cosmic-ray over ledger, pricing, settlement, rewards and tokens; MUTATION_ARGS="rewards --sample 0" for more
	@nice -n 15 $(BIN)/python -m tests.mutants.generated $(MUTATION_ARGS)

screenshots: $(VENV)/.installed-dev browser ## Take the pictures in docs/screenshots anew
	@SCREENSHOTS=docs/screenshots $(BIN)/python -m pytest -n 0 tests/e2e/test_admin_in_a_browser.py tests/e2e/test_mails_in_a_browser.py

browser:
	@if ! { command -v chromium && command -v chromedriver && PATH=$$PATH:/usr/sbin command -v nginx && PATH=$$PATH:/usr/sbin command -v pgbouncer; } >/dev/null; then \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			echo "Installing Chromium, nginx and PgBouncer, which some tests need ..."; \
			{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver nginx-light pgbouncer; } >/dev/null; \
		else \
			echo "Some tests need chromium, chromedriver, nginx and pgbouncer: install them (on Debian: apt-get install chromium chromium-driver nginx-light pgbouncer)." >&2; exit 1; \
		fi; \
	fi

check: $(VENV)/.installed-dev ## Format, lint, imports, types, settings, migrations, API description
	@echo "== format"
	@$(BIN)/ruff format --check --quiet .
	@echo "== lint"
	@$(BIN)/ruff check --quiet .
	@echo "== imports"
	@$(DEVELOPMENT) DATABASE_URL=$(NO_DATABASE) $(BIN)/lint-imports --no-cache
	@echo "== types"
	@$(DEVELOPMENT) DATABASE_URL=$(NO_DATABASE) $(BIN)/mypy
	@echo "== production settings"
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@echo "== missing migrations"
	@$(DEVELOPMENT) $(BIN)/python manage.py makemigrations --check --dry-run
	@echo "== API description (if it differs: make openapi)"
	@$(DEVELOPMENT) DATABASE_URL=$(NO_DATABASE) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file var/check/openapi.yaml
	@diff docs/openapi.yaml var/check/openapi.yaml
	@echo "== all checks passed"

examples: $(VENV)/.installed-dev ## Send docs/examples.yaml and write docs/responses.json; then make openapi
	@RECORD_RESPONSES=docs/responses.json $(BIN)/python -m pytest -n 0 -q tests/documentation/test_api_page.py -k works_from_first

openapi: $(VENV)/.installed-dev ## Write docs/openapi.yaml and docs/api.md from the code
	@$(DEVELOPMENT) DATABASE_URL=$(NO_DATABASE) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml
	@$(DEVELOPMENT) DATABASE_URL=$(NO_DATABASE) $(BIN)/python manage.py write_api_page --schema docs/openapi.yaml \
		--examples docs/examples.yaml --file docs/api.md

schema: $(VENV)/.installed-dev ## Write core/db/schema.json from the migrations
	@rm -rf var/schema
	@$(DEVELOPMENT) VAR_DIR=var/schema $(BIN)/python manage.py migrate --verbosity 0
	@$(DEVELOPMENT) VAR_DIR=var/schema $(BIN)/python manage.py write_schema
	@rm -rf var/schema

lock: $(VENV)/.installed-dev ## Pin the newest fitting versions into requirements*.txt
	$(UV_COMPILE) --upgrade --output-file requirements.txt requirements.in
	$(UV_COMPILE) --upgrade --constraint requirements.txt --output-file requirements-dev.txt requirements-dev.in

bench: $(VENV)/.installed-dev ## Measure requests per second; results belong in bench/README.md
	@$(BIN)/python -m bench

shell: $(VENV)/.installed .env ## A Python prompt with the models loaded
	@$(BIN)/python manage.py shell

clean: ## Remove the virtual environment and caches; data in var/ and .env stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.env:
	@cp .env.example .env
	@echo "Made .env from .env.example."

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Python 3.11 or newer is needed: install it, or say where it is: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is needed too (on Debian: the package python3-venv)." >&2; exit 1; }

$(VENV)/.installed: requirements.txt | $(BIN)/python
	@echo "Installing what the service needs into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt | $(BIN)/python
	@echo "Installing what development needs into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@ $(VENV)/.installed
