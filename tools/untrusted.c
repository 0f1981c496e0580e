/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library promises clean UTF-8, but a terminal asks for more: the text must be printable in the locale of this
 * terminal, and format characters that change the direction of text are letters to the C library.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "tools/untrusted.h"

/* Unicode's invisible and direction changing format characters, which iswprint() lets pass. */
static bool is_format_character(wchar_t character) {
        return character == 0x00ad || character == 0x061c || character == 0xfeff ||
               (character >= 0x200b && character <= 0x200f) || (character >= 0x2028 && character <= 0x202e) ||
               (character >= 0x2060 && character <= 0x206f) || (character >= 0xfff9 && character <= 0xfffb) ||
               (character >= 0xe0000 && character <= 0xe0fff);
}

const char *untrusted_printable(char *buffer, size_t size, const char *text) {
        size_t left = strlen(text), used = 0;
        mbstate_t state = { 0 };

        while (left > 0) {
                wchar_t character;
                size_t n = mbrtowc(&character, text, left, &state);

                if (n == 0 || n > left) { /* also (size_t) -1 and -2: no character in this encoding */
                        memset(&state, 0, sizeof(state));
                        n = 1;
                        character = L'\0';
                }
                if (character != L'\0' && iswprint((wint_t)character) && !is_format_character(character)) {
                        if (used + n >= size)
                                break;
                        memcpy(buffer + used, text, n);
                        used += n;
                } else {
                        if (used + 4 * n >= size)
                                break;
                        for (size_t i = 0; i < n; i++)
                                used += (size_t)snprintf(buffer + used, size - used, "\\x%02x", (unsigned char)text[i]);
                }
                text += n;
                left -= n;
        }
        buffer[used] = '\0';
        return buffer;
}

size_t untrusted_width(const char *text, size_t max, size_t *ret_bytes) {
        size_t left = strlen(text), bytes = 0, columns = 0;
        mbstate_t state = { 0 };

        while (left > bytes) {
                wchar_t character;
                size_t n = mbrtowc(&character, text + bytes, left - bytes, &state);
                int width;

                if (n == 0 || n > left - bytes) {
                        memset(&state, 0, sizeof(state));
                        n = 1;
                        width = 1;
                } else
                        width = wcwidth(character) < 0 ? 0 : wcwidth(character);
                if (columns + (size_t)width > max)
                        break;
                columns += (size_t)width;
                bytes += n;
        }
        *ret_bytes = bytes;
        return columns;
}
