# One image for every process: the command says which one runs (see docker-compose.yaml and deploy/k8s).

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/gristmill
WORKDIR /build
COPY requirements/image.txt requirements/image.txt
RUN /opt/gristmill/bin/pip install --require-hashes -r requirements/image.txt
COPY . .
RUN /opt/gristmill/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Gristmill" \
      org.opencontainers.image.licenses="Apache-2.0"
# A numeric user, so that Kubernetes can see that it is not root.
RUN groupadd --gid 10001 gristmill \
    && useradd --uid 10001 --gid gristmill --home-dir /home/gristmill --create-home --shell /usr/sbin/nologin gristmill
COPY --from=build /opt/gristmill /opt/gristmill
# A container is reached from outside of itself, so it listens on all of its own addresses.
ENV PATH="/opt/gristmill/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GRISTMILL_HOST=0.0.0.0 GRISTMILL_PORT=8000
USER 10001:10001
WORKDIR /home/gristmill
EXPOSE 8000
# For the web process; the others switch it off where they are started.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['GRISTMILL_PORT'] + '/healthz', timeout=2)"]
ENTRYPOINT ["gristmill"]
CMD ["web"]
