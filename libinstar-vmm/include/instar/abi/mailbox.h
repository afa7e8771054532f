/* How a guest image rings the host: layout of guest memory's shared parts. Private to guest-runtime
 * and the executors; versioned with the call table.
 *
 * Each vCPU owns one mailbox. It fills in op and args, rings, and finds result and value when it
 * runs again. The host copies op and args once before it looks at them. How far the operation is
 * does not take a ring: it is posted, and the host looks for it when the vCPU rings for anything.
 * In the KVM executor ringing is `out` to the doorbell port; in the process executor it is
 * `state` = INSTAR_MAILBOX_REQUEST and a futex wake.
 */
#ifndef INSTAR_ABI_MAILBOX_H_
#define INSTAR_ABI_MAILBOX_H_

#include <stdint.h>

#include "instar/abi/part.h"

#define INSTAR_DOORBELL_PORT 0x510

/* Guest virtual addresses. Low memory stays unmapped; the same addresses are free in a host
 * process. */
#define INSTAR_GUEST_BASE \
  0x1000000000ull /* 64 GiB: page tables and TSS, not visible to the guest */
#define INSTAR_IMAGE_BASE (INSTAR_GUEST_BASE + 0x10000ull)
/* The ELF entry point is at the start of the image; workers start this much further on. */
#define INSTAR_WORKER_ENTRY_OFFSET 64
/* Where parts find malloc and free of the image (abi/part.h). */
#define INSTAR_MALLOC_OFFSET 128
#define INSTAR_FREE_OFFSET 192

enum instar_doorbell { INSTAR_DOORBELL_PORT_IO = 1, INSTAR_DOORBELL_FUTEX = 2 };

enum instar_op {
  INSTAR_OP_DEVICE_INFO = 1,
  INSTAR_OP_OPEN_REFERENCE = 2,
  INSTAR_OP_RESIZE = 3,
  INSTAR_OP_FLUSH = 4,
  INSTAR_OP_READ = 5,
  INSTAR_OP_WRITE = 6,
  INSTAR_OP_TRANSFER = 7,
  INSTAR_OP_SCAN_ZERO = 8,
  INSTAR_OP_NEXT_RUNS = 9,
  INSTAR_OP_COMPARE = 10,
  INSTAR_OP_EMIT = 11,
  INSTAR_OP_PROGRESS = 12, /* posted: see struct instar_mailbox */
  INSTAR_OP_WRITE_ROOT = 19,
  INSTAR_OP_RESIZE_ROOT = 20,
  /* handled by the executor itself */
  INSTAR_OP_PARALLEL_START = 13, /* args: workers besides the caller, function, argument */
  INSTAR_OP_PARALLEL_JOIN = 14,
  INSTAR_OP_WORKER_DONE = 15,
  INSTAR_OP_YIELD = 18,
  INSTAR_OP_FINISH = 16,
  INSTAR_OP_FAIL = 17, /* args: address of struct instar_failure */
};

enum instar_mailbox_state {
  INSTAR_MAILBOX_IDLE = 0,
  INSTAR_MAILBOX_REQUEST = 1,
  INSTAR_MAILBOX_RESPONSE = 2,
  INSTAR_MAILBOX_START = 3, /* process executor: a parked worker may run function(argument) */
};

struct instar_mailbox {
  uint32_t state; /* enum instar_mailbox_state; used by the process executor only */
  uint32_t op;    /* enum instar_op */
  uint64_t args[6];
  int64_t result;
  uint64_t value;
  uint64_t start_function; /* set by the host before a worker starts */
  uint64_t start_argument;
  uint64_t posted_done; /* of posted_total; the host sets posted_total to 0 when it has seen them */
  uint64_t posted_total;
};

/* One per vCPU; FS base points at it. The stack protector reads its canary at offset 0x28. */
struct instar_vcpu {
  struct instar_vcpu* self;       /* 0x00 */
  struct instar_mailbox* mailbox; /* 0x08 */
  uint32_t index;                 /* 0x10 */
  uint32_t doorbell;              /* 0x14: enum instar_doorbell */
  uint64_t reserved[2];           /* 0x18 */
  uint64_t canary;                /* 0x28 */
};

/* Handed to the entry point in RDI. */
struct instar_boot {
  uint32_t magic;   /* INSTAR_ABI_MAGIC */
  uint32_t version; /* INSTAR_ABI_VERSION */
  uint32_t max_workers;
  uint32_t device_count; /* of `devices` */
  uint64_t heap_start;
  uint64_t heap_bytes;
  uint64_t request; /* the encoded request (instar/wire.h) */
  uint64_t request_bytes;
  /* What the host said of the first devices when the operation began (struct instar_device_info):
   * until the guest changes anything, to ask for that takes no ring. */
  uint64_t devices;
  uint64_t parts[INSTAR_PARTS]; /* of each, the address of its struct instar_part; 0: not mapped */
};

#endif /* INSTAR_ABI_MAILBOX_H_ */
