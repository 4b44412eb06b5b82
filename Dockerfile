FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Without an installer of its own: the image below has nothing to build or to install with.
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt .
RUN python -m pip --python /opt/venv/bin/python install --require-hashes -r requirements.txt

FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 PORT=8000 VAR_DIR=/srv/var
RUN python -m pip uninstall --yes --quiet pip \
    && useradd --system --uid 10001 --home-dir /srv --shell /usr/sbin/nologin thisthat \
    && install -d -o thisthat /srv/var /srv/var/metrics
WORKDIR /srv/app
COPY --from=builder /opt/venv /opt/venv
COPY . .
USER thisthat
# The settings ask for secrets and a database, which collecting files doesn't use and the image doesn't keep.
RUN SECRET_KEY=unused JWT_ACCESS_SECRET=unused STOCK_SIGNING_KEYS=unused:unused-by-collecting-files-at-all \
    ALLOWED_HOSTS=unused FRONTEND_URL=https://unused.invalid EMAIL_URL=smtp://unused.invalid:25 \
    DEFAULT_FROM_EMAIL=unused@unused.invalid DATABASE_URL=postgresql://unused@127.0.0.1:1/unused REDIS_URL=redis://unused \
    python manage.py collectstatic --noinput --verbosity 0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "ops.processes", "web_alive"]
# The workers and the scheduler are the same image with other commands: see docker-compose.yml.
CMD ["python", "manage.py", "serve"]
