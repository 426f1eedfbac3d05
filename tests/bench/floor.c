/* The least that converting must do, as a measure for what the workflow takes.

       floor TREE OUT < RECORDS

   RECORDS are paths below TREE without extension, one per line. Of each record it reads header and signal file, sums
   the samples of twelve channels, computes the SHA-256 of an object (4,500 bytes and the samples), makes the folder,
   writes the object under a temporary name, reads it back, compares and renames it, and calls syncfs after every 400
   records and at the end. Prints the number of records. libcrypto computes the digests where it is present (as it does
   for Python), else the code below. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 4500, MOST = 64 << 20, PORTION = 400, CHANNELS = 12 };

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "%s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};

static uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void block(uint32_t h[8], const unsigned char *p)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
               (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t a = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                     K[i] + w[i];
        uint32_t b = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += a;
        s[0] = a + b;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

static unsigned char *own_sha256(const unsigned char *p, size_t size, unsigned char *out)
{
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char end[128] = {0};
    size_t left = size % 64, total = left < 56 ? 64 : 128;
    for (size_t at = 0; at + 64 <= size; at += 64)
        block(h, p + at);
    memcpy(end, p + size - left, left);
    end[left] = 0x80;
    for (int i = 0; i < 8; i++)
        end[total - 1 - i] = (unsigned char)((uint64_t)size * 8 >> 8 * i);
    for (size_t at = 0; at < total; at += 64)
        block(h, end + at);
    for (int i = 0; i < 32; i++)
        out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
    return out;
}

static unsigned char *(*sha256)(const unsigned char *, size_t, unsigned char *) = own_sha256;

static void choose_sha256(void)
{
    const char *names[] = {"libcrypto.so.3", "libcrypto.so.1.1"};
    for (int i = 0; i < 2; i++) {
        void *library = getenv("FLOOR_OWN_SHA256") ? NULL : dlopen(names[i], RTLD_NOW), *found;
        if (library && (found = dlsym(library, "SHA256"))) {
            memcpy(&sha256, &found, sizeof found);
            return;
        }
    }
}

static size_t read_whole(const char *path, unsigned char *out, size_t most)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t got = 0;
    if (fd < 0)
        fail("open", path);
    while (size < most && (got = read(fd, out + size, most - size)) > 0)
        size += (size_t)got;
    if (got < 0)
        fail("read", path);
    close(fd);
    return size;
}

static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0777) && errno != EEXIST)
            fail("mkdir", path);
        *slash = '/';
    }
}

static void write_object(const char *path, const char *temporary, const unsigned char *content, size_t size,
                         unsigned char *back)
{
    int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        fail("open", temporary);
    for (size_t at = 0; at < size;) {
        ssize_t done = write(fd, content + at, size - at);
        if (done < 0)
            fail("write", temporary);
        at += (size_t)done;
    }
    for (size_t at = 0; at < size;) {
        ssize_t done = pread(fd, back + at, size - at, (off_t)at);
        if (done <= 0)
            fail("read", temporary);
        at += (size_t)done;
    }
    if (memcmp(content, back, size)) {
        fprintf(stderr, "%s does not read back as written\n", temporary);
        exit(1);
    }
    close(fd);
    if (rename(temporary, path))
        fail("rename", path);
}

int main(int count, char **arguments)
{
    unsigned char *object = calloc(1, HEAD + MOST), *back = malloc(HEAD + MOST), digest[32], header[65536];
    char line[PATH_MAX / 2], path[PATH_MAX], temporary[PATH_MAX + 8];
    size_t records = 0;
    unsigned checked = 0;
    if (count != 3 || !object || !back)
        return 2;
    choose_sha256();
    mkdir(arguments[2], 0777);
    int root = open(arguments[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        fail("open", arguments[2]);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        snprintf(path, sizeof path, "%s/%s.hea", arguments[1], line);
        checked += header[read_whole(path, header, sizeof header) / 2];
        snprintf(path, sizeof path, "%s/%s.dat", arguments[1], line);
        size_t size = read_whole(path, object + HEAD, MOST);
        uint16_t sums[CHANNELS] = {0};
        for (size_t at = HEAD; at + 2 * CHANNELS <= HEAD + size; at += 2 * CHANNELS)
            for (int channel = 0; channel < CHANNELS; channel++) {
                uint16_t sample;
                memcpy(&sample, object + at + 2 * channel, 2);
                sums[channel] = (uint16_t)(sums[channel] + sample);
            }
        memcpy(object, sums, sizeof sums); /* what is computed is used */
        memcpy(object + sizeof sums, sha256(object + sizeof sums, HEAD - sizeof sums + size, digest), sizeof digest);
        snprintf(path, sizeof path, "%s/%s.dcm", arguments[2], line);
        snprintf(temporary, sizeof temporary, "%s.part", path);
        make_folders(path);
        write_object(path, temporary, object, HEAD + size, back);
        memset(object, 0, HEAD);
        if (++records % PORTION == 0 && syncfs(root))
            fail("syncfs", arguments[2]);
    }
    if (syncfs(root))
        fail("syncfs", arguments[2]);
    printf("%zu records\n", records);
    return checked == UINT_MAX; /* never */
}
