/* Fault points, whatever kind of build this is: each case is a process of its own, since the
 * environment is read once. */
#define FAULT_POINTS 1
#include "base/fault_point.c"

#include "base/macros.h"

#include <setjmp.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Passes "b.1" once and "a.1" three times; ends with how often it came past "a.1". */
static int pass_points(void)
{
    int count = 0;

    FAULT_POINT("b.%d", 1);
    for (; count < 3; count++)
        FAULT_POINT("%s.%d", "a", 1);
    return count;
}

/* How the child ended, as waitpid() tells. */
static int end_of_child(const char *point, const char *action, int (*work)(void))
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        setenv("FAULT_POINT", point, 1);
        setenv("FAULT_ACTION", action, 1);
        _exit(work());
    }
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    if (WIFSTOPPED(status)) {
        int stop = WSTOPSIG(status);

        kill(child, SIGCONT);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 3);
        return stop;
    }
    return status;
}

static void dies_by(int number, const char *point, const char *action)
{
    int status = end_of_child(point, action, pass_points);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
}

static void lives(const char *point)
{
    int status = end_of_child(point, "kill", pass_points);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
}

static void the_chosen_point_kills_the_nth_time(void **state)
{
    dies_by(SIGKILL, "a.1", "");
    dies_by(SIGKILL, "a.1:3", "kill");
    dies_by(SIGKILL, "b.1:1", "kill");
}

static void points_that_are_not_chosen_or_passed_less_often_do_nothing(void **state)
{
    lives("");
    lives("a.1:4");
    lives("a");
    lives("a.11");
    lives("c.1");
}

static void a_process_that_was_stopped_goes_on(void **state)
{
    assert_int_equal(end_of_child("a.1:2", "stop", pass_points), SIGSTOP);
}

static void settings_that_are_not_understood_end_it_at_the_first_point(void **state)
{
    static const struct {
        const char *point, *action;
    } wrong[] = {{":1", "kill"},    {"a.1:", "kill"},   {"a.1:0", "kill"},
                 {"a.1:x", "kill"}, {"a.1:1x", "kill"}, {"a.1", "die"}};

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        dies_by(SIGABRT, wrong[i].point, wrong[i].action);
}

/* Ends with 3 when exactly the second passing of "a.1" was foreseen. */
static int foresee(void)
{
    bool wrong = fault_point_is_next("a.1") || fault_point_is_next("b.1");

    FAULT_POINT("a.1");
    if (wrong || !fault_point_is_next("a.%d", 1) || fault_point_is_next("b.1"))
        _exit(4);
    FAULT_POINT("a.1");
    return fault_point_is_next("a.1") ? 5 : 3;
}

static void it_is_known_beforehand_whether_a_point_would_act(void **state)
{
    assert_int_equal(end_of_child("a.1:2", "stop", foresee), SIGSTOP);
}

static int trace_points(void)
{
    setenv("FAULT_TRACE", "trace_of_fault_points", 1);
    return pass_points();
}

static void all_points_are_traced_up_to_the_one_that_kills(void **state)
{
    char text[64] = "";
    FILE *file;
    int status;

    (void)unlink("trace_of_fault_points");
    status = end_of_child("a.1:2", "kill", trace_points);
    assert_true(WIFSIGNALED(status));
    file = fopen("trace_of_fault_points", "r");
    assert_non_null(file);
    (void)!fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    (void)unlink("trace_of_fault_points");
    assert_string_equal(text, "b.1\na.1\na.1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chosen_point_kills_the_nth_time),
        cmocka_unit_test(points_that_are_not_chosen_or_passed_less_often_do_nothing),
        cmocka_unit_test(a_process_that_was_stopped_goes_on),
        cmocka_unit_test(settings_that_are_not_understood_end_it_at_the_first_point),
        cmocka_unit_test(it_is_known_beforehand_whether_a_point_would_act),
        cmocka_unit_test(all_points_are_traced_up_to_the_one_that_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
