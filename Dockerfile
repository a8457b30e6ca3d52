# Castor in a container; docs/deploy.md tells how it is used. `docker build --build-arg GEMINI_CLI=1 .` adds Google's Gemini CLI.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG GEMINI_CLI=0

FROM ${PYTHON_IMAGE} AS libraries
RUN python -m venv /opt/castor
COPY requirements.txt .
RUN /opt/castor/bin/pip install -q --no-cache-dir --disable-pip-version-check --no-compile -r requirements.txt \
    && /opt/castor/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/castor/lib

# Nothing but code and its bytecode; each stage that serves starts from here.
FROM ${PYTHON_IMAGE} AS castor
WORKDIR /castor
COPY --from=libraries /opt/castor /opt/castor
ENV PATH=/opt/castor/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY manage.py LICENSE ./
COPY locale locale
COPY credentials credentials
COPY openai_api openai_api
COPY proxy_site proxy_site
COPY --chmod=755 deploy/entrypoint.sh deploy/healthy.sh /usr/local/bin/
ENV CASTOR_VAR=/var/lib/castor HOST=0.0.0.0 PORT=8000 LOG_FORMAT=json
# Whoever cloned with a strict umask has files that nobody else may read. The admin's static files are served from where they lie.
RUN chmod -R a+rX /castor \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /castor \
    && groupadd --gid 10001 castor && useradd --uid 10001 --gid castor --no-create-home --home-dir /tmp castor \
    && mkdir /var/lib/castor && chown castor:castor /var/lib/castor
ENTRYPOINT ["entrypoint.sh"]

# The simulator of Google, for the demo profile: `docker build --target simulator .`
FROM castor AS simulator
COPY requirements.txt requirements-dev.txt ./
# Constraints are pins without extras, and without other files.
RUN sed -E 's/\[.*\]//; /^-/d' requirements.txt requirements-dev.txt > pins.txt \
    && pip install -q --no-cache-dir --disable-pip-version-check -c pins.txt google-ai-generativelanguage
COPY tests/__init__.py tests/__init__.py
COPY tests/google tests/google
USER castor
EXPOSE 8900
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s CMD ["healthy.sh", "port", "8900"]
CMD ["python", "-m", "tests.google", "--host", "0.0.0.0", "--port", "8900", "--open"]

FROM ${PYTHON_IMAGE} AS gemini-cli-0
RUN mkdir /opt/gemini

# The very version that Castor's tests run. Debian's Node is too old for it, so one comes along from npm.
FROM ${PYTHON_IMAGE} AS gemini-cli-1
RUN apt-get update -q && apt-get install -q -y --no-install-recommends npm && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/gemini
COPY tests/gemini_cli/package.json tests/gemini_cli/package-lock.json ./
COPY tests/gemini_cli/node/package.json tests/gemini_cli/node/package-lock.json node/
RUN npm ci --no-audit --no-fund --silent --omit=optional --ignore-scripts \
    && (cd node && npm ci --no-audit --no-fund --silent --ignore-scripts) \
    && mkdir bin && ln -s ../node_modules/.bin/gemini bin/gemini && ln -s "../$(echo node/node_modules/node-linux-*/bin/node)" bin/node

FROM gemini-cli-${GEMINI_CLI} AS gemini-cli

FROM castor AS production
RUN apt-get update -q && apt-get install -q -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
COPY --from=gemini-cli /opt/gemini /opt/gemini
ENV PATH=$PATH:/opt/gemini/bin
USER castor
EXPOSE 8000
# gunicorn stops accepting, lets answers end for SHUTDOWN_SECONDS (60), and writes down what it holds: give it 90.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s CMD ["healthy.sh", "web"]
CMD ["gunicorn", "-c", "python:proxy_site.gunicorn"]
