# Stands in for eclipse-mosquitto: the broker, and the nc that its health check asks with.
ARG BASE
FROM ${BASE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends mosquitto netcat-openbsd >/dev/null \
 && apt-get clean
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
CMD ["mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]
