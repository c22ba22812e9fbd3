# The service, without an Envoy: that is the official image beside it (docker-compose.yml, k8s/).
#   docker build -t chaperone:0.1.0 .

FROM node:22.23.3-bookworm-slim AS build
WORKDIR /app
# The postinstall step generates the protobuf types from proto/.
COPY package.json package-lock.json buf.yaml buf.gen.yaml ./
COPY proto proto
# Not `npm ci`: it refuses a lock file that does not name the binaries of every other platform. The versions are the
# lock file's either way. What only generates is not taken along.
RUN npm install --omit=dev --no-audit --no-fund \
 && rm -rf node_modules/@bufbuild/buf node_modules/@bufbuild/buf-* \
      node_modules/@bufbuild/protoc-gen-es node_modules/@bufbuild/protoplugin

FROM node:22.23.3-bookworm-slim
# Envoy's container runs under the same id: the socket between the two is for its owner only.
RUN groupadd --gid 10001 chaperone \
 && useradd --uid 10001 --gid chaperone --no-create-home --home-dir /app --shell /usr/sbin/nologin chaperone \
 # What the service keeps beside Redis (CHAPERONE_STATE); a volume that is mounted here gets this owner.
 && install -d -o chaperone -g chaperone -m 0700 /var/lib/chaperone
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/gen gen
COPY package.json tsconfig.json ./
COPY bin bin
COPY src src
COPY envoy/drain.mjs envoy/drain.mjs
# The file system may be read-only, so no compiled sources are kept.
ENV NODE_ENV=production TSX_DISABLE_CACHE=1
USER 10001:10001
# Metrics and health; agents connect to Envoy.
EXPOSE 10001
ENTRYPOINT ["node", "/app/bin/chaperone.mjs"]
CMD ["serve", "--file", "/etc/chaperone/chaperone.yaml", "--socket", "/run/chaperone/service.sock"]
