/* The call table: the only seam between the code that parses images and the world.
 *
 * Three implementations exist: guest-runtime's rings a doorbell (KVM or process
 * executor), the inline executor's calls the broker directly, and the tests' records and injects
 * faults. A caller checks magic, version and size before it uses the table.
 *
 * Every function returns a non-negative number, or a failure made by INSTAR_CALL_ERROR. Devices are
 * numbers the broker gave out. All structs are plain data of fixed layout; "reserved" members are
 * zero.
 */
#ifndef INSTAR_ABI_CALL_TABLE_H_
#define INSTAR_ABI_CALL_TABLE_H_

#include <stdint.h>

#define INSTAR_ABI_MAGIC 0x4C414349u /* "ICAL" */
#define INSTAR_ABI_VERSION 2u

/* A failure: `code` is a value of instar::ErrorCode, `os_errno` the host's errno or 0. */
#define INSTAR_CALL_ERROR(code, os_errno) \
  (-(int64_t)(((uint64_t)(os_errno) << 8) | (uint64_t)(code)))
#define INSTAR_CALL_ERROR_CODE(result) ((uint32_t)((uint64_t)(-(result)) & 0xFF))
#define INSTAR_CALL_ERROR_ERRNO(result) ((int32_t)((uint64_t)(-(result)) >> 8))

#ifdef __cplusplus
extern "C" {
#endif

enum { INSTAR_MAX_WORKERS = 16 };  /* vCPUs of one guest */
enum { INSTAR_MAX_LIST = 4096 };   /* entries of one vectored call */
enum { INSTAR_MAX_RUNS = 1024 };   /* runs of one answer */
enum { INSTAR_MAX_NAME = 4096 };   /* bytes of a referenced file's name */
enum { INSTAR_MAX_EMIT = 131072 }; /* bytes of one batch of records */
enum { INSTAR_MAX_MESSAGE = 512 }; /* bytes of an error message */
enum { INSTAR_MAX_ROOT = 4096 };   /* bytes of one write_root, within so many aligned bytes */

#define INSTAR_DEVICE_WRITABLE 1u
#define INSTAR_DEVICE_FRESH_READS_ZERO 2u
#define INSTAR_DEVICE_BLOCK 4u
#define INSTAR_DEVICE_SEQUENTIAL 8u /* a pipe: read or written once, from its start to its end */
#define INSTAR_DEVICE_DIRECT 16u /* read past the page cache: reading twice takes twice as long */
#define INSTAR_DEVICE_SHARES \
  32u /* what was copied into it last, but for small pieces, shares blocks with its source */
#define INSTAR_DEVICE_UNFLUSHED 64u /* to flush it does nothing: nobody wants it on the disk */

struct instar_device_info {
  uint64_t size_bytes;
  uint32_t flags; /* INSTAR_DEVICE_* */
  uint32_t reserved;
  uint64_t allocated_bytes; /* of storage; 0 where that is not known */
};

/* One read into, or write from, the caller's memory. */
struct instar_io {
  uint32_t device;
  uint32_t reserved;
  uint64_t offset;
  void* data;
  uint64_t length;
};

#define INSTAR_TRANSFER_COPY 1u
#define INSTAR_TRANSFER_COPY_SPARSE 2u
#define INSTAR_TRANSFER_ZERO 3u
#define INSTAR_TRANSFER_DISCARD 4u

/* One step of moving bulk data; see instar::TransferStep. */
struct instar_transfer {
  uint32_t kind;
  uint32_t source;
  uint32_t target;
  uint32_t zero_run_bytes;
  uint64_t source_offset;
  uint64_t target_offset;
  uint64_t length;
};

struct instar_range {
  uint32_t device;
  uint32_t reserved;
  uint64_t offset;
  uint64_t length;
};

struct instar_run {
  uint64_t length;
  uint32_t hole; /* 0 or 1 */
  uint32_t reserved;
};

/* What `fail` tells. The message is text in the caller's memory with {0}, {0x} ... as in
 * instar::Error. */
struct instar_failure {
  uint32_t code;
  uint32_t device;
  int32_t os_errno;
  uint32_t message_length;
  const char* message;
  uint64_t numbers[3];
};

struct instar_call_table {
  uint32_t magic;
  uint32_t version;
  uint32_t size; /* sizeof(struct instar_call_table) of the implementation */
  uint32_t max_workers;
  void* context; /* first argument of every function */

  /* devices */
  int64_t (*device_info)(void* context, uint32_t device, struct instar_device_info* info);
  /* Result: the new device's number. */
  int64_t (*open_reference)(void* context, uint32_t parent, const char* name, uint64_t name_length,
                            uint32_t role);
  int64_t (*resize)(void* context, uint32_t device, uint64_t size_bytes, uint32_t preallocation);
  int64_t (*flush)(void* context, uint32_t device);

  /* metadata */
  int64_t (*read)(void* context, const struct instar_io* list, uint64_t count);
  int64_t (*write)(void* context, const struct instar_io* list, uint64_t count);

  /* bulk data, never seen by the caller */
  int64_t (*transfer)(void* context, const struct instar_transfer* list, uint64_t count);
  /* Units of up to 4096 bytes are read to their end, so that success means that they can be read;
     of a larger one no more need be than shows that it holds data. */
  int64_t (*scan_zero)(void* context, const struct instar_range* list, uint64_t count,
                       uint64_t unit_bytes, uint64_t* bitmap, uint64_t bitmap_words);
  /* Result: how many runs there are; they follow one another from `offset` on. From where data is
     found on, its unit of the file of `unit_bytes` (a power of two; 1 to know exactly) is told as
     data to its end. */
  int64_t (*next_runs)(void* context, uint32_t device, uint64_t offset, uint64_t max_length,
                       uint64_t unit_bytes, struct instar_run* runs, uint64_t capacity);
  /* Result: 0 equal, 1 different with *first_difference set. */
  int64_t (*compare)(void* context, const struct instar_range* a, const struct instar_range* b,
                     uint64_t* first_difference);

  /* results */
  int64_t (*emit)(void* context, const void* records, uint64_t length);
  int64_t (*progress)(void* context, uint64_t done, uint64_t total);

  /* parallelism */
  int64_t (*parallel)(void* context, uint32_t workers,
                      void (*function)(void* argument, unsigned worker), void* argument);
  /* For a worker that waits for another: returns when another worker has made a call since this
   * one's last, or after a millisecond. The processor is free for others meanwhile. */
  int64_t (*yield)(void* context);

  /* the end: neither returns in the guest */
  void (*finish)(void* context);
  void (*fail)(void* context, const struct instar_failure* failure);

  /* The one step by which a change in place takes effect (instar::TargetDevice). When either
   * returns, with success or without, the host will not undo the change any more. After a failure
   * it accepts no further change of any file. */
  int64_t (*write_root)(void* context, uint32_t device, uint64_t offset, const void* data,
                        uint64_t length);
  int64_t (*resize_root)(void* context, uint32_t device, uint64_t size_bytes,
                         uint32_t preallocation);
};

#ifdef __cplusplus
}
#endif

#endif /* INSTAR_ABI_CALL_TABLE_H_ */
