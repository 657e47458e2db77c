/*
 * fake.h: a small daemon for testing the shim
 *
 * A thread of the test process accepts clients, does the handshake with each,
 * and serves the faults and events of their main userfaultfds.  Pages that a
 * test takes out of a client are kept here, and filled back when touched.
 */
#ifndef SHIM_TEST_FAKE_H
#define SHIM_TEST_FAKE_H

#include <sys/types.h>

#include <pthread.h>
#include <stdint.h>

#include <pagerd/protocol.h>

#define FAKE_MAX_SPACES 256
#define FAKE_MAX_PAGES 4096
#define FAKE_MAX_FAULTS 64
#define FAKE_WAIT_MS 30000 /* a deadline: what is waited for comes sooner */

struct fake_space {
	uint64_t id;
	uint8_t token[PAGERD_TOKEN_BYTES];
	uint64_t anchor;
	int main_fd;
	int attached; /* HELLO came and was right */
	int gone;
	int sock;
	int fds[PAGERD_FDS_EXEC];
	pid_t pid;
	struct pagerd_msg_hello hello;
	uint64_t faults[FAKE_MAX_FAULTS];
	unsigned int nfaults;
	unsigned int nserved; /* pages filled, but for the anchor */
};

struct fake_page {
	uint64_t space_id;
	uint64_t addr;
	uint8_t data[PAGERD_PAGE_SIZE];
};

enum fake_manner {
	FAKE_SERVE,
	FAKE_REFUSE,
	FAKE_WRONG_VERSION,
	FAKE_HANG_UP,
};

struct fake {
	char dir[64];
	char path[108];
	enum fake_manner manner;
	uint32_t ready_flags;
	uid_t listen_uid; /* whom SO_PEERCRED shows */
	int device;
	int listen_fd;
	int wake[2];
	pthread_t thread;
	pthread_mutex_t lock; /* everything below */
	pthread_cond_t changed;
	struct fake_space spaces[FAKE_MAX_SPACES];
	unsigned int nspaces;
	unsigned int nattached;
	struct fake_page *pages;
	unsigned int npages;
	uint32_t seq;
	char error[160]; /* the first thing that was wrong */
};

int fake_start(struct fake *); /* 0, or -1 with error set */
void fake_stop(struct fake *);

/* Waits for the n-th client (from 0) to attach; NULL: none came. */
struct fake_space *fake_client(struct fake *, unsigned int n);
/* How many address spaces are known, and how many have an agent. */
unsigned int fake_spaces(struct fake *);
unsigned int fake_attached(struct fake *);
/* How many faults were served since this was asked last. */
unsigned int fake_served(struct fake *, struct fake_space *);

/* Adopts a range of the client: MISSING|WP on its main userfaultfd. */
int fake_register(struct fake_space *, uint64_t addr, unsigned int npages);

/* => 0 when MOVED came; status has an entry for each page */
int fake_move(struct fake *, struct fake_space *, uint32_t flags,
    const uint64_t *runs, unsigned int nruns, uint8_t *status);
int fake_unshare(struct fake *, struct fake_space *, const uint64_t *runs,
    unsigned int nruns, int32_t *result);
/*
 * fake_stall: the agent waits in UNSHARE for the missing page at addr, and the
 * daemon serves nobody, until fake_go_on()
 */
int fake_stall(struct fake *, struct fake_space *, uint64_t addr);
int fake_go_on(struct fake *, struct fake_space *);
/* Keeps the pages, to be filled back when touched, and has them dropped. */
int fake_drop(struct fake *, struct fake_space *, const uint64_t *runs,
    unsigned int nruns, int32_t *result);
/*
 * fake_stall_drop: the page at addr is being dropped, and the daemon reads of
 * nothing and hangs up
 */
int fake_stall_drop(struct fake *, struct fake_space *, uint64_t addr);
/* Both are there before its process goes on, which had been stopped. */
int fake_drop_and_release(struct fake *, struct fake_space *, uint64_t addr);
/* The same with a MOVE of one page and DEPEND, which gives it up. */
int fake_move_late(struct fake *, struct fake_space *, uint64_t addr,
    uint8_t *status);
int fake_empty(struct fake *, struct fake_space *);
int fake_release(struct fake_space *);
void fake_hang_up(struct fake_space *);
/* Closes everything that is the client's; its main userfaultfd last. */
void fake_close_space(struct fake *, struct fake_space *);

/* Keeps what is at staging page pos, to be filled back at addr when touched. */
int fake_keep(struct fake *, struct fake_space *, unsigned int pos,
    uint64_t addr);
int fake_peek(const struct fake_space *, uint64_t addr, void *, size_t);

#endif
