#include "jail/call_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <span>

namespace instar::vmm {
namespace {

#if !defined(__x86_64__)
#error "the filter of system calls does not know this architecture's number"
#endif
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;

constexpr sock_filter Load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
constexpr sock_filter Return(std::uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }
// Skips so many instructions.
constexpr sock_filter IfEqual(std::uint32_t value, std::uint8_t then, std::uint8_t otherwise) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise);
}

constexpr std::size_t Argument(unsigned index, bool upper_half) {
  return offsetof(seccomp_data, args) + index * sizeof(std::uint64_t) +
         (upper_half ? sizeof(std::uint32_t) : 0);  // little-endian
}

// Of a condition, in instructions. BPF_JA jumps as far as one likes.
constexpr std::size_t kFarthestJump = 255;

}  // namespace

void CallFilter::Allow(long number, std::initializer_list<Condition> conditions) {
  for (const auto& [index, mask, value] : conditions) {
    // One that holds always, or never, is a mistake.
    if (index >= 6 || mask == 0 || (value & ~mask) != 0) std::abort();
  }
  calls_.push_back({.number = static_cast<std::uint32_t>(number),
                    .first_condition = conditions_.size(),
                    .condition_count = conditions.size()});
  conditions_.insert(conditions_.end(), conditions);
}

// In order, and so that every number is in one. `calls` are in order of their numbers.
std::vector<CallFilter::Range> CallFilter::RangesOf(std::span<const Call> calls) {
  std::vector<Range> ranges;
  ranges.reserve(2 * calls.size() + 1);
  ranges.push_back({.first = 0, .calls = {}});
  bool plain = false;  // the last number is allowed whatever the arguments
  for (std::size_t at = 0; at < calls.size();) {
    const std::uint32_t number = calls[at].number;
    const std::size_t start = at;
    bool is_plain = false;
    for (; at < calls.size() && calls[at].number == number; ++at) {
      is_plain = is_plain || calls[at].condition_count == 0;
    }
    // The range before ends here, and is empty if it began here.
    const bool is_next = ranges.back().first == number;
    if (is_next) ranges.pop_back();
    if (!(is_next && plain && is_plain)) {
      ranges.push_back({.first = number, .calls = calls.subspan(start, at - start)});
    }
    plain = is_plain;
    ranges.push_back({.first = number + 1, .calls = {}});
  }
  return ranges;
}

// Allows if all conditions hold, else goes on behind the code.
void CallFilter::AppendCall(const Call& call, Code& program) const {
  const std::size_t start = program.size();
  const auto conditions =
      std::span(conditions_).subspan(call.first_condition, call.condition_count);
  for (const auto& [index, mask, value] : conditions) {
    for (const bool upper : {false, true}) {
      const unsigned shift = upper ? 32 : 0;
      const auto mask_half = static_cast<std::uint32_t>(mask >> shift);
      if (mask_half == 0) continue;
      program.push_back(Load(Argument(index, upper)));
      if (mask_half != 0xFFFFFFFF) {
        program.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask_half));
      }
      program.push_back(IfEqual(static_cast<std::uint32_t>(value >> shift) & mask_half, 0, 0));
    }
  }
  for (std::size_t at = start; at < program.size(); ++at) {
    const bool is_test = BPF_CLASS(program[at].code) == BPF_JMP;
    // Over the verdict.
    if (is_test) program[at].jf = static_cast<std::uint8_t>(program.size() - at);
  }
  program.push_back(Return(SECCOMP_RET_ALLOW));
}

// The verdict on a call whose number is in that range.
void CallFilter::AppendVerdict(const Range& range, Code& program) const {
  for (const Call& call : range.calls) AppendCall(call, program);
  const bool is_plain = !range.calls.empty() && range.calls.back().condition_count == 0;
  if (!is_plain) program.push_back(Return(SECCOMP_RET_KILL_PROCESS));
}

// The verdict on a call whose number is loaded, and in one of the ranges.
void CallFilter::AppendTree(std::span<const Range> ranges, Code& program) const {
  if (ranges.size() == 1) return AppendVerdict(ranges.front(), program);
  const std::size_t middle = ranges.size() / 2;
  const std::size_t test = program.size();
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, 0, 0));
  AppendTree(ranges.first(middle), program);
  const std::size_t below = program.size() - test - 1;
  if (below <= kFarthestJump) {
    program[test].jt = static_cast<std::uint8_t>(below);
  } else {
    program[test].jf = 1;
    program.insert(program.begin() + static_cast<std::ptrdiff_t>(test) + 1,
                   BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(below)));
  }
  AppendTree(ranges.subspan(middle), program);
}

std::vector<sock_filter> CallFilter::Program() const {
  std::vector<Call> calls = calls_;
  std::ranges::stable_sort(calls, {}, &Call::number);
  Code program;
  program.reserve(512);
  program = {Load(offsetof(seccomp_data, arch)), IfEqual(kArchitecture, 1, 0),
             Return(SECCOMP_RET_KILL_PROCESS), Load(offsetof(seccomp_data, nr))};
  AppendTree(RangesOf(calls), program);
  return program;
}

}  // namespace instar::vmm
