/* Addresses of settings: which are understood, and what is said of the others. */
#include "edge/listen_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void hosts_are_understood_by_number_and_by_name(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:0", "0.0.0.0:0", "localhost:0"};

    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        struct error err = {0};
        uint16_t port = 0;
        int fd = -1;

        assert_int_equal(listen_socket_open("X", addresses[i], &fd, &port, &err), STATUS_OK);
        assert_true(port > 0);
        assert_int_equal(accept4(fd, NULL, NULL, 0), -1); /* does not block */
        close(fd);
    }
}

static bool can_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_connected;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return is_connected;
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

    if (fd >= 0)
        close(fd);
    return is_bound;
}

/* What stands for every address is there for callers over IPv4, too. */
static void addresses_of_ipv6_stand_in_brackets(void **state)
{
    static const struct {
        const char *address;
        bool means_ipv4;
    } cases[] = {{"[::1]:0", false}, {"[::]:0", true}};

    if (!has_ipv6())
        skip(); /* the system's, not ours */
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {0};
        uint16_t port = 0;
        int fd = -1;

        assert_int_equal(listen_socket_open("X", cases[i].address, &fd, &port, &err), STATUS_OK);
        assert_true(port > 0);
        assert_int_equal(can_connect(port), cases[i].means_ipv4);
        close(fd);
    }
}

static void an_address_that_is_too_long_is_not_cut(void **state)
{
    struct error err = {0};
    uint16_t port = 7;
    int fd = -7;
    char address[300];

    memset(address, '0', sizeof(address));
    memcpy(address + sizeof(address) - sizeof(":1"), ":1", sizeof(":1"));
    assert_int_not_equal(listen_socket_open("X", address, &fd, &port, &err), STATUS_OK);
    assert_non_null(strstr(err.message, ": too long"));
    assert_int_equal(fd, -7);
}

static void wrong_addresses_are_refused_in_words(void **state)
{
    static const struct {
        const char *address, *message;
    } cases[] = {
        {"", "X : not of the form host:port"},
        {"50051", "X 50051: not of the form host:port"},
        {":50051", "X :50051: not of the form host:port"},
        {"localhost:", "X localhost:: not of the form host:port"},
        {"[::1:0", "X [::1:0: not of the form host:port"},
        {"[]:0", "X []:0: not of the form host:port"},
        {"127.0.0.1:http-or-so", "X 127.0.0.1:http-or-so: servname not supported for ai_socktype"},
        {"8.8.8.8:0", "X 8.8.8.8:0: cannot assign requested address"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {0};
        uint16_t port = 7;
        int fd = -7;

        assert_int_not_equal(listen_socket_open("X", cases[i].address, &fd, &port, &err),
                             STATUS_OK);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(fd, -7);
        assert_int_equal(port, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_understood_by_number_and_by_name),
        cmocka_unit_test(addresses_of_ipv6_stand_in_brackets),
        cmocka_unit_test(an_address_that_is_too_long_is_not_cut),
        cmocka_unit_test(wrong_addresses_are_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
