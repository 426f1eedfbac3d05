# An image with wfdb2dicom and its whole workflow. Build it in a clone, and run it with mine.yaml and your data in /data:
#
#   docker build -t wfdb2dicom .
#   docker run --rm -u "$(id -u):$(id -g)" -v /data:/data wfdb2dicom run --configfile mine.yaml --cores 8
#
# CI runs in a container itself and does not build this image, so try it on the bundled demo first.
FROM python:3.13-slim
ENV PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HOME=/tmp
WORKDIR /opt/wfdb2dicom
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-deps --no-build-isolation .
WORKDIR /data
ENTRYPOINT ["wfdb2dicom"]
