# A server for one project: docker build -t volano . && see docs/serve.md for how to run it.
FROM python:3.13-slim

# For a model that is an encoder: --build-arg EXTRAS='[encoders]'
ARG EXTRAS=""
COPY . /build
# The versions that are tested together; nothing of a compiler or a cache stays in the image.
RUN pip install --no-cache-dir -c /build/constraints.txt "/build$EXTRAS" && rm -rf /build \
    && useradd --create-home --uid 10001 volano \
    && mkdir /project && chown volano /project

USER volano
# The project's folder, .volano and all: the only thing that is written to.
VOLUME /project
WORKDIR /project
EXPOSE 8000

# Anything but this machine's own address needs a key: the variable VOLANO_KEY or serve.key_file.
CMD ["volano", "serve", "--set", "serve.host=0.0.0.0", "--set", "serve.port=8000"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
