/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables that become smaller and larger while counting goes on, and rows of the kernel that end and begin anew. After
 * every step the rows add up, and no row that was ever seen is seen again with less.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/totals/counters.h"
#include "libclient/socktally.h"
#include "tests/unit/scene.h"

#define METRIC SOCKTALLY_METRIC_tcp_tx_bytes
#define SECOND SCENE_SECOND
#define MAX_PIDS 20000
#define N_UNITS 40

struct stage {
        struct scene scene;
        struct totals *totals;
        struct totals *twin; /* NULL, or one that lives through the same but always keeps services */
        struct totals_result result;
        uint64_t sequence;
        uint64_t seen_processes[MAX_PIDS], seen_services[N_UNITS + 1]; /* largest ever */
        bool is_gone[MAX_PIDS];
        uint64_t n_asked;
};

static void identify(void *userdata, const struct process_key *key, const struct process_row *row,
                     struct unit *ret_unit) {
        scene_identify(&((struct stage *) userdata)->scene, key, row, ret_unit);
}

static bool is_alive(void *userdata, uint32_t pid, uint64_t start_time) {
        struct stage *stage = userdata;

        stage->n_asked++;
        if (pid == 0)
                return true; /* as identity_is_alive() says */
        assert_int_equal(start_time, pid * UINT64_C(1000));
        return !stage->is_gone[pid];
}

static struct totals_config config_of(struct stage *stage, uint32_t max_processes, uint32_t max_services) {
        return (struct totals_config) {
                .max_processes = max_processes + N_PROCESS_SPECIALS,
                .max_services = max_services + N_SERVICE_SPECIALS,
                .identity = identify,
                .is_alive = is_alive,
                .userdata = stage,
        };
}

static void open_tables(struct stage *stage, uint32_t max_processes, uint32_t max_services, bool has_twin) {
        struct totals_config config = config_of(stage, max_processes, max_services);

        assert_int_equal(totals_new(&stage->totals, &config), 0);
        if (has_twin)
                assert_int_equal(totals_new(&stage->twin, &config), 0);
}

static int setup(void **state) {
        struct stage *stage = calloc(1, sizeof *stage);

        scene_init(&stage->scene);
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;

        totals_free(stage->totals);
        totals_free(stage->twin);
        scene_done(&stage->scene);
        free(stage);
        return 0;
}

static void check_sums(const struct totals_result *r) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                uint64_t processes = 0, services = 0;

                if (counter_is_gauge(m))
                        continue;
                for (uint32_t i = 0; i < r->n_slots; i++)
                        processes += r->processes[i].is_used ? r->processes[i].counters[m] : 0;
                for (uint32_t i = 0; i < r->n_services; i++)
                        services += r->services[i].counters[m];
                assert_int_equal(processes, r->host->counters[m]);
                if (r->has_services)
                        assert_int_equal(services, r->host->counters[m]);
        }
}

static void check_backwards(uint64_t *seen, uint64_t value) {
        assert_true(value >= *seen);
        *seen = value;
}

/* Gauges come with the next sample. */
static void check_twin(const struct stage *stage) {
        struct totals_result twin;

        if (!stage->twin || !stage->result.has_services)
                return;
        totals_get(stage->twin, &twin);
        assert_int_equal(stage->result.n_services, twin.n_services);
        for (uint32_t i = 0; i < twin.n_services; i++) {
                assert_string_equal(stage->result.services[i].service, twin.services[i].service);
                assert_int_equal(stage->result.services[i].processes, twin.services[i].processes);
                for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                        if (!counter_is_gauge(m))
                                assert_int_equal(stage->result.services[i].counters[m], twin.services[i].counters[m]);
        }
}

static void check(struct stage *stage) {
        const struct totals_result *r = &stage->result;
        uint64_t n_used = 0, n_members = 0;

        totals_get(stage->totals, &stage->result);
        check_sums(r);
        for (uint32_t i = 0; i < r->n_slots; i++) {
                n_used += r->processes[i].is_used;
                if (r->processes[i].is_used && r->processes[i].kind == SOCKTALLY_ROW_PROCESS)
                        check_backwards(&stage->seen_processes[r->processes[i].pid], r->processes[i].counters[METRIC]);
        }
        assert_int_equal(n_used, r->n_processes);
        for (uint32_t i = 0; i < r->n_services; i++) {
                n_members += r->services[i].processes;
                if (r->services[i].kind == SOCKTALLY_ROW_SERVICE && r->has_services)
                        check_backwards(&stage->seen_services[strtoul(r->services[i].service + 5, NULL, 10)],
                                        r->services[i].counters[METRIC]);
        }
        assert_int_equal(n_members, r->n_processes - N_PROCESS_SPECIALS);
        assert_int_equal(r->host->processes, r->n_processes - N_PROCESS_SPECIALS);
        assert_int_equal(r->host->services, r->has_services ? r->n_services - N_SERVICE_SPECIALS : 0);
        check_twin(stage);
}

static void step(struct stage *stage) {
        totals_update(stage->totals, &stage->scene.sample, ++stage->sequence);
        if (stage->twin)
                totals_update(stage->twin, &stage->scene.sample, stage->sequence);
        check(stage);
        scene_next(&stage->scene, SECOND);
}

static void resize(struct stage *stage, uint32_t max_processes, uint32_t max_services) {
        assert_int_equal(totals_resize(stage->totals, max_processes + N_PROCESS_SPECIALS,
                                          max_services + N_SERVICE_SPECIALS, stage->sequence + 1), 0);
        if (stage->twin)
                assert_int_equal(totals_resize(stage->twin, max_processes + N_PROCESS_SPECIALS,
                                                  max_services + N_SERVICE_SPECIALS, stage->sequence + 1), 0);
        check(stage);
        assert_true(stage->result.n_processes <= max_processes + N_PROCESS_SPECIALS);
        assert_true(stage->result.n_services <= max_services + N_SERVICE_SPECIALS);
}

static const struct process *find(const struct stage *stage, uint32_t pid) {
        for (uint32_t i = N_PROCESS_SPECIALS; i < stage->result.n_slots; i++)
                if (stage->result.processes[i].is_used && stage->result.processes[i].pid == pid)
                        return &stage->result.processes[i];
        return NULL;
}

static uint64_t bytes_of(const struct stage *stage, uint32_t pid) {
        const struct process *process = find(stage, pid);

        assert_non_null(process);
        return process->counters[METRIC];
}

static uint64_t overflow_bytes(const struct stage *stage) {
        return stage->result.processes[PROCESS_OVERFLOW].counters[METRIC];
}

static void last_row(struct stage *stage, uint32_t pid, uint64_t cgroup, int64_t bytes) {
        scene_row(&stage->scene, pid, cgroup, bytes)->is_last = true;
}

static void a_row_that_ends_and_begins_anew_in_one_sample_goes_on(void **state) {
        struct stage *stage = *state;

        open_tables(stage, 10, 10, false);
        scene_row(&stage->scene, 7, 1, 100);
        step(stage);
        last_row(stage, 7, 1, 110);
        scene_row(&stage->scene, 7, 1, 5);
        step(stage);
        assert_int_equal(bytes_of(stage, 7), 115);
        scene_row(&stage->scene, 7, 1, 3); /* the other way round: what began is seen with the next sample */
        last_row(stage, 7, 1, 6);
        step(stage);
        assert_int_equal(bytes_of(stage, 7), 116);
        scene_row(&stage->scene, 7, 1, 4);
        step(stage);
        assert_int_equal(bytes_of(stage, 7), 120);
        assert_int_equal(stage->n_asked, 1); /* only while the kernel had no row of it */
}

static void a_process_that_the_kernel_has_no_row_of_stays_until_it_is_gone(void **state) {
        struct stage *stage = *state;

        open_tables(stage, 10, 10, false);
        last_row(stage, 7, 1, 100);
        for (unsigned i = 0; i < 50; i++)
                step(stage);
        assert_int_equal(bytes_of(stage, 7), 100);
        assert_false(find(stage, 7)->is_queued);
        scene_row(&stage->scene, 7, 1, 1);
        step(stage);
        assert_int_equal(bytes_of(stage, 7), 101);
        last_row(stage, 7, 1, 1);
        step(stage);
        stage->is_gone[7] = true;
        step(stage);
        assert_true(find(stage, 7)->is_queued);
        for (unsigned i = 0; i < 12; i++)
                step(stage);
        assert_null(find(stage, 7));
        assert_int_equal(stage->result.processes[PROCESS_EXITED].counters[METRIC], 101);
}

/* Its end shows in no row, and nobody can be asked: another PID namespace has it. */
static void last_row_without_pid(struct stage *stage, uint32_t pid, int64_t bytes) {
        struct sample_row *row = scene_row(&stage->scene, pid, 1, bytes);

        row->row.pid = 0;
        row->is_last = true;
}

static void a_process_without_a_visible_pid_is_given_up_after_a_while(void **state) {
        struct stage *stage = *state;

        open_tables(stage, 10, 10, false);
        last_row_without_pid(stage, 7, 100);
        last_row_without_pid(stage, 8, 50);
        for (unsigned i = 0; i < AGGREGATE_UNSEEN_NS / SECOND; i++)
                step(stage);
        assert_int_equal(bytes_of(stage, 8), 50);
        assert_false(find(stage, 8)->is_queued);
        last_row_without_pid(stage, 8, 1); /* it lives: the time begins anew */
        step(stage);
        assert_int_equal(bytes_of(stage, 8), 51);
        assert_true(find(stage, 7)->is_queued);
        for (unsigned i = 0; i < 12; i++)
                step(stage);
        assert_null(find(stage, 7));
        assert_int_equal(stage->result.processes[PROCESS_EXITED].counters[METRIC], 100);
        for (unsigned i = 0; i < AGGREGATE_UNSEEN_NS / SECOND; i++)
                step(stage);
        assert_null(find(stage, 8));
        assert_int_equal(stage->n_asked, 0);
}

static void a_process_without_a_visible_pid_makes_room_sooner(void **state) {
        struct stage *stage = *state;

        open_tables(stage, 10, 10, false);
        for (uint32_t pid = 1; pid <= 10; pid++)
                last_row_without_pid(stage, pid, 10);
        step(stage);
        for (unsigned i = 1; i < AGGREGATE_VISIBLE_NS / SECOND; i++)
                step(stage);
        assert_false(find(stage, 10)->is_queued); /* it may be a busy one whose next row is on its way */
        step(stage);
        assert_int_equal(stage->result.n_processes, 10 + N_PROCESS_SPECIALS);
        for (uint32_t pid = 11; pid <= 20; pid++)
                scene_row(&stage->scene, pid, 1, 1);
        step(stage);
        for (uint32_t pid = 11; pid <= 20; pid++)
                assert_int_equal(bytes_of(stage, pid), 1);
        assert_int_equal(overflow_bytes(stage), 0);
}

static void with_less_room_the_quietest_go_to_overflow_and_stay_there(void **state) {
        struct stage *stage = *state;

        open_tables(stage, 10, 10, false);
        for (uint32_t pid = 1; pid <= 10; pid++)
                scene_row(&stage->scene, pid, 1, pid);
        step(stage);
        scene_row(&stage->scene, 3, 1, 30);
        scene_row(&stage->scene, 9, 1, 90);
        step(stage);
        resize(stage, 2, 10);
        assert_int_equal(bytes_of(stage, 3), 30);
        assert_int_equal(bytes_of(stage, 9), 90);
        assert_int_equal(overflow_bytes(stage), 55 - 3 - 9);
        assert_int_equal(stage->result.rows_overflowed, 8);
        assert_int_equal(stage->result.peak_processes, 10 + N_PROCESS_SPECIALS);
        resize(stage, 20, 10);
        scene_row(&stage->scene, 1, 1, 100);
        scene_row(&stage->scene, 1, 2, 100); /* the same process in another cgroup */
        scene_row(&stage->scene, 11, 2, 11);
        step(stage);
        assert_null(find(stage, 1));
        assert_int_equal(bytes_of(stage, 11), 11);
        assert_int_equal(overflow_bytes(stage), 55 - 3 - 9 + 99 + 100);
        last_row(stage, 1, 1, 101);
        scene_row(&stage->scene, 1, 1, 9);
        step(stage);
        assert_null(find(stage, 1));
        assert_int_equal(overflow_bytes(stage), 55 - 3 - 9 + 100 + 100 + 9);
}

static void a_process_that_never_had_a_row_gets_one_when_there_is_room(void **state) {
        struct stage *stage = *state;

        open_tables(stage, 2, 10, true);
        for (uint32_t pid = 1; pid <= 4; pid++)
                scene_row(&stage->scene, pid, 1, 10);
        step(stage);
        assert_null(find(stage, 3));
        assert_int_equal(overflow_bytes(stage), 20);
        for (uint32_t pid = 1; pid <= 4; pid++)
                scene_row(&stage->scene, pid, 1, 11);
        step(stage);
        assert_int_equal(overflow_bytes(stage), 22);
        resize(stage, 4, 10);
        for (uint32_t pid = 1; pid <= 4; pid++)
                scene_row(&stage->scene, pid, 1, 15);
        step(stage);
        assert_int_equal(overflow_bytes(stage), 22); /* what it got before stays there */
        assert_int_equal(bytes_of(stage, 3), 4);
        assert_int_equal(bytes_of(stage, 4), 4);
        for (uint32_t pid = 1; pid <= 4; pid++)
                last_row(stage, pid, 1, 16);
        step(stage);
        for (uint32_t pid = 1; pid <= 4; pid++)
                stage->is_gone[pid] = true;
        for (unsigned i = 0; i < 20; i++)
                step(stage);
        assert_int_equal(stage->result.n_processes, N_PROCESS_SPECIALS);
}

static void what_has_ended_makes_room_first(void **state) {
        struct stage *stage = *state;
        struct sample_row *row;

        open_tables(stage, 10, 10, false);
        scene_row(&stage->scene, 1, 1, 1);
        row = scene_row(&stage->scene, 2, 1, 2);
        row->row.exited = 1;
        row->is_last = true;
        scene_row(&stage->scene, 3, 1, 3);
        step(stage);
        resize(stage, 2, 10);
        assert_null(find(stage, 2));
        assert_int_equal(stage->result.processes[PROCESS_EXITED].counters[METRIC], 2);
        assert_int_equal(overflow_bytes(stage), 0);
        assert_int_equal(stage->result.rows_overflowed, 0);
}

static void closed_services_do_not_come_again(void **state) {
        struct stage *stage = *state;

        open_tables(stage, 20, 20, false);
        for (uint32_t i = 1; i <= 10; i++)
                scene_row(&stage->scene, i, i, 10 + i);
        step(stage);
        resize(stage, 20, 4);
        assert_int_equal(stage->result.n_services, 4 + N_SERVICE_SPECIALS);
        assert_int_equal(stage->result.services[SERVICE_OVERFLOW].processes, 6);
        assert_int_equal(stage->result.services_overflowed, 6);
        resize(stage, 20, 40);
        scene_row(&stage->scene, 11, 10, 1); /* a new process of a unit that was closed, and one of a new unit */
        scene_row(&stage->scene, 12, 11, 1);
        step(stage);
        assert_int_equal(stage->result.n_services, 5 + N_SERVICE_SPECIALS);
        assert_int_equal(stage->result.services[SERVICE_OVERFLOW].processes, 7);
        assert_int_equal(stage->result.peak_services, 10 + N_SERVICE_SPECIALS);
        resize(stage, 20, 4);
        resize(stage, 20, 20);
        assert_int_equal(stage->result.n_services, 4 + N_SERVICE_SPECIALS);
}

static uint64_t unit_bytes(const struct stage *stage, const char *name) {
        for (uint32_t i = N_SERVICE_SPECIALS; i < stage->result.n_services; i++)
                if (strcmp(stage->result.services[i].service, name) == 0)
                        return stage->result.services[i].counters[METRIC];
        fail_msg("there is no %s", name);
        return 0;
}

/* As by a process that ends and one that begins. */
static void keep_and_restore(struct stage *stage, uint32_t max_processes, uint32_t max_services) {
        struct totals_config config = config_of(stage, max_processes, max_services);
        FILE *file = tmpfile();

        assert_non_null(file);
        assert_int_equal(totals_keep(stage->totals, file), 0);
        totals_free(stage->totals);
        rewind(file);
        assert_int_equal(totals_restore(&stage->totals, &config, file), 0);
        fclose(file);
}

/* Its process is not shown any more; what the kernel still counts for it is the unit's, in the next process too. */
static void a_unit_that_a_kernel_row_feeds_keeps_its_row(void **state) {
        struct stage *stage = *state;

        open_tables(stage, 100, 1, false);
        for (unsigned i = 0; i < 14; i++) {
                scene_row(&stage->scene, 7, 2, 100)->row.exited = 1;
                step(stage);
        }
        assert_int_equal(stage->result.services[N_SERVICE_SPECIALS].processes, 0);
        keep_and_restore(stage, 100, 1);
        scene_row(&stage->scene, 8, 4, 1);
        scene_row(&stage->scene, 7, 2, 110)->row.exited = 1;
        step(stage);
        assert_int_equal(unit_bytes(stage, "unit-2.service"), 110);
        assert_int_equal(stage->result.services_overflowed, 1);
        scene_row(&stage->scene, 7, 2, 111)->row.exited = 1;
        stage->scene.rows[0].is_last = true;
        step(stage);
        scene_row(&stage->scene, 9, 6, 5);
        step(stage);
        assert_int_equal(unit_bytes(stage, "unit-6.service"), 5);
        assert_int_equal(stage->result.services[SERVICE_OVERFLOW].counters[METRIC], 111 + 1);
}

/* What the kernel would know of the processes of the long run. */
struct actor {
        uint32_t pid;
        uint64_t cgroup;
        int64_t bytes;  /* in all */
        int64_t before; /* of these, in tables that were replaced */
        bool is_alive, has_row;
};

static void end(struct stage *stage, struct actor *actor) {
        actor->is_alive = false;
        stage->is_gone[actor->pid] = true;
        if (actor->has_row) {
                struct sample_row *row = scene_row(&stage->scene, actor->pid, actor->cgroup,
                                                   actor->bytes - actor->before);

                row->row.exited = 1;
                row->is_last = true;
        }
}

static void act(struct stage *stage, struct actor *actor, uint32_t *next_pid, uint64_t *exact, bool is_replaced) {
        int64_t growth = rand() % 3 ? 0 : rand() % 1000;

        if (!actor->is_alive)
                *actor = (struct actor) {
                        .pid = (*next_pid)++,
                        .cgroup = 2 * ((uint64_t) rand() % 20),
                        .is_alive = true,
                };
        if (is_replaced && actor->has_row) {
                last_row(stage, actor->pid, actor->cgroup, actor->bytes - actor->before);
                actor->before = actor->bytes;
                actor->has_row = false;
        }
        actor->bytes += growth;
        *exact += (uint64_t) growth;
        actor->has_row |= growth > 0;
        if (rand() % 40 == 0)
                end(stage, actor);
        else if (actor->has_row)
                scene_row(&stage->scene, actor->pid, actor->cgroup, actor->bytes - actor->before);
}

static void run_for_long(struct stage *stage, bool has_twin) {
        struct actor actors[200] = { 0 };
        uint32_t next_pid = 1;
        uint64_t exact = 0;

        srand(20240502);
        open_tables(stage, 100, 20, has_twin);
        for (unsigned i = 0; i < 2000; i++) {
                bool is_replaced = rand() % 10 == 0;

                if (is_replaced)
                        resize(stage, 16 + (uint32_t) rand() % 300, 1 + (uint32_t) rand() % 20);
                if (has_twin && rand() % 7 == 0)
                        totals_set_services(stage->totals, rand() % 2, stage->sequence + 1);
                for (unsigned j = 0; j < 200; j++)
                        act(stage, &actors[j], &next_pid, &exact, is_replaced);
                step(stage);
                assert_int_equal(stage->result.host->counters[METRIC], exact);
        }
        assert_true(next_pid < MAX_PIDS);
        for (unsigned j = 0; j < 200; j++)
                if (actors[j].is_alive)
                        end(stage, &actors[j]);
        for (unsigned i = 0; i < 30; i++)
                step(stage);
        assert_int_equal(stage->result.n_processes, N_PROCESS_SPECIALS); /* hidden ones are forgotten too */
        for (uint32_t i = N_PROCESS_SPECIALS; i < stage->result.n_slots; i++)
                assert_false(stage->result.processes[i].is_hidden);
}

static void a_long_run_of_changes_adds_up_and_nothing_goes_backwards(void **state) {
        run_for_long(*state, false);
}

/* Without them the table may be resized, rows end, move and begin anew. */
static void services_that_were_not_kept_have_all_that_was_moved_when_they_are_kept_again(void **state) {
        struct stage *stage = *state;

        run_for_long(stage, true);
        totals_set_services(stage->totals, true, stage->sequence + 1);
        check(stage);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_row_that_ends_and_begins_anew_in_one_sample_goes_on),
                CASE(a_process_that_the_kernel_has_no_row_of_stays_until_it_is_gone),
                CASE(a_process_without_a_visible_pid_is_given_up_after_a_while),
                CASE(a_process_without_a_visible_pid_makes_room_sooner),
                CASE(with_less_room_the_quietest_go_to_overflow_and_stay_there),
                CASE(a_process_that_never_had_a_row_gets_one_when_there_is_room),
                CASE(what_has_ended_makes_room_first),
                CASE(closed_services_do_not_come_again),
                CASE(a_unit_that_a_kernel_row_feeds_keeps_its_row),
                CASE(a_long_run_of_changes_adds_up_and_nothing_goes_backwards),
                CASE(services_that_were_not_kept_have_all_that_was_moved_when_they_are_kept_again),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
