# wfdb2dicom with the whole workflow: docker build -t wfdb2dicom .
# docker run --rm -u "$(id -u):$(id -g)" -v /data:/data -w /data wfdb2dicom run --configfile mine.yaml --cores 8
FROM python:3.13-slim
ENV PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HOME=/tmp
WORKDIR /opt/wfdb2dicom
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-deps --no-build-isolation .
WORKDIR /data
ENTRYPOINT ["wfdb2dicom"]
