# The worker (the last stage) and the consumer (`--target consumer`). docs/image.md says why each part is here.
ARG PLATFORM=linux/amd64
ARG BASE_IMAGE=debian:bookworm-slim
ARG NODE_IMAGE=node:24-bookworm-slim

FROM --platform=${PLATFORM} ${NODE_IMAGE} AS packages
WORKDIR /opt/millrace
COPY package.json package-lock.json .npmrc ./
# ffmpeg (an optional package) and fonts come from npm for laptops; here both are Debian's.
RUN npm pkg delete dependencies.dejavu-fonts-ttf \
  && npm ci --omit=dev --omit=optional --ignore-scripts

FROM --platform=${PLATFORM} ${BASE_IMAGE} AS runtime
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
  && groupadd --gid 10001 millrace \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin millrace \
  && install -d -o millrace -g millrace /var/cache/millrace
COPY --from=packages /usr/local/bin/node /usr/local/bin/node
COPY --chmod=755 infra/image/millrace /usr/local/bin/millrace
# Filled by the build's own first run: a start then takes a third less time.
ENV NODE_ENV=production \
  NODE_COMPILE_CACHE=/var/cache/millrace
WORKDIR /opt/millrace
# tini is PID 1: it hands SIGTERM to node (and to node alone, which lets ffmpeg finish) and reaps what ffmpeg leaves.
ENTRYPOINT ["tini", "--", "millrace"]

FROM runtime AS consumer
COPY --from=packages /opt/millrace/node_modules ./node_modules
COPY . ./
USER 10001:10001
RUN millrace --version
CMD ["consume"]

FROM runtime AS worker
# Left out, 220 MB unpacked: what Mesa draws with on screens (ffmpeg links to its front only), and CJK with serifs.
# Debian's security updates stay within ffmpeg 5.1. Emoji come from Symbola: libass draws outlines, and colour fonts have none.
RUN printf 'path-exclude=%s\n' '*/dri/*' '*/libLLVM-*' '*/libz3.so*' '*/NotoSerifCJK-*' > /etc/dpkg/dpkg.cfg.d/millrace \
  && apt-get update \
  && apt-get install -y --no-install-recommends \
    'ffmpeg=7:5.1.*' \
    fonts-dejavu-core \
    fonts-noto-cjk \
    fonts-noto-core \
    fonts-symbola \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
# Without `video` the driver's NVENC and NVDEC libraries stay outside.
ENV NVIDIA_VISIBLE_DEVICES=all \
  NVIDIA_DRIVER_CAPABILITIES=compute,utility,video \
  MILLRACE_FONTS_DIR=/usr/share/fonts/truetype/dejavu
COPY --from=packages /opt/millrace/node_modules ./node_modules
COPY . ./
USER 10001:10001
# A build whose ffmpeg, node or packages do not run together ends here, and not on a GPU that is being paid for.
RUN millrace worker --test_input '{"input":{"task":"PING"}}'
# Whether this container can still work: node, ffmpeg, room on the disk. Without the GPU, which a job may be using.
HEALTHCHECK --interval=5m --timeout=60s --start-period=1m --retries=2 \
  CMD ["env", "CUDA_VISIBLE_DEVICES=", "MILLRACE_REQUIRE_GPU=false", "millrace", "worker", "--test_input", "{\"input\":{\"task\":\"PING\"}}"]
CMD ["worker"]
