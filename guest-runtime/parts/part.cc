// One part (abi/part.h): compiled once for each, with INSTAR_PART_ID and with INSTAR_PART_FUNCTIONS
// as the table of formats/codec/codecs.h that it exports.
#include "instar/abi/part.h"

#include <cstddef>
#include <cstring>

#include "formats/codec/codecs.h"

extern "C" {

// The entry point of the file.
extern const instar_part instar_part_table;
constinit const instar_part instar_part_table = {
    .magic = INSTAR_PART_MAGIC,
    .version = INSTAR_PART_VERSION,
    .id = INSTAR_PART_ID,
    .size = sizeof(instar::INSTAR_PART_FUNCTIONS),
    .functions = &instar::INSTAR_PART_FUNCTIONS,
};

// malloc and free are the image's (part.ld).
void* malloc(std::size_t bytes);

void* calloc(std::size_t count, std::size_t bytes) {
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, bytes, &total)) return nullptr;
  void* const pointer = malloc(total);
  std::memset(pointer, 0, total);
  return pointer;
}

// Hooks of libzstd, weak there: to leave them undefined is not possible so far above 4 GiB.
unsigned long long ZSTD_trace_compress_begin(const void*) { return 0; }
unsigned long long ZSTD_trace_decompress_begin(const void*) { return 0; }
void ZSTD_trace_compress_end(unsigned long long, const void*) {}
void ZSTD_trace_decompress_end(unsigned long long, const void*) {}

// In the place of what the build leaves out (CMakeLists.txt). Nothing calls it.
[[noreturn]] void instar_left_out() { __builtin_trap(); }

}  // extern "C"
