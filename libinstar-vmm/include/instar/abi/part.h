/* Parts: code that a guest image does without until a run may need it.
 *
 * A part is an ELF file of its own, linked at an address that no image and no other part uses. The
 * host maps it beside the image, its code read-execute and its constants read-only, and says in the
 * boot block where its struct instar_part stands (mailbox.h). A part has no memory of its own: what
 * it works with it gets from its caller, or from the image's malloc, which it finds at a fixed
 * address.
 */
#ifndef INSTAR_ABI_PART_H_
#define INSTAR_ABI_PART_H_

#include <stdint.h>

#define INSTAR_PART_MAGIC 0x54525049u /* "IPRT" */
#define INSTAR_PART_VERSION 1u

enum instar_part_id {
  INSTAR_PART_ZSTD_IN = 0,  /* ZstdDecoder */
  INSTAR_PART_DEFLATE = 1,  /* DeflateEncoder */
  INSTAR_PART_ZSTD_OUT = 2, /* ZstdEncoder */
};
enum { INSTAR_PARTS = 3 };

/* What the ELF entry point of a part is the address of. */
struct instar_part {
  uint32_t magic;        /* INSTAR_PART_MAGIC */
  uint32_t version;      /* INSTAR_PART_VERSION */
  uint32_t id;           /* enum instar_part_id */
  uint32_t size;         /* of `functions`, in bytes */
  const void* functions; /* a struct of formats/codec/codecs.h */
};

#endif /* INSTAR_ABI_PART_H_ */
