/* The program: a process a core over the seeds, the counts added up, the first failure told.
 *
 *   sim [--orders N | --seconds N] [--start SEED] [--processes N]
 *   sim --seed SEED         one world, told event by event
 *
 * Exit code 1: an invariant was violated, or something that must be reached was not. */
#include "sim_coverage.h"
#include "sim_faults.h"
#include "sim_world.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PROCESSES_MAX = 64,
    ORDERS_MIN = 150 * 1000, /* a slow machine takes longer, so that it reaches the same */
};

struct options {
    uint64_t orders, seconds, start, seed;
    unsigned processes;
    bool has_seed;
};

static double now_s(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Every seed belongs to one process, so how many there are makes no difference to a world. */
static void run_seeds(const struct options *options, unsigned process,
                      struct sim_coverage *coverage, double until_s)
{
    uint64_t seed = options->start + process;
    uint64_t orders = options->seconds > 0 ? ORDERS_MIN : options->orders;

    while (coverage->orders <= orders / options->processes ||
           (options->seconds > 0 && now_s() < until_s)) {
        sim_world_run(seed, false, coverage);
        seed += options->processes;
    }
}

/* Waits for all; at the first that failed, the others are ended. False when one did. */
static bool wait_for_all(pid_t *pids, const struct options *options,
                         const struct sim_coverage *coverages)
{
    bool is_good = true;

    for (unsigned left = options->processes; left > 0; left--) {
        int status;
        pid_t pid = wait(&status);

        for (unsigned i = 0; i < options->processes; i++) {
            if (pids[i] != pid)
                continue;
            pids[i] = 0;
            if (is_good && WIFSIGNALED(status))
                printf("SEED=%" PRIu64 " ended by signal %d (%s)\n", coverages[i].seed,
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        for (unsigned i = 0; i < options->processes && is_good; i++) {
            if (pids[i] > 0)
                kill(pids[i], SIGKILL);
        }
        is_good = false;
    }
    return is_good;
}

static int run_all(const struct options *options)
{
    size_t size = PROCESSES_MAX * sizeof(struct sim_coverage);
    struct sim_coverage *coverages =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static struct sim_coverage sum;
    double start_s = now_s(), took_s;
    pid_t pids[PROCESSES_MAX];
    unsigned missing;

    if (coverages == MAP_FAILED)
        return 2;
    fflush(stdout);
    for (unsigned i = 0; i < options->processes; i++) {
        pids[i] = fork();
        if (pids[i] < 0)
            return 2;
        if (pids[i] == 0) {
            run_seeds(options, i, &coverages[i], start_s + (double)options->seconds);
            _exit(0);
        }
    }
    if (!wait_for_all(pids, options, coverages)) {
        puts("replay it with: make sim SEED=<the seed above>");
        return 1;
    }
    took_s = now_s() - start_s;
    for (unsigned i = 0; i < options->processes; i++)
        sim_coverage_add(&sum, &coverages[i]);
    missing = sim_coverage_print(&sum);
    printf("%.1f s, %.0f orders/s in %u processes; no invariant was violated\n", took_s,
           (double)sum.orders / took_s, options->processes);
    if (missing > 0)
        printf("%u rows that must be reached were not\n", missing);
    return missing > 0;
}

static int run_one(uint64_t seed)
{
    static struct sim_coverage coverage;
    unsigned orders = sim_world_run(seed, true, &coverage);

    printf("SEED=%" PRIu64 ": %u orders, no invariant was violated\n", seed, orders);
    return 0;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"orders", required_argument, NULL, 'o'},    {"seconds", required_argument, NULL, 't'},
        {"start", required_argument, NULL, 's'},     {"seed", required_argument, NULL, 'r'},
        {"processes", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0},
    };
    int name;

    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        uint64_t value = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);

        if (name == 'o')
            options->orders = value;
        else if (name == 't')
            options->seconds = value;
        else if (name == 's')
            options->start = value;
        else if (name == 'p')
            options->processes = (unsigned)value;
        else if (name == 'r')
            options->seed = value;
        else
            return false;
        options->has_seed |= name == 'r';
    }
    return optind == argc && options->processes >= 1 && options->processes <= PROCESSES_MAX;
}

int main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {
        .orders = 1000 * 1000,
        .start = 1,
        .processes = (unsigned)(cores < 1 ? 1 : MIN_OF(cores, PROCESSES_MAX)),
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_options(argc, argv, &options)) {
        fputs("sim [--orders N | --seconds N] [--start SEED] [--processes N] | --seed SEED\n",
              stderr);
        return 2;
    }
    return options.has_seed ? run_one(options.seed) : run_all(&options);
}
