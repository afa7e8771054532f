#include "timing/timing_codec.h"

#include <cstdint>

#include "formats/base/endian.h"

namespace instar::vmm {
namespace {

// Every number of a Timing, in order. `visit` takes a std::uint64_t or std::chrono::nanoseconds.
template <typename T, typename Visit>
void ForEachNumber(T& timing, const Visit& visit) {
  for (auto& phase : timing.phases) visit(phase);
  for (auto& requests : timing.requests) {
    visit(requests.count);
    visit(requests.bytes);
    visit(requests.time);
  }
  visit(timing.vcpu_time);
}

std::uint64_t Number(std::uint64_t number) { return number; }
std::uint64_t Number(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(time.count());
}

void Assign(std::uint64_t& target, std::uint64_t number) { target = number; }
void Assign(std::chrono::nanoseconds& target, std::uint64_t number) {
  target = std::chrono::nanoseconds(static_cast<std::int64_t>(number));
}

}  // namespace

std::array<std::byte, kEncodedTimingBytes> EncodeTiming(const Timing& timing) {
  std::array<std::byte, kEncodedTimingBytes> bytes{};
  std::size_t at = 0;
  ForEachNumber(timing, [&](const auto& number) {
    StoreLe64(bytes, at, Number(number));
    at += 8;
  });
  return bytes;
}

bool DecodeTiming(std::span<const std::byte> bytes, Timing& timing) {
  if (bytes.size() != kEncodedTimingBytes) return false;
  std::size_t at = 0;
  ForEachNumber(timing, [&](auto& number) {
    Assign(number, LoadLe64(bytes, at));
    at += 8;
  });
  timing.last = Timing::Clock::now();
  return true;
}

}  // namespace instar::vmm
