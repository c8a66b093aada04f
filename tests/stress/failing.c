/* Preloaded, it makes allocations of libc fail: of those that the code of chosen libraries asks for, from the
   number `first` on, `count` of them. An allocation is asked for by the innermost frame on the stack that lies in
   a library or a function named at `failing_watch`: it counts where that one is to fail, and not where it is to be
   spared. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MOST_RANGES 256
#define MOST_FRAMES 400

struct range {
    uintptr_t start, end;
    int fails;
};

static struct range ranges[MOST_RANGES];
static int range_count;
static const char *failing_part, *sparing_part;

static long first = -1; /* the allocation that fails; -1 where none does */
static long count;      /* how many do, from that one on */
static long seen, failed;
static pthread_t watched; /* the thread that armed */
static __thread int looking;

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);

/* What dlsym itself may need before it has found calloc; never given back. */
static _Alignas(16) char early[4096];
static size_t early_used;

static void *early_block(size_t size)
{
    size_t start = early_used;
    early_used += (size + 15) & ~(size_t)15;
    return early_used <= sizeof early ? early + start : NULL;
}

__attribute__((constructor)) static void find_real(void)
{
    void *frames[4];
    if (real_realloc)
        return;
    looking = 1;
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    backtrace(frames, 4); /* the first call loads a library, and allocates */
    looking = 0;
}

/* The places that allocations by way of `spared_by` come from, which `failing_spare` has noted. */
static uintptr_t spared_by;
static void *spared_places[2];
static int noting;

static int is_spared(void **frames)
{
    if (!spared_by || (uintptr_t)frames[0] - spared_by > 256)
        return 0;
    if (noting)
        memcpy(spared_places, frames + 1, sizeof spared_places);
    return memcmp(spared_places, frames + 1, sizeof spared_places) == 0;
}

static int is_asked_for(void *caller)
{
    void *frames[MOST_FRAMES];
    int depth = backtrace(frames, MOST_FRAMES);
    int own = 0;
    while (own < depth && frames[own] != caller)
        own++;
    if (depth - own < 3 || is_spared(frames + own) || noting)
        return 0;
    for (int frame = own; frame < depth; frame++) {
        uintptr_t at = (uintptr_t)frames[frame];
        for (int place = 0; place < range_count; place++)
            if (ranges[place].start <= at && at < ranges[place].end)
                return ranges[place].fails;
    }
    return 0;
}

static int fails(void *caller)
{
    int failing = 0;
    if ((first < 0 && !noting) || looking || !pthread_equal(watched, pthread_self()))
        return 0;
    looking = 1;
    /* Behind the last that fails nothing need be counted. */
    if ((noting || seen < first + count) && is_asked_for(caller)) {
        failing = seen >= first;
        seen++;
        failed += failing;
    }
    looking = 0;
    return failing;
}

void *malloc(size_t size)
{
    if (!real_malloc) {
        if (looking)
            return early_block(size);
        find_real();
    }
    return fails(__builtin_return_address(0)) ? NULL : real_malloc(size);
}

void *calloc(size_t items, size_t size)
{
    if (!real_calloc) {
        if (looking)
            return early_block(items * size);
        find_real();
    }
    return fails(__builtin_return_address(0)) ? NULL : real_calloc(items, size);
}

void *realloc(void *block, size_t size)
{
    if (!real_realloc)
        find_real();
    return fails(__builtin_return_address(0)) ? NULL : real_realloc(block, size);
}

static int add_ranges(struct dl_phdr_info *info, size_t size, void *data)
{
    int is_failing = strstr(info->dlpi_name, failing_part) != NULL;
    (void)size;
    (void)data;
    if (!is_failing && !strstr(info->dlpi_name, sparing_part))
        return 0;
    for (int part = 0; part < info->dlpi_phnum; part++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[part];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X) || range_count == MOST_RANGES)
            continue;
        ranges[range_count].start = info->dlpi_addr + header->p_vaddr;
        ranges[range_count].end = ranges[range_count].start + header->p_memsz;
        ranges[range_count++].fails = is_failing;
    }
    return 0;
}

/* Have the code of libraries fail whose path has `failing` in it, and spare that of others, and a function; return
   how many there are. */
int failing_watch(const char *failing, const char *sparing, const char *function)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    void *at = dlsym(RTLD_DEFAULT, function);
    failing_part = failing;
    sparing_part = sparing;
    range_count = 0;
    if (at && dladdr1(at, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol) {
        ranges[range_count].start = (uintptr_t)at;
        ranges[range_count++].end = (uintptr_t)at + symbol->st_size;
    }
    dl_iterate_phdr(add_ranges, NULL);
    return range_count;
}

/* Note where what is allocated from now on by way of `function` comes from, up to the next call, without one: that
   is spared. */
void failing_spare(const char *function)
{
    watched = pthread_self();
    noting = function != NULL;
    if (function)
        spared_by = (uintptr_t)dlsym(RTLD_DEFAULT, function);
}

void failing_arm(long number, long how_many)
{
    watched = pthread_self();
    seen = failed = 0;
    count = how_many;
    first = number;
}

/* Let all succeed again; return how many have failed. */
long failing_disarm(void)
{
    first = -1;
    return failed;
}
