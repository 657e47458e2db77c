/*
 * frames.h: the memfd of an object, whose pages are frames for many clients
 *
 * => fault thread; pages are counted from the start of the object; no call
 *    waits
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdint.h>

/* => a memfd of npages, that cannot be made longer or shorter; or -errno */
int frames_create(uint64_t npages);
void frames_close(int fd);
/* => a descriptor of the same that cannot write, or -errno */
int frames_readonly(int fd);
/* => 0 or -errno; a page that is not there reads zero, and then is there */
int frames_read(int fd, uint64_t page, void *buf);
/* => the page is there; 0 or -errno */
int frames_write(int fd, uint64_t page, const void *buf);
/* => the pages are gone, from everybody who had mapped them; 0 or -errno */
int frames_punch(int fd, uint64_t page, uint64_t npages);

#endif
