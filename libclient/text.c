/* SPDX-License-Identifier: MIT */
/*
 * Names come from processes and containers, through the daemon, which cleans them. They are printed on terminals, so
 * the library makes sure once more: what is no valid UTF-8, and every control character, becomes a question mark.
 */
#include "libclient/text.h"

/* Must the second byte not follow the first? It would make an overlong form (e0, f0), a surrogate (ed), or a character
 * past U+10FFFF (f4). */
static bool has_wrong_second(const unsigned char *text) {
        switch (text[0]) {
        case 0xe0: return text[1] < 0xa0;
        case 0xed: return text[1] > 0x9f;
        case 0xf0: return text[1] < 0x90;
        case 0xf4: return text[1] > 0x8f;
        default: return false;
        }
}

/* Length of the well-formed sequence (Unicode 15, table 3-7) at text, or 0. */
static uint32_t sequence_length(const unsigned char *text, uint32_t room) {
        uint32_t length = text[0] < 0x80                      ? 1
                          : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
                          : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
                          : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                              : 0;

        if (length == 0 || length > room)
                return 0;
        for (uint32_t i = 1; i < length; i++)
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
        return has_wrong_second(text) ? 0 : length;
}

/* C0 and DEL, and C1, which terminals obey too. */
static bool is_control(const unsigned char *text, uint32_t length) {
        return length == 1 ? text[0] < 0x20 || text[0] == 0x7f : length == 2 && text[0] == 0xc2 && text[1] < 0xa0;
}

/* Length of what may stay at text, or 0. */
static uint32_t safe_length(const unsigned char *text, uint32_t room) {
        uint32_t length = sequence_length(text, room);

        return is_control(text, length) ? 0 : length;
}

void stly_text_make_safe(char *text, uint32_t size) {
        unsigned char *p = (unsigned char *) text;

        if (p[size - 1] != 0)
                p[size - 1] = 0; /* a text that has no end is cut */
        for (uint32_t i = 0; p[i];) {
                uint32_t length = safe_length(p + i, size - 1 - i);

                if (length == 0)
                        p[i] = '?';
                i += length ? length : 1;
        }
}

bool stly_text_is_safe(const char *text, uint32_t size) {
        const unsigned char *p = (const unsigned char *) text;
        uint32_t i = 0;

        while (i < size && p[i]) {
                uint32_t length = safe_length(p + i, size - 1 - i);

                if (length == 0)
                        return false;
                i += length;
        }
        return i < size;
}
