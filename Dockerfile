# syntax=docker/dockerfile:1
#
#   docker build -t hsfuse .
#   docker build -t hsfuse:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126 .

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
# An index of builds of torch: for the CPU alone by default, a tenth of the size of those for CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /opt/hsfuse
ENV PATH=/opt/hsfuse/bin:$PATH
RUN pip install --no-cache-dir --index-url "${TORCH_INDEX}" torch
WORKDIR /source
COPY setup.cfg pyproject.toml README.md LICENSE NOTICE ./
COPY hsfuse hsfuse
COPY cli cli
COPY sensors sensors
RUN pip install --no-cache-dir ".[cloud]"

FROM python:${PYTHON}-slim
# GDAL, which comes with rasterio, needs it of the system.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 hsfuse
COPY --from=build /opt/hsfuse /opt/hsfuse
# Any user may be asked for with --user, hence a cache that all can write.
ENV PATH=/opt/hsfuse/bin:$PATH \
    MPLCONFIGDIR=/tmp/matplotlib \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER hsfuse
WORKDIR /data
ENTRYPOINT ["hsfuse"]
CMD ["--help"]
