/* Makes, starts, stops and removes a private PostgreSQL cluster. Nothing here is fast or clever; it
 * only must not leave a server behind, whatever happens to the test program. */
#include "postgres_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATH_MAX_HERE = 512,
    SOCKET_PATH_MAX = 80, /* of the 107 bytes a socket's address has, the rest is its name */
    START_TRIES = 600,
    DATABASES_MAX = 64,
};

static struct {
    char folder[PATH_MAX_HERE]; /* empty: no cluster yet */
    char bin[PATH_MAX_HERE];
    char conninfo[PATH_MAX_HERE + 100];
    char *databases[DATABASES_MAX];
    unsigned database_count;
    uid_t uid; /* of the server; 0: as we are */
    gid_t gid;
    pid_t pid; /* 0: not running */
} postgres;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "postgres fixture: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

/* ---- where and as whom ---- */

static void find_user(void)
{
    if (geteuid() != 0)
        return;
    const struct passwd *user = getpwnam("postgres");
    if (user == NULL)
        user = getpwnam("nobody");
    if (user == NULL)
        fail("neither a user postgres nor nobody exists");
    postgres.uid = user->pw_uid;
    postgres.gid = user->pw_gid;
}

/* In a child: gives up root, and asks to die with the test program. */
static void become_user(pid_t parent)
{
    if (postgres.uid != 0 &&
        (setgroups(0, NULL) != 0 || setgid(postgres.gid) != 0 || setuid(postgres.uid) != 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent)
        _exit(126);
}

static bool is_usable_by_server(const char *folder)
{
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        become_user(parent);
        _exit(access(folder, R_OK | W_OK | X_OK) == 0 ? 0 : 1);
    }
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool make_folder(const char *parent)
{
    if (parent == NULL || strlen(parent) > SOCKET_PATH_MAX - sizeof("/postgres-XXXXXX"))
        return false;
    snprintf(postgres.folder, sizeof(postgres.folder), "%s/postgres-XXXXXX", parent);
    if (mkdtemp(postgres.folder) == NULL)
        return false;
    if (postgres.uid == 0 || chown(postgres.folder, postgres.uid, postgres.gid) == 0)
        if (is_usable_by_server(postgres.folder))
            return true;
    rmdir(postgres.folder);
    return false;
}

static void find_programs(void)
{
    static const char *const usual = "/usr/lib/postgresql/15/bin";
    char path[PATH_MAX_HERE + 10];

    snprintf(postgres.bin, sizeof(postgres.bin), "%s", usual);
    snprintf(path, sizeof(path), "%s/initdb", postgres.bin);
    if (access(path, X_OK) == 0)
        return;
    FILE *pipe = popen("pg_config --bindir 2>/dev/null", "r");
    if (pipe == NULL || fgets(postgres.bin, sizeof(postgres.bin), pipe) == NULL)
        fail("neither %s nor pg_config is there", usual);
    pclose(pipe);
    postgres.bin[strcspn(postgres.bin, "\n")] = '\0';
}

/* ---- its life ---- */

static pid_t spawn(const char *program, char **arguments)
{
    char path[PATH_MAX_HERE + 20], log[PATH_MAX_HERE + 20];
    snprintf(path, sizeof(path), "%s/%s", postgres.bin, program);
    snprintf(log, sizeof(log), "%s/log", postgres.folder);

    pid_t parent = getpid(), child = fork();
    if (child < 0)
        fail("fork: %s", strerror(errno));
    if (child > 0)
        return child;
    become_user(parent);
    int fd = open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);
    int null = open("/dev/null", O_RDONLY);
    if (fd < 0 || null < 0 || chdir(postgres.folder) != 0)
        _exit(126);
    dup2(null, 0);
    dup2(fd, 1);
    dup2(fd, 2);
    arguments[0] = path; /* PostgreSQL finds its other programs beside it */
    execv(path, arguments);
    _exit(127);
}

static void show_log(void)
{
    char path[PATH_MAX_HERE + 20], line[400];
    snprintf(path, sizeof(path), "%s/log", postgres.folder);
    FILE *log = fopen(path, "r");
    while (log != NULL && fgets(line, sizeof(line), log) != NULL)
        fputs(line, stderr);
    if (log != NULL)
        fclose(log);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void end_server(int signal_number)
{
    if (postgres.pid == 0)
        return;
    kill(postgres.pid, signal_number);
    waitpid(postgres.pid, NULL, 0);
    postgres.pid = 0;
}

static void clean_up(void)
{
    end_server(SIGQUIT);
    if (postgres.folder[0] != '\0')
        nftw(postgres.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    for (unsigned i = 0; i < postgres.database_count; i++)
        free(postgres.databases[i]);
    postgres.database_count = 0;
}

static void make_cluster(void)
{
    char data[PATH_MAX_HERE + 10];
    char *arguments[] = {(char[]){"initdb"},
                         (char[]){"--no-locale"},
                         (char[]){"-EUTF8"},
                         (char[]){"-Atrust"},
                         (char[]){"-Upostgres"},
                         (char[]){"--no-sync"},
                         (char[]){"--no-instructions"},
                         (char[]){"-D"},
                         data,
                         NULL};
    int status;

    find_user();
    find_programs();
    if (!make_folder(getenv("BUILD_DIR")) && !make_folder(getenv("TMPDIR")) && !make_folder("/tmp"))
        fail("no folder for the cluster: %s", strerror(errno));
    atexit(clean_up);
    snprintf(data, sizeof(data), "%s/data", postgres.folder);
    snprintf(postgres.conninfo, sizeof(postgres.conninfo), "host=%s user=postgres dbname=postgres",
             postgres.folder);
    pid_t child = spawn("initdb", arguments);
    if (waitpid(child, &status, 0) != child || status != 0) {
        show_log();
        fail("initdb ended with status %d", status);
    }
}

static bool takes_connections(void)
{
    PGconn *pg = PQconnectdb(postgres.conninfo);
    bool connected = PQstatus(pg) == CONNECTION_OK;
    PQfinish(pg);
    return connected;
}

void postgres_start(void)
{
    char data[PATH_MAX_HERE + 10], sockets[PATH_MAX_HERE + 40];
    snprintf(data, sizeof(data), "%s/data", postgres.folder);
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", postgres.folder);
    /* synchronous_commit stays on; only the disk's own flush is left out, for speed. */
    char *arguments[] = {(char[]){"postgres"},
                         (char[]){"-D"},
                         data,
                         (char[]){"-c"},
                         (char[]){"listen_addresses="},
                         (char[]){"-c"},
                         sockets,
                         (char[]){"-c"},
                         (char[]){"fsync=off"},
                         (char[]){"-c"},
                         (char[]){"max_connections=100"},
                         NULL};

    if (postgres.folder[0] == '\0')
        make_cluster();
    if (postgres.pid != 0)
        return;
    snprintf(data, sizeof(data), "%s/data", postgres.folder);
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", postgres.folder);
    postgres.pid = spawn("postgres", arguments);
    for (int i = 0; i < START_TRIES; i++) {
        if (takes_connections())
            return;
        if (waitpid(postgres.pid, NULL, WNOHANG) != 0) {
            postgres.pid = 0;
            break;
        }
        usleep(50 * 1000);
    }
    show_log();
    fail("the server does not start");
}

void postgres_stop(void)
{
    end_server(SIGINT);
}

void postgres_crash(void)
{
    end_server(SIGQUIT);
}

/* ---- using it ---- */

const char *postgres_conninfo(void)
{
    if (postgres.folder[0] == '\0')
        postgres_start();
    return postgres.conninfo;
}

const char *postgres_new_database(void)
{
    char sql[64], *conninfo = NULL;
    const char *main_conninfo = postgres_conninfo();

    if (postgres.database_count == DATABASES_MAX)
        fail("more than %d databases", DATABASES_MAX);
    snprintf(sql, sizeof(sql), "CREATE DATABASE test_%u", postgres.database_count);
    postgres_exec(main_conninfo, sql);
    if (asprintf(&conninfo, "host=%s user=postgres dbname=test_%u", postgres.folder,
                 postgres.database_count) < 0)
        fail("out of memory");
    postgres.databases[postgres.database_count++] = conninfo;
    return conninfo;
}

static PGresult *run(const char *conninfo, const char *sql, PGconn **out_pg)
{
    *out_pg = PQconnectdb(conninfo);
    if (PQstatus(*out_pg) != CONNECTION_OK)
        fail("%s", PQerrorMessage(*out_pg));
    PGresult *result = PQexec(*out_pg, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail("%s\n%s", PQresultErrorMessage(result), sql);
    return result;
}

void postgres_exec(const char *conninfo, const char *sql)
{
    PGconn *pg;
    PQclear(run(conninfo, sql, &pg));
    PQfinish(pg);
}

long postgres_number(const char *conninfo, const char *sql)
{
    PGconn *pg;
    PGresult *result = run(conninfo, sql, &pg);
    long number = PQntuples(result) > 0 && !PQgetisnull(result, 0, 0)
                      ? strtol(PQgetvalue(result, 0, 0), NULL, 10)
                      : 0;
    PQclear(result);
    PQfinish(pg);
    return number;
}
