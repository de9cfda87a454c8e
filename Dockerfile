# docker build --build-arg TARGET=cuda|tpu|cpu -t xdancer .
# docker run xdancer launch.train --config configs/tokenizer.py:paper --workdir gs://BUCKET/tokenizer
#
# Not tried: this image was never built, nor run on any machine. hadolint finds nothing in it (one rule is off below), and
# a test holds its extras against setup.py. CUDA itself comes with the extra's wheels; the host gives the driver
# (--gpus all). On a TPU VM: --privileged --net=host. A work directory on the host's disk must be writable for user 1000.
FROM python:3.12.12-slim-bookworm

ARG TARGET=cpu
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --create-home --uid 1000 dancer \
    && mkdir /app \
    && chown dancer:dancer /app
USER 1000
WORKDIR /app
ENV PATH=/home/dancer/.venv/bin:$PATH

# What is installed changes with these two files alone; setup.py reads a README.md, which may change without it.
# Bounds of versions are in setup.py.
COPY --chown=dancer:dancer setup.py pyproject.toml ./
# hadolint ignore=DL3013
RUN case "$TARGET" in \
      cuda) extras=cuda,gcs ;; \
      tpu) extras=tpu,gcs ;; \
      cpu) extras=gcs ;; \
      *) echo "TARGET=$TARGET: give cuda, tpu or cpu" >&2; exit 1 ;; \
    esac \
    && touch README.md \
    && python -m venv /home/dancer/.venv \
    && pip install ".[$extras]"

COPY --chown=dancer:dancer . .
RUN pip install --no-deps --editable .

# Python is process 1 and gets SIGTERM itself: training saves the step, and ends with 75.
ENTRYPOINT ["python", "-m"]
CMD ["launch.doctor"]
