/* Versions, asked of the libraries themselves: what runs, not what was compiled against. */
#include "app/version.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <grpc/grpc.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <protobuf-c/protobuf-c.h>

void version_print(FILE *out)
{
    int pq = PQlibVersion();
    fprintf(out, "orderd %s\n", ORDERD_VERSION);
    fprintf(out, "gRPC %s\n", grpc_version_string());
    fprintf(out, "protobuf-c %s\n", protobuf_c_version());
    fprintf(out, "libpq %d.%d\n", pq / 10000, pq % 10000);
    fprintf(out, "%s\n", curl_version());
    fprintf(out, "libevent %s\n", event_get_version());
    fprintf(out, "jansson %s\n", jansson_version_str());
    fprintf(out, "%s\n", OpenSSL_version(OPENSSL_VERSION));
}
