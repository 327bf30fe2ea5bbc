# The image of every command: `aftercast serve`, `drain`, `score`, `train`, and the MLflow server (see compose.yaml).
# Built from hashed locks alone; runs as nobody in particular, on a read-only root: only /workspace and /tmp are written.

# Where builds must repeat to the bit, name the image by its digest: --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /source
COPY deploy/build.lock deploy/build.lock
RUN ["python", "-m", "pip", "install", "--no-cache-dir", "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", "deploy/build.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY data/aftercast data/aftercast
COPY features/aftercast features/aftercast
COPY models/aftercast models/aftercast
COPY pipelines/aftercast pipelines/aftercast
COPY serving/aftercast serving/aftercast
RUN ["python", "-m", "pip", "wheel", "--no-cache-dir", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "/wheels", "."]

FROM ${PYTHON_IMAGE} AS environment
WORKDIR /source
COPY deploy/serve.lock deploy/serve.lock
RUN ["python", "-m", "venv", "/opt/aftercast"]
RUN ["/opt/aftercast/bin/python", "-m", "pip", "install", "--no-cache-dir", "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", "deploy/serve.lock"]
COPY --from=wheel /wheels /wheels
RUN ["/opt/aftercast/bin/python", "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--no-index", "--find-links", "/wheels", "aftercast"]
# The slim image has no OpenMP runtime, which LightGBM needs; scikit-learn's wheel carries one.
COPY scripts/openmp.py scripts/openmp.py
RUN ["/opt/aftercast/bin/python", "scripts/openmp.py", "/opt/aftercast"]
# Neither is needed from here on.
RUN ["/opt/aftercast/bin/python", "-m", "pip", "uninstall", "--yes", "setuptools", "pip"]

FROM ${PYTHON_IMAGE}
ARG REVISION=""
LABEL org.opencontainers.image.title="aftercast" \
      org.opencontainers.image.description="Forecasts which devices will fail and which customers will leave" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=environment /opt/aftercast /opt/aftercast
# A named volume takes over the owner of the folder that it covers; /artifacts is that of the MLflow server.
RUN ["install", "-d", "-o", "65532", "-g", "65532", "-m", "0750", "/workspace", "/artifacts"]

ENV PATH="/opt/aftercast/bin:/usr/local/bin:/usr/bin:/bin" \
    LD_LIBRARY_PATH="/opt/aftercast/lib/openmp" \
    PYTHONDONTWRITEBYTECODE="1" \
    PYTHONUNBUFFERED="1" \
    HOME="/tmp" \
    NUMBA_CACHE_DIR="/tmp/numba" \
    MPLCONFIGDIR="/tmp/matplotlib" \
    MALLOC_ARENA_MAX="2" \
    MALLOC_TRIM_THRESHOLD_="131072" \
    ARROW_DEFAULT_MEMORY_POOL="system" \
    AFTERCAST_WORKSPACE="/workspace" \
    AFTERCAST_SERVING__HOST="0.0.0.0"
WORKDIR /workspace
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether the process answers; whether it can judge devices is /ready, for whoever sends it requests.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('AFTERCAST_SERVING__PORT', '8080')), timeout=4); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["aftercast"]
CMD ["serve"]
