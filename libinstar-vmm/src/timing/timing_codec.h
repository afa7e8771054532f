// A Timing as bytes, for the way from a jailed child process to its parent.
#ifndef LIBINSTAR_VMM_SRC_TIMING_TIMING_CODEC_H_
#define LIBINSTAR_VMM_SRC_TIMING_TIMING_CODEC_H_

#include <array>
#include <cstddef>
#include <span>

#include "instar/vmm/timing.h"

namespace instar::vmm {

inline constexpr std::size_t kEncodedTimingBytes = 8 * (kTimingPhases + 3 * kTimingOperations + 1);

std::array<std::byte, kEncodedTimingBytes> EncodeTiming(const Timing& timing);
// Puts what `bytes` hold in place of what `timing` holds, and begins a new phase. False if they
// are not of a Timing.
bool DecodeTiming(std::span<const std::byte> bytes, Timing& timing);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_TIMING_TIMING_CODEC_H_
