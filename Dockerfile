# The tools and the Python package in a small image without the build:
#   docker build -t dgemm .
#   docker run --rm dgemm dgemm-run --m=256 --n=256 --k=512          (on the emulator)
#   docker run --rm --gpus all dgemm dgemm-run --m=4096 --n=7168 --k=2048
#   docker run --rm --gpus all dgemm python -m dgemm info
FROM debian:12 AS build
WORKDIR /dgemm
COPY . .
RUN bash scripts/setup.sh --python
RUN bash scripts/build.sh --static dgemm-gen dgemm-opt dgemm-run dgemm-sass dgemm-tune
RUN bash scripts/build-wheel.sh

# The wheel is for the Python of Debian 12, with which it was built.
FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*
COPY --from=build /dgemm/build-static/bin/dgemm-* /usr/local/bin/
COPY --from=build /dgemm/dist/*.whl /tmp/
RUN python3 -m venv /opt/dgemm && /opt/dgemm/bin/pip install --no-cache-dir /tmp/*.whl ml_dtypes && rm /tmp/*.whl && \
    /opt/dgemm/bin/python -m dgemm install-ptxas
ENV PATH=/opt/dgemm/bin:$PATH DGEMM_CACHE_DIR=/var/cache/dgemm
CMD ["dgemm-gen", "--help"]
