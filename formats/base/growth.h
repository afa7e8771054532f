// How the part that a disk grows by is stored.
#ifndef FORMATS_BASE_GROWTH_H_
#define FORMATS_BASE_GROWTH_H_

#include <cstdint>

namespace instar {

enum class Growth : std::uint32_t {
  kOff = 0,       // not at all: it reads as zeros
  kMetadata = 1,  // places are given out (qcow2); the file has holes there
  kFalloc = 2,    // and the file system reserves storage for them
  kFull = 3,      // and zeros are written to them
};

}  // namespace instar

#endif  // FORMATS_BASE_GROWTH_H_
