/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The slot protocol of the shared segment, for Spin: one writer that may die before and after every store that becomes
 * visible, its successors, and a reader. What must hold, whatever the interleaving:
 *
 *   whole      a snapshot that the reader accepts holds one publication, and the one whose number it carries;
 *   forwards   the numbers of accepted snapshots never go down, across segments and writers too;
 *   readable   while the writer is dead, one attempt is enough.
 *
 * One reader is as good as many, for readers store nothing. Its attempts go on for ever; so the search is exhaustive for
 * the bounds below.
 *
 * Memory. A store of the writer enters a buffer and becomes visible later. Plain and relaxed stores leave it in any
 * order; a release store leaves after everything before it; nothing behind a release fence passes what is before it; one
 * place keeps its order. That covers reordering by the compiler and by a processor on which a store becomes visible to
 * all others at once (x86, ARMv8, RISC-V; POWER is weaker). A death loses what is still in the buffer: a processor would
 * complete it, but a compiler may have moved an earlier store behind the instruction at which the writer died. A system
 * call is opaque to the compiler, so nothing is in the buffer after one. The reader's loads go out of order as far as its
 * own acquires and its fence let them.
 *
 * Every BROKEN_... takes one part of the protocol away, and Spin must then find a counterexample (test-model.sh). Every
 * SPARE_... takes one away that the others make up for: published and the counter are both stored with release and loaded
 * with acquire, and one such pair is enough. The code keeps both, because a compiler may split or merge what a model may
 * not, and because each then stands on its own in a review.
 */

#ifdef BROKEN_IN_PLACE
#define N_SLOTS 1         /* one slot, filled while readers look at it */
#endif
#ifndef N_SLOTS
#define N_SLOTS 2
#endif
#ifndef N_WORDS
#define N_WORDS 2         /* words of a slot; they stand for all its tables, rows and facts */
#endif
#ifndef LAST
#define LAST 4            /* number of the last publication; the segment starts with number 0 in it */
#endif
#ifndef KILLS
#define KILLS 2
#endif
#define N_SEGMENTS (KILLS + 1)
#define BUFFER 4

/* What is visible to everybody: per segment the published number, the slots' counters, the slots' words. */
#define SEGMENT_SIZE (1 + N_SLOTS + N_SLOTS * N_WORDS)
#define PUBLISHED(g) ((g) * SEGMENT_SIZE)
#define COUNTER(g, s) ((g) * SEGMENT_SIZE + 1 + (s))
#define WORD(g, s, w) ((g) * SEGMENT_SIZE + 1 + N_SLOTS + (s) * N_WORDS + (w))
byte memory[N_SEGMENTS * SEGMENT_SIZE];
byte named;               /* the segment that has the file name now */

/* The writer's stores that are not visible yet, oldest first. */
#define STORE 0
#define RELEASE 1
#define FENCE 2
#define NOWHERE 255
byte where[BUFFER];
byte value[BUFFER];
byte order[BUFFER];
byte pending;

bool is_alive = true;
bool is_calm;             /* the writer has been dead since the reader's attempt began */
byte kills;

#define holds_back(j, i) (order[j] == FENCE || where[j] == where[i])
#define may_go(i) (order[i] == STORE)
#define ready0 (pending > 0)
#define ready1 (pending > 1 && may_go(1) && !holds_back(0, 1))
#define ready2 (pending > 2 && may_go(2) && !holds_back(0, 2) && !holds_back(1, 2))
#define ready3 (pending > 3 && may_go(3) && !holds_back(0, 3) && !holds_back(1, 3) && !holds_back(2, 3))

inline shift(i) {
        where[i] = where[i + 1];
        value[i] = value[i + 1];
        order[i] = order[i + 1]
}

inline clear(i) {
        where[i] = 0;
        value[i] = 0;
        order[i] = 0
}

#if BUFFER != 4
#error the buffer is written out entry by entry
#endif
#define close_gap_0 shift(0); shift(1); shift(2); clear(3); pending--
#define close_gap_1 shift(1); shift(2); clear(3); pending--
#define close_gap_2 shift(2); clear(3); pending--
#define close_gap_3 clear(3); pending--

/* A fence that comes to the front has done its work. */
inline drop_fence() {
        if
        :: pending > 0 && order[0] == FENCE -> close_gap_0
        :: else
        fi
}

/* Makes stores visible, and kills. */
proctype world() {
end:    do
        :: d_step { ready0 -> memory[where[0]] = value[0]; close_gap_0; drop_fence() }
        :: d_step { ready1 -> memory[where[1]] = value[1]; close_gap_1 }
        :: d_step { ready2 -> memory[where[2]] = value[2]; close_gap_2 }
        :: d_step { ready3 -> memory[where[3]] = value[3]; close_gap_3 }
        :: d_step {
                is_alive && kills < KILLS ->
                is_alive = false;
                kills++;
                pending = 0;
                clear(0); clear(1); clear(2); clear(3)
           }
        od
}

inline store(target, what, how) {
        d_step {
                pending < BUFFER ->
                where[pending] = target;
                value[pending] = what;
                order[pending] = how;
                pending++
        }
}

inline release_fence() {
        d_step {
                pending < BUFFER ->
                if
                :: pending > 0 ->
                        where[pending] = NOWHERE;
                        order[pending] = FENCE;
                        pending++
                :: else
                fi
        }
}

inline system_call() {
        pending == 0
}

inline fill() {
        w = 0;
        do
        :: w < N_WORDS ->
                store(WORD(g, s, w), k, STORE);
                w++
        :: else -> break
        od
}

inline mark_odd() {
        store(COUNTER(g, s), 2 * k + 1, STORE);
#ifndef BROKEN_NO_WRITER_FENCE
        release_fence()
#else
        skip
#endif
}

inline mark_even() {
#ifdef SPARE_EVEN_RELAXED
        store(COUNTER(g, s), 2 * k + 2, STORE)
#else
        store(COUNTER(g, s), 2 * k + 2, RELEASE)
#endif
}

inline announce() {
#ifdef BROKEN_PUBLISHED_RELAXED
        store(PUBLISHED(g), k, STORE)
#else
        store(PUBLISHED(g), k, RELEASE)
#endif
}

inline publish() {
#ifdef BROKEN_FILLS_PUBLISHED
        s = (k - 1) % N_SLOTS;
#else
        s = k % N_SLOTS;
#endif
#ifdef BROKEN_PUBLISHED_FIRST
        announce();
#endif
#ifndef BROKEN_NO_ODD
        mark_odd();
#endif
        fill();
        mark_even();
#ifndef BROKEN_PUBLISHED_FIRST
        announce();
#endif
#ifndef BROKEN_NO_CALL_BETWEEN
        system_call()             /* FUTEX_WAKE */
#else
        skip
#endif
}

/* A successor that goes on in the segment it finds: nothing to repair, for only the published slot counts. */
inline inherit() {
        k = memory[PUBLISHED(g)];
#ifdef BROKEN_EVEN_AGAIN
        s = (k + 1) % N_SLOTS;
        if
        :: memory[COUNTER(g, s)] % 2 == 1 ->
                k = memory[COUNTER(g, s)] / 2;
                mark_even();
                announce();
                system_call()
        :: else
        fi
#endif
        k++
}

/* A successor that makes a segment of its own: the name only when the first publication is in it. */
inline succeed() {
        k = memory[PUBLISHED(named)] + 1;
#ifdef BROKEN_STARTS_AGAIN
        k = 1;
#endif
        g = kills;                /* a number that no predecessor used */
#ifdef BROKEN_NAMED_EARLY
        named = g;
#endif
        if
        :: k <= LAST ->
                publish();
                system_call();    /* rename */
                named = g;
                k++
        :: else -> g = named      /* bound of the model reached */
        fi
}

proctype writer() {
        byte g;                   /* segment */
        byte k = 1;               /* number of the publication */
        byte s;                   /* slot */
        byte w;
living:
        {
                if
                :: kills == 0 -> skip
                :: atomic { kills > 0 -> g = named; inherit() }
                :: atomic { kills > 0 -> succeed() }
                fi;
                do
                :: atomic { k <= LAST -> publish(); k++ }
                :: else -> break
                od;
end_idle:       false
        } unless {
                !is_alive
        };
end:    d_step {
                /* Or never, which is the case in which the reader goes on and the writer takes no step here. */
                !is_alive ->
                g = 0; k = 0; s = 0; w = 0;
                is_calm = false;
                is_alive = true
        };
        goto living
}

#ifdef BROKEN_NO_READER_FENCE
#define closing_may_go(n) true
#else
#define closing_may_go(n) ((n) == N_WORDS)
#endif
#ifdef SPARE_OPENING_RELAXED
#define words_may_go true
#else
#define words_may_go has_opened
#endif

/* One word, in any order with the others. The model keeps of what was read only whether it belongs to k. */
inline load_word(w) {
        d_step {
                words_may_go && !has_word[w] ->
                is_torn = is_torn || memory[WORD(g, s, w)] != k;
                has_word[w] = true;
                n++
        }
}

inline accept() {
        assert(!is_torn);         /* whole */
        assert(k >= last);        /* forwards */
        last = k
}

proctype reader() {
        byte g;
        byte k;
        byte s;
        byte n;
        byte last;
        bool has_word[3];
        bool is_torn;
        bool has_opened;
        bool has_closed;
        bool is_good = true;      /* the counter was as it must be, each time it was read */
        byte right;               /* what it must be */
end:    do
        :: d_step { is_calm = !is_alive };
           if
           :: g = named           /* attaches anew: it may at any time, and need not */
           :: skip
           fi;
           d_step { k = memory[PUBLISHED(g)]; s = k % N_SLOTS; right = 2 * k + 2 };
           do
           :: d_step {
                !has_opened ->
#ifdef BROKEN_ANY_EVEN
                right = memory[COUNTER(g, s)] - memory[COUNTER(g, s)] % 2;
#endif
                is_good = memory[COUNTER(g, s)] == right;
                has_opened = true
              }
           :: load_word(0)
           :: load_word(1)
#if N_WORDS > 2
           :: load_word(2)
#endif
           :: d_step {
                has_opened && !has_closed && closing_may_go(n) ->
#ifndef BROKEN_NO_CLOSING_CHECK
                is_good = is_good && memory[COUNTER(g, s)] == right;
#endif
                has_closed = true
              }
           :: has_opened && (!is_good || has_closed && n == N_WORDS) -> break
           od;
           skip;
           d_step {
                if
                :: is_good -> accept()
                :: else -> assert(!is_calm)                 /* readable */
                fi;
                k = 0; s = 0; n = 0; right = 0;
                has_word[0] = false; has_word[1] = false; has_word[2] = false;
                is_torn = false; has_opened = false; has_closed = false; is_good = true
           }
        od
}

/* Publication 0 is in the first segment when it gets its name. */
init {
        atomic {
                memory[COUNTER(0, 0)] = 2;
                run world();
                run writer();
                run reader()
        }
}
