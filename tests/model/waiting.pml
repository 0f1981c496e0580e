/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting for news on a segment, for Spin: a writer that publishes, may make way for a successor, and may be killed
 * anywhere; two readers that sleep in between. What must hold:
 *
 *   nobody sleeps on   when nothing moves any more, no reader is asleep that has not taken the newest publication, or
 *                      does not know that the segment was superseded or that the writer died.
 *
 * Readers sleep without a timeout here, so a wake-up that comes too late would never come. The kernel's part: a futex
 * call compares the words and falls asleep in one step; a call to wake wakes all who sleep on the word; and when a holder
 * of a robust futex dies, the word is marked and ONE of those who sleep on it is woken, if the waiters' bit is set in it.
 * The words are stored with release and loaded with acquire, in this order; stores and calls are steps of their own.
 *
 * Every BROKEN_... takes one part away, and Spin must then find a counterexample (test-model.sh).
 */
#define N_READERS 2
#ifndef LAST
#define LAST 2
#endif

byte published;
byte wake;
bool is_superseded;
bool is_dead;             /* the mark in the owner word */
bool is_killed;           /* the writer runs no more; the mark comes with it, in the kernel */
bool sleeps_on_wake[N_READERS];
bool sleeps_on_owner[N_READERS];
byte seen[N_READERS];
bool knows_end[N_READERS];

inline wake_up(i) {
        sleeps_on_wake[i] = false;
        sleeps_on_owner[i] = false
}

inline call_wake() {
        d_step {
                if
                :: sleeps_on_wake[0] -> wake_up(0)
                :: else
                fi;
                if
                :: sleeps_on_wake[1] -> wake_up(1)
                :: else
                fi
        }
}

inline announce() {
#ifndef BROKEN_SAME_WORD
        wake++;
#endif
        call_wake()
}

proctype writer() {
        byte k = 1;
        {
                do
                :: k <= LAST ->
#ifdef BROKEN_ANNOUNCED_FIRST
                        announce();
                        published = k;
#else
                        published = k;
                        announce();
#endif
                        k++
                :: k > LAST -> break
                od;
                if
                :: is_superseded = true;
#ifndef BROKEN_SILENT_SUCCESSION
                        announce()
#endif
                :: skip           /* lives on and has nothing to say */
                fi;
end_idle:       false
        } unless {
                is_killed
        };
        /* The kernel walks the list of robust futexes. */
        atomic {
                is_dead = true;
#ifndef BROKEN_NO_WAITERS_BIT
                if
                :: sleeps_on_owner[0] -> wake_up(0)
                :: sleeps_on_owner[1] -> wake_up(1)
                :: else
                fi
#endif
        }
}

/* At any moment, or never. */
proctype killer() {
        if
        :: is_killed = true
        :: skip
        fi
}

inline pass_on() {
#ifndef BROKEN_KEEPS_IT
        d_step {
                if
                :: is_dead && sleeps_on_owner[0] -> wake_up(0)
                :: else
                fi;
                if
                :: is_dead && sleeps_on_owner[1] -> wake_up(1)
                :: else
                fi
        }
#else
        skip
#endif
}

/* Takes what is there; news is set if that was anything. The end is looked at first: after it nothing is published. */
inline look(i) {
        if
        :: is_superseded || is_dead -> knows_end[i] = true
        :: else
        fi;
        if
        :: published != seen[i] -> seen[i] = published; news = true
        :: else -> news = false
        fi
}

proctype reader(byte i) {
        byte word;
        bool owner;
        bool news;
        do
        ::
#ifdef BROKEN_LOOKS_FIRST
           look(i);
           word = wake;
           owner = is_dead;
#else
           word = wake;
           owner = is_dead;
           look(i);
#endif
           if
           :: knows_end[i] && !news -> break
           :: news -> skip
           :: !knows_end[i] && !news ->
                d_step {
                        if
                        :: wake == word && is_dead == owner ->
                                sleeps_on_wake[i] = true;
#ifndef BROKEN_OWNER_UNWATCHED
                                sleeps_on_owner[i] = true
#endif
                        :: else
                        fi
                };
end_asleep:     !sleeps_on_wake[i];
                pass_on()
           fi
        od
}

#define is_up_to_date(i) (seen[i] == published && (knows_end[i] || !(is_superseded || is_dead)))

proctype monitor() {
        timeout -> assert(is_up_to_date(0) && is_up_to_date(1))
}

init {
        atomic {
                run writer();
                run killer();
                run reader(0);
                run reader(1);
                run monitor()
        }
}
