/* The program orderctl. */
#include "ctl/ctl.h"

#include <curl/curl.h>

int main(int argc, char **argv)
{
    int code;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return 1;
    }
    code = ctl_run(argc, argv);
    curl_global_cleanup();
    return code;
}
