/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two kinds of strange messages. Half are legal but unusual, so that the bus passes them on: header fields, flags and
 * message types from the future, a body that is more than its signature says. The others have some bytes replaced, and
 * the bus may see that or not.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/raw-bus.h"

#define TYPE_CALL 1
#define BUS "org.freedesktop.DBus"

struct blob {
        uint8_t bytes[1024];
        size_t n;
};

static uint32_t draw(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return (uint32_t) (*state >> 32);
}

static void pad(struct blob *blob, size_t to) {
        while (blob->n % to)
                blob->bytes[blob->n++] = 0;
}

static void put_word(struct blob *blob, uint32_t word) {
        pad(blob, 4);
        for (int i = 0; i < 4; i++)
                blob->bytes[blob->n++] = (uint8_t) (word >> 8 * i);
}

static void put_text(struct blob *blob, const char *text) {
        put_word(blob, (uint32_t) strlen(text));
        memcpy(blob->bytes + blob->n, text, strlen(text) + 1);
        blob->n += strlen(text) + 1;
}

static void put_field(struct blob *blob, uint8_t code, char type, const char *value) {
        pad(blob, 8);
        memcpy(blob->bytes + blob->n, (uint8_t[]) { code, 1, (uint8_t) type, 0 }, 4);
        blob->n += 4;
        if (type != 'g') {
                put_text(blob, value);
                return;
        }
        blob->bytes[blob->n++] = (uint8_t) strlen(value);
        memcpy(blob->bytes + blob->n, value, strlen(value) + 1);
        blob->n += strlen(value) + 1;
}

struct header {
        uint8_t type, flags;
        const char *destination, *path, *interface, *member, *signature;
        uint8_t strange_code; /* of one more header field; 0: none */
};

static void put_message(struct blob *blob, const struct header *header, const struct blob *body) {
        static uint32_t serial;
        size_t length_at, start;
        uint32_t length;

        blob->n = 0;
        memcpy(blob->bytes, (uint8_t[]) { 'l', header->type, header->flags, 1 }, 4);
        blob->n = 4;
        put_word(blob, (uint32_t) body->n);
        put_word(blob, ++serial);
        length_at = blob->n;
        put_word(blob, 0);
        start = blob->n;
        put_field(blob, 1, 'o', header->path);
        put_field(blob, 2, 's', header->interface);
        put_field(blob, 3, 's', header->member);
        put_field(blob, 6, 's', header->destination);
        if (header->signature[0])
                put_field(blob, 8, 'g', header->signature);
        if (header->strange_code)
                put_field(blob, header->strange_code, 's', "strange");
        length = (uint32_t) (blob->n - start);
        for (int i = 0; i < 4; i++)
                blob->bytes[length_at + (size_t) i] = (uint8_t) (length >> 8 * i);
        pad(blob, 8);
        memcpy(blob->bytes + blob->n, body->bytes, body->n);
        blob->n += body->n;
}

static int send_blob(int fd, const struct blob *blob) {
        return send(fd, blob->bytes, blob->n, MSG_NOSIGNAL) == (ssize_t) blob->n ? 0 : -1;
}

static bool is_told(int fd, const char *line) {
        char answer[256];
        ssize_t n;

        if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
                return false;
        n = recv(fd, answer, sizeof answer - 1, 0);
        return n > 1 && answer[0] != 'R';
}

int raw_connect(const char *path) {
        static const struct header hello = { TYPE_CALL, 0, BUS, "/org/freedesktop/DBus", BUS, "Hello", "", 0 };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct blob blob, nothing = { .n = 0 };
        char line[64] = "AUTH EXTERNAL ", uid[16];
        int fd;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address) < 0 || send(fd, "", 1, 0) != 1)
                goto refused;
        snprintf(uid, sizeof uid, "%u", (unsigned) geteuid());
        for (size_t i = 0; uid[i]; i++)
                snprintf(line + strlen(line), sizeof line - strlen(line), "%02x", (unsigned) uid[i]);
        strcat(line, "\r\n");
        if (!is_told(fd, line) || send(fd, "BEGIN\r\n", 7, MSG_NOSIGNAL) != 7)
                goto refused;
        put_message(&blob, &hello, &nothing);
        if (send_blob(fd, &blob) == 0)
                return fd;
refused:
        if (fd >= 0)
                close(fd);
        return -1;
}

static void put_body(struct blob *body, uint64_t *random) {
        put_text(body, "org.socktally1.Manager");
        put_text(body, "LoadMode");
        memcpy(body->bytes + body->n, (uint8_t[]) { 1, 's', 0 }, 3);
        body->n += 3;
        put_text(body, draw(random) % 2 ? "passive" : "turbo");
}

int raw_send(int fd, const char *destination, uint64_t *random) {
        struct header header = { TYPE_CALL, 0, destination, "/org/socktally1", "org.freedesktop.DBus.Properties", "Set",
                                 "ssv", 0 };
        struct blob body = { .n = 0 }, blob;

        put_body(&body, random);
        switch (draw(random) % 8) {
        case 0: header.strange_code = (uint8_t) (10 + draw(random) % 246); break;
        case 1: header.flags = (uint8_t) draw(random); break;
        case 2: header.type = (uint8_t) (2 + draw(random) % 254); break;
        case 3: header.signature = "s"; break;
        }
        put_message(&blob, &header, &body);
        if (draw(random) % 2)
                for (uint32_t n = draw(random) % 4; n > 0; n--)
                        blob.bytes[draw(random) % blob.n] = (uint8_t) draw(random);
        return send_blob(fd, &blob);
}
