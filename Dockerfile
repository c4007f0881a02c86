# ringexp in an image. Targets: cpu (the default) and gpu. docs/docker.md says how to build, run and reproduce.
#
#   make image                 # docker build with the two required arguments; TARGET=gpu, ENGINE=podman|buildah
#
# Debian packages and Python packages come from the locks in requirements/, each file by its SHA-256. pip, compilers and
# what only the `dev` extra needs stay in the build stages. An argument of the same name replaces the base image.

# The digest of this tag as the registry's own index (docker-library/repo-info) records it.
ARG BASE=docker.io/library/debian:bookworm-20260918-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251


# What every stage stands on: Python 3.11, bubblewrap, certificates, the libraries that wheels expect of the system.
# hadolint ignore=DL3006
FROM ${BASE} AS debian
ARG DEBIAN_MIRROR=http://deb.debian.org
RUN --mount=type=bind,target=/context \
    sh /context/docker/install-debian.sh /context/requirements/debian.lock


FROM debian AS build
ARG DEBIAN_MIRROR=http://deb.debian.org
RUN --mount=type=bind,target=/context \
    sh /context/docker/install-debian.sh /context/requirements/debian-build.lock
COPY . /src
WORKDIR /src


FROM build AS build-cpu
# Where pip finds the locked files: an index, or a folder of wheels (PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels).
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
ARG PIP_FIND_LINKS=
ARG PIP_NO_INDEX=
ARG PIP_CERT=
ARG LOCK_SHA256=
RUN sh docker/install-python.sh cpu


FROM build AS build-gpu
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ARG PIP_FIND_LINKS=
ARG PIP_NO_INDEX=
ARG PIP_CERT=
ARG LOCK_SHA256=
RUN sh docker/install-python.sh gpu


# Who runs, where, and which folders outlive a container.
FROM debian AS run
RUN SOURCE_DATE_EPOCH=0 useradd --no-log-init --uid 1000 --user-group --no-create-home \
      --home-dir /ringexp/cache --shell /usr/sbin/nologin ringexp \
    && rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- \
    && install --directory --owner ringexp --group ringexp /ringexp /ringexp/runs /ringexp/data /ringexp/cache
# A user id without a name (--user) has to be called something, and every cache lies in the volume.
ENV PATH=/opt/ringexp/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/ringexp/cache \
    XDG_CACHE_HOME=/ringexp/cache \
    HF_HOME=/ringexp/cache/huggingface \
    TORCHINDUCTOR_CACHE_DIR=/ringexp/cache/torchinductor \
    LOGNAME=ringexp \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    GIT_PYTHON_REFRESH=quiet
WORKDIR /ringexp
VOLUME ["/ringexp/runs", "/ringexp/data", "/ringexp/cache"]
USER 1000:1000
ENTRYPOINT ["ringexp"]


# Triton compiles a launcher for each of its kernels when it is first called: C compiler, headers of libc and Python.
FROM run AS gpu
ARG DEBIAN_MIRROR=http://deb.debian.org
USER 0:0
RUN --mount=type=bind,target=/context \
    sh /context/docker/install-debian.sh /context/requirements/debian-gpu.lock
USER 1000:1000
COPY --from=build-gpu /opt/ringexp /opt/ringexp
ENV TRITON_HOME=/ringexp/cache \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
ARG BASE
ARG COMMIT=
ARG LOCK_SHA256=
ENV RINGEXP_GIT_COMMIT=${COMMIT} \
    RINGEXP_LOCK_SHA256=${LOCK_SHA256}
LABEL org.opencontainers.image.title="ringexp" \
      org.opencontainers.image.description="Experiments with the Ring-lite recipe, GPU" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.base.name="${BASE}" \
      ringexp.lock.sha256="${LOCK_SHA256}"


# vLLM's CPU kernels come compiled, and `enforce_eager` generates no code: a whole pipeline runs without a compiler.
FROM run AS cpu
COPY --from=build-cpu /opt/ringexp /opt/ringexp
ARG BASE
ARG COMMIT=
ARG LOCK_SHA256=
ENV RINGEXP_GIT_COMMIT=${COMMIT} \
    RINGEXP_LOCK_SHA256=${LOCK_SHA256}
LABEL org.opencontainers.image.title="ringexp" \
      org.opencontainers.image.description="Experiments with the Ring-lite recipe, CPU" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.base.name="${BASE}" \
      ringexp.lock.sha256="${LOCK_SHA256}"
