/* Time, and what processes use of the machine: CPU from /proc, ours from the kernel. */
#pragma once

#include "die.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct usage {
    int64_t at_ns;
    double server_s, own_s;
    long server_rss_kb;
};

static inline int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline double read_cpu_seconds(unsigned pid)
{
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof(line), file) == NULL) {
        die("cannot read %s", path);
    }
    fclose(file);
    const char *rest = strrchr(line, ')'); /* the name before it may hold anything */
    if (rest == NULL || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                               &user, &system) != 2) {
        die("cannot read %s", path);
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static inline long read_rss_kb(unsigned pid)
{
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof(path), "/proc/%u/status", pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kb) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kb;
}

static inline struct usage usage_now(unsigned pid)
{
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    struct usage usage = {
        .at_ns = now_ns(),
        .own_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                 (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6,
    };
    if (pid > 0) {
        usage.server_s = read_cpu_seconds(pid);
        usage.server_rss_kb = read_rss_kb(pid);
    }
    return usage;
}
