# Debian and not Alpine: Temporal's native module is built for glibc only.
FROM node:24-bookworm-slim AS base
WORKDIR /app

FROM base AS build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build \
  # The embedded stack, the simulator and the benchmarks are for a developer's machine.
  && rm -rf dist/local dist/simulator dist/bench \
  # A clone that was made under a strict umask has files that only its owner can read, and the image runs as another.
  && chmod -R a+rX dist package.json && chmod a+rx docker/entrypoint.sh

FROM base AS packages
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts \
  # Temporal's native module comes for every platform, at tens of megabytes each; this image is of one.
  && cd node_modules/@temporalio/core-bridge/releases \
  && test -d "$(uname -m)-unknown-linux-gnu" \
  && find . -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -rf {} +

FROM base
# The last two: what a page leaves behind is given back soon.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2 NODE_OPTIONS=--max-semi-space-size=4
COPY --from=build /app/docker/entrypoint.sh /usr/local/bin/meterline-entrypoint
COPY --from=build /app/package.json ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
EXPOSE 8080
ENTRYPOINT ["meterline-entrypoint"]
CMD ["node", "--enable-source-maps", "dist/api/main.js"]
