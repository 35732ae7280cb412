# Debian and not Alpine: Temporal's native module is built for glibc only.
FROM node:24-bookworm-slim AS base
WORKDIR /app

FROM base AS build
COPY package.json package-lock.json .npmrc ./
# Your own registry or certificate authority, both optional, come as secrets, which stay out of the image.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=extra-ca \
  if [ -s /run/secrets/extra-ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/extra-ca; fi \
  && npm ci --ignore-scripts
COPY . .
RUN npm run build \
  # The embedded stack, the simulator and the benchmarks are for a developer's machine.
  && rm -rf dist/local dist/simulator dist/bench dist/backtest \
  # Under a strict umask only the owner can read a clone's files, and the image runs as another user.
  && chmod -R a+rX dist package.json && chmod a+rx docker/entrypoint.sh

FROM build AS packages
# Optional packages go too: npm marks as optional the development packages that a package of ours could use, and the
# compiler of workflow code, which did its work above. Types are for compilers only.
RUN npm prune --omit=dev --omit=optional --ignore-scripts --offline && rm -rf node_modules/@types \
  # Temporal's native module ships builds for every platform, of tens of megabytes each; keep the one for this image.
  && cd node_modules/@temporalio/core-bridge/releases \
  && test -d "$(uname -m)-unknown-linux-gnu" \
  && find . -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -rf {} +

FROM base
# Temporal's client reads the system's certificates. The slim image has none, so write those that Node ships.
RUN mkdir -p /etc/ssl/certs \
  && node --print "require('node:tls').rootCertificates.join('\n')" > /etc/ssl/certs/ca-certificates.crt \
  # Nothing in this image installs packages.
  && rm -rf /opt/yarn* /usr/local/include/node /usr/local/lib/node_modules \
    /usr/local/bin/corepack /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/yarn /usr/local/bin/yarnpkg
# The last two return the memory of a large page to the system soon.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 NODE_OPTIONS=--max-semi-space-size=4
COPY --from=build /app/docker/entrypoint.sh /usr/local/bin/meterline-entrypoint
COPY --from=build /app/package.json ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The user "node", by number: Kubernetes cannot tell from a name that it is not root.
USER 1000:1000
EXPOSE 8080
ENTRYPOINT ["meterline-entrypoint"]
CMD ["node", "dist/api/main.js"]
