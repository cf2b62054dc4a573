/* Loaded before all other libraries by the fault kit: delays fsync and rename, and moves the time of
   day. The file that SHOAL_SHIM names holds two 64-bit numbers: microseconds of delay, and seconds
   to add to the clock; both may change at any moment. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *control;
static int (*real_fsync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("SHOAL_SHIM");
    int file = name ? open(name, O_RDONLY) : -1;
    void *at = file < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_rename = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (at != MAP_FAILED) control = at;
    if (file >= 0) close(file);
}

static void wait_a_moment(void) {
    if (control && control[0] > 0) usleep((useconds_t)control[0]);
}

int fsync(int file) {
    wait_a_moment();
    return real_fsync(file);
}

int rename(const char *from, const char *to) {
    wait_a_moment();
    return real_rename(from, to);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!real_gettime) begin();
    int code = real_gettime(clock, time);
    if (clock == CLOCK_REALTIME && control && code == 0) time->tv_sec += control[1];
    return code;
}
