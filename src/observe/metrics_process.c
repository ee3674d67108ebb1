/* Figures of the process itself, named as Prometheus' client libraries name them. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "observe/metrics_internal.h"

/* The field of /proc/self/stat with this number (from 1, proc(5)); -1 when it cannot be read. The
 * second is the program's name in parentheses, which may hold anything. */
static int64_t stat_field(int number)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t len;
    char *field;

    if (file == NULL)
        return -1;
    len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    field = strrchr(text, ')');
    for (int i = 2; field != NULL && i < number; i++)
        field = strchr(field + 1, ' ');
    return field == NULL ? -1 : strtoll(field, NULL, 10);
}

static int64_t open_fd_count(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int64_t count = -3; /* ".", ".." and the folder's own descriptor */

    if (folder == NULL)
        return -1;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static int64_t cpu_us(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* When the machine was started, Unix time, as the kernel tells it. -1 when it cannot be read. */
static int64_t boot_time_s(void)
{
    FILE *file = fopen("/proc/stat", "re");
    char *line = NULL;
    size_t size = 0;
    int64_t time_s = -1;

    if (file == NULL)
        return -1;
    while (time_s < 0 && getline(&line, &size, file) > 0) {
        if (strncmp(line, "btime ", strlen("btime ")) == 0)
            time_s = strtoll(line + strlen("btime "), NULL, 10);
    }
    free(line);
    fclose(file);
    return time_s;
}

/* The kernel counts a process' start in ticks from boot. Not computed from the clocks, so that the
 * figure is the same each time: a change means a restart. */
static int64_t start_time_us(void)
{
    enum {
        STAT_STARTTIME = 22
    };

    return boot_time_s() * 1000000 + stat_field(STAT_STARTTIME) * 1000000 / sysconf(_SC_CLK_TCK);
}

void metrics__print_process(struct buf *buf)
{
    enum {
        STAT_VSIZE = 23,
        STAT_RSS = 24
    };
    struct rlimit limit;

    metrics__print_head(buf, "process_cpu_seconds_total", "counter",
                        "CPU time spent, user and system");
    metrics__print_seconds(buf, "process_cpu_seconds_total", "", cpu_us());
    metrics__print_head(buf, "process_resident_memory_bytes", "gauge", "Memory in RAM");
    metrics__print_value(buf, "process_resident_memory_bytes", "",
                         stat_field(STAT_RSS) * sysconf(_SC_PAGESIZE));
    metrics__print_head(buf, "process_virtual_memory_bytes", "gauge", "Address space in use");
    metrics__print_value(buf, "process_virtual_memory_bytes", "", stat_field(STAT_VSIZE));
    metrics__print_head(buf, "process_open_fds", "gauge", "Descriptors in use");
    metrics__print_value(buf, "process_open_fds", "", open_fd_count());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        metrics__print_head(buf, "process_max_fds", "gauge", "Descriptors allowed");
        metrics__print_value(buf, "process_max_fds", "", (int64_t)limit.rlim_cur);
    }
    metrics__print_head(buf, "process_start_time_seconds", "gauge",
                        "When the process started, Unix time");
    metrics__print_seconds(buf, "process_start_time_seconds", "", start_time_us());
    metrics__print_head(buf, "orderd_build_info", "gauge", "Always 1; the labels tell what runs");
    metrics__print_value(buf, "orderd_build_info", "version=\"" ORDERD_VERSION "\"", 1);
}
