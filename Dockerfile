# Debian and not Alpine: Temporal's native module is built for glibc only.
FROM node:24-bookworm-slim AS base
WORKDIR /app

FROM base AS build
COPY package.json package-lock.json .npmrc ./
# A registry or a certificate authority of your own comes as a secret, which stays out of the image. Both are optional.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=extra-ca \
  if [ -s /run/secrets/extra-ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/extra-ca; fi \
  && npm ci --ignore-scripts
COPY . .
RUN npm run build \
  # The embedded stack, the simulator and the benchmarks are for a developer's machine.
  && rm -rf dist/local dist/simulator dist/bench \
  # A clone that was made under a strict umask has files that only its owner can read, and the image runs as another.
  && chmod -R a+rX dist package.json && chmod a+rx docker/entrypoint.sh

FROM build AS packages
# Without the optional ones too: "optional" is what npm calls a development package that a package of ours could use, and
# the compiler of workflow code, which is compiled above. Types are for a compiler as well.
RUN npm prune --omit=dev --omit=optional --ignore-scripts --offline && rm -rf node_modules/@types \
  # Temporal's native module comes for every platform, at tens of megabytes each; this image is of one.
  && cd node_modules/@temporalio/core-bridge/releases \
  && test -d "$(uname -m)-unknown-linux-gnu" \
  && find . -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -rf {} +

FROM base
# Temporal's client reads the system's certificates, and the slim image has none: these are those that Node brings.
RUN mkdir -p /etc/ssl/certs \
  && node --print "require('node:tls').rootCertificates.join('\n')" > /etc/ssl/certs/ca-certificates.crt \
  # Nothing in this image installs packages.
  && rm -rf /opt/yarn* /usr/local/include/node /usr/local/lib/node_modules \
    /usr/local/bin/corepack /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/yarn /usr/local/bin/yarnpkg
# The last two: what a page leaves behind is given back soon.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2 NODE_OPTIONS=--max-semi-space-size=4
COPY --from=build /app/docker/entrypoint.sh /usr/local/bin/meterline-entrypoint
COPY --from=build /app/package.json ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The user "node", by number: Kubernetes cannot tell from a name that it is not root.
USER 1000:1000
EXPOSE 8080
ENTRYPOINT ["meterline-entrypoint"]
CMD ["node", "--enable-source-maps", "dist/api/main.js"]
