# A node: tsswarmd and all that it needs. Must run privileged, with a volume for /var/lib/tsswarm.
FROM node:20-bookworm-slim AS build
WORKDIR /usr/local/lib/tsswarm
COPY package.json package-lock.json ./
RUN npm install --no-save --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates catatonit conmon conntrack crun curl iproute2 nftables procps runc skopeo umoci util-linux \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /usr/local/lib/tsswarm
COPY --from=build /usr/local/lib/tsswarm/package.json ./
COPY --from=build /usr/local/lib/tsswarm/node_modules node_modules
COPY --from=build /usr/local/lib/tsswarm/bin bin
COPY --from=build /usr/local/lib/tsswarm/dist dist
COPY packaging/container-entrypoint.sh /usr/local/bin/
RUN ln -s /usr/local/lib/tsswarm/bin/tsswarm /usr/local/lib/tsswarm/bin/tsswarmd /usr/local/bin/
VOLUME /var/lib/tsswarm
EXPOSE 2377/tcp 4789/udp
STOPSIGNAL SIGTERM
ENTRYPOINT ["container-entrypoint.sh"]
CMD ["tsswarmd"]
