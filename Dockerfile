# The image of any function: docker build --build-arg FUNCTION=query-nodes --tag tetcore/query-nodes .
# Another target, roles, is the image that gives the database's roles their passwords after migrate.

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY functions functions
COPY migrations migrations
COPY shared shared
# All functions at once: the layer is the same for each image, so that only the first one compiles. Linked statically, a
# function needs nothing of its image; for names, glibc reads /etc/hosts and /etc/resolv.conf by itself, and random numbers
# come from the kernel rather than from a device.
ENV RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"'
RUN cargo build --locked --release --workspace --bins --target "$(uname -m)-unknown-linux-gnu" \
    && mv "target/$(uname -m)-unknown-linux-gnu/release" /programs
# Whom RDS has its certificates from; the image has the authorities of the web already.
# checkov:skip=CKV_DOCKER_4:COPY cannot fetch, and the certificates change more often than we release
ADD --chmod=0444 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /rds.pem

FROM build AS program
ARG FUNCTION
RUN test -n "$FUNCTION" && cp "/programs/$FUNCTION" /function

# What turns Lambda's events into requests; everywhere else nobody starts it.
FROM public.ecr.aws/awsguru/aws-lambda-adapter:0.9.1 AS adapter

FROM postgres:15-alpine AS roles
COPY --from=build /rds.pem /etc/ssl/certs/rds.pem
COPY terraform/roles.sql /roles.sql
USER 65532:65532
HEALTHCHECK NONE
ENTRYPOINT ["sh", "-c", "exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/roles.sql \"$OWNER_URL\""]

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /rds.pem /etc/ssl/certs/
COPY --from=adapter /lambda-adapter /opt/extensions/lambda-adapter
COPY --from=build /programs/healthy /healthy
COPY --from=program /function /function
# Nobody's: it may read its image, and nothing there can be written.
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/healthy"]
ENTRYPOINT ["/function"]
