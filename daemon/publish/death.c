/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of a robust mutex without the mutex. One of the C library's has the links of the thread's list of
 * robust mutexes beside its word: in a segment they would tell everybody where the daemon's memory is. So only the word
 * is shared, and the list is one of ours, in private memory, registered with set_robust_list(2).
 *
 * A thread has one list, and one distance from every node in it to its word. Here that distance is a page: each notice
 * maps the page of its word once more, right behind a private page that has the node.
 *
 * The list replaces the C library's as long as there is a notice. Nothing in the daemon, nor in the libraries that it
 * uses, locks a robust mutex. If something did, others would not learn that its owner has died, and nothing worse.
 *
 * Invariants: the list is whole at every instruction, since the kernel may walk it after any; a word has the thread's
 * ID only while its node is in the list. The kernel walks it as part of the thread itself, so the order of the program
 * is the order it sees: release stores are here for the compiler alone.
 */
#include "config.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/publish/death.h"

struct death_list {
        struct robust_list_head head; /* first: the kernel gives its address back */
        struct robust_list_head *before; /* what the thread had, the C library's */
};

static long page_size(void) {
        return sysconf(_SC_PAGESIZE);
}

static struct robust_list_head *registered(void) {
        struct robust_list_head *head = NULL;
        size_t size;

        return syscall(SYS_get_robust_list, 0, &head, &size) < 0 ? NULL : head;
}

static int register_list(struct robust_list_head *head) {
        return syscall(SYS_set_robust_list, head, sizeof(*head)) < 0 ? -errno : 0;
}

/* The kernel itself remembers which list is the thread's, and forgets it in a child: no state here can be wrong about
 * that. C libraries have their words on the same page as their nodes, and less than a page away. */
static struct death_list *current_list(void) {
        struct robust_list_head *head = registered();

        return head && head->futex_offset == page_size() ? (struct death_list *) head : NULL;
}

static int list_new(struct death_list **ret_list) {
        struct death_list *list = calloc(1, sizeof(*list));
        int r;

        if (!list)
                return -ENOMEM;
        list->before = registered();
        list->head.list.next = &list->head.list;
        list->head.futex_offset = page_size();
        r = register_list(&list->head);
        if (r < 0) {
                free(list);
                return r;
        }
        *ret_list = list;
        return 0;
}

static void list_free_if_empty(struct death_list *list) {
        if (list->head.list.next == &list->head.list && register_list(list->before) >= 0)
                free(list);
}

static int map_pages(struct death_notice *notice, int fd, uint64_t offset) {
        size_t page = (size_t) page_size();
        uint64_t start = offset / page * page;
        unsigned char *pages;

        pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
                return -errno;
        if (mmap(pages + page, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
                 (off_t) start) == MAP_FAILED) {
                int r = -errno;

                (void) munmap(pages, 2 * page);
                return r;
        }
        notice->pages = pages;
        notice->node = (void *) (pages + (offset - start));
        notice->word = (void *) (pages + page + (offset - start));
        return 0;
}

static void unmap_pages(struct death_notice *notice) {
        (void) munmap(notice->pages, 2 * (size_t) page_size());
        *notice = (struct death_notice){};
}

int death_notice_init(struct death_notice *notice, int fd, uint64_t offset) {
        struct death_list *list;
        int r;

        r = map_pages(notice, fd, offset);
        if (r < 0)
                return r;
        list = current_list();
        if (!list)
                r = list_new(&list);
        if (r < 0) {
                unmap_pages(notice);
                return r;
        }
        notice->list = list;
        notice->node->next = list->head.list.next;
        __atomic_store_n(&list->head.list.next, notice->node, __ATOMIC_RELEASE);
        /* Only with FUTEX_WAITERS does the kernel wake somebody when it marks the word; readers, who cannot write,
         * cannot set it. Pairs with the readers' loads of the owner word. */
        __atomic_store_n(notice->word, (uint32_t) gettid() | FUTEX_WAITERS, __ATOMIC_RELEASE);
        return 0;
}

static void withdraw(struct death_notice *notice) {
        struct robust_list *link = &notice->list->head.list;

        __atomic_store_n(notice->word, 0, __ATOMIC_RELEASE); /* pairs as above */
        while (link->next != notice->node)
                link = link->next;
        __atomic_store_n(&link->next, notice->node->next, __ATOMIC_RELEASE);
        list_free_if_empty(notice->list);
}

void death_notice_done(struct death_notice *notice) {
        if (!notice->pages)
                return;
        if (notice->list == current_list())
                withdraw(notice);
        unmap_pages(notice);
}
