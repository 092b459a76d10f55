# One sidecar and what it runs on: the runtime, the libraries that runtime links to, its packages.
# No shell, no package manager. `npm run image` builds it; docs/image.md says what is in it and why.

# Pinned by its exact tag. Where a registry can be asked, pin the digest as well:
# --build-arg BASE=docker.io/library/node:26.10.0-bookworm-slim@sha256:…
ARG BASE=docker.io/library/node:26.10.0-bookworm-slim

# ---- The packages it needs to run. The secrets are for a registry with a certificate or a login of
# its own; they reach the step that names them and no layer. What is not there is not used.
FROM ${BASE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=ca --mount=type=secret,id=npmrc \
    NPM_CONFIG_CAFILE=/run/secrets/ca NPM_CONFIG_USERCONFIG=/run/secrets/npmrc \
    npm ci --omit=dev --ignore-scripts

# ---- JavaScript of the sources: stripping types at each start costs 35 MB that stay resident.
FROM ${BASE} AS emitted
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=ca --mount=type=secret,id=npmrc \
    NPM_CONFIG_CAFILE=/run/secrets/ca NPM_CONFIG_USERCONFIG=/run/secrets/npmrc \
    npm ci --ignore-scripts
COPY tsconfig.json ./
COPY scripts/image/inside scripts/image/inside
COPY src src
RUN node_modules/.bin/tsc -p scripts/image/inside --outDir /emitted \
    && find src -type f ! -name '*.ts' -exec cp --parents '{}' /emitted ';'

# ---- The three layers of the image, under /image.
FROM packages AS assembled
ARG SOURCE_DATE_EPOCH=0
COPY LICENSE ./
COPY scripts/image/inside /assemble
COPY --from=emitted /emitted/src src
RUN sh /assemble/assemble.sh

FROM scratch
COPY --from=assembled /image/runtime /
COPY --from=assembled /image/packages /
COPY --from=assembled /image/sidecar /
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=
LABEL org.opencontainers.image.title="leasehold" \
      org.opencontainers.image.description="The transient-state sidecar: leases, entries and their endings, beside your service" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
ENV PATH=/usr/local/bin \
    NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/compile-cache \
    LEASEHOLD_DATA_DIR=/var/lib/leasehold
WORKDIR /app
# The numbers, so that a platform can see that it is not root.
USER 65532:65532
VOLUME /var/lib/leasehold
STOPSIGNAL SIGTERM
# Until it has recovered it is not ready; that is no failure before five minutes have passed.
HEALTHCHECK --interval=5s --timeout=5s --start-period=5m --retries=3 \
    CMD ["node", "/app/src/main.js", "health", "--ready"]
ENTRYPOINT ["node", "/app/src/main.js"]
