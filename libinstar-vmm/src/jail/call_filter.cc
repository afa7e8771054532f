#include "jail/call_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

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

using Code = std::vector<sock_filter>;
using Alternatives = std::vector<std::vector<CallFilter::Condition>>;
// Of a condition, in instructions. BPF_JA jumps as far as one likes.
constexpr std::size_t kFarthestJump = 255;

void Append(Code& code, const Code& more) { code.insert(code.end(), more.begin(), more.end()); }

// Allows if all conditions hold, else goes on behind the code.
Code AllowIf(std::span<const CallFilter::Condition> conditions) {
  Code code;
  for (const auto& [index, mask, value] : conditions) {
    for (const bool upper : {false, true}) {
      const unsigned shift = upper ? 32 : 0;
      const auto mask_half = static_cast<std::uint32_t>(mask >> shift);
      if (mask_half == 0) continue;
      code.push_back(Load(Argument(index, upper)));
      if (mask_half != 0xFFFFFFFF) {
        code.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask_half));
      }
      code.push_back(IfEqual(static_cast<std::uint32_t>(value >> shift) & mask_half, 0, 0));
    }
  }
  const std::size_t length = code.size() + 1;  // and the verdict
  for (std::size_t at = 0; at < code.size(); ++at) {
    const bool is_test = BPF_CLASS(code[at].code) == BPF_JMP;
    if (is_test) code[at].jf = static_cast<std::uint8_t>(length - at - 1);
  }
  code.push_back(Return(SECCOMP_RET_ALLOW));
  return code;
}

// The verdict on one call whose number is that.
Code JudgeArguments(const Alternatives& alternatives) {
  if (alternatives.empty()) return {Return(SECCOMP_RET_ALLOW)};
  Code code;
  for (const auto& conditions : alternatives) Append(code, AllowIf(conditions));
  code.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  return code;
}

// Numbers from `first` to where the next range begins, which have the same verdict.
struct Range {
  std::uint32_t first = 0;
  Code verdict;
};

// In order, and so that every number is in one.
std::vector<Range> RangesOf(const std::map<std::uint32_t, Alternatives>& calls) {
  const Code kill = {Return(SECCOMP_RET_KILL_PROCESS)};
  std::vector<Range> ranges = {{.first = 0, .verdict = kill}};
  bool plain = false;  // the last call is allowed whatever its arguments
  const auto begin = [&](std::uint32_t first, const Code& verdict) {
    if (ranges.back().first == first) ranges.pop_back();
    ranges.push_back({.first = first, .verdict = verdict});
  };
  for (const auto& [number, alternatives] : calls) {
    const bool goes_on = plain && alternatives.empty() && ranges.back().first == number;
    if (goes_on) {
      ranges.pop_back();  // what was to be killed behind it
    } else {
      begin(number, JudgeArguments(alternatives));
    }
    plain = alternatives.empty();
    begin(number + 1, kill);
  }
  return ranges;
}

// The verdict on a call whose number is loaded, and in one of the ranges.
Code Judge(std::span<const Range> ranges) {
  if (ranges.size() == 1) return ranges.front().verdict;
  const std::size_t middle = ranges.size() / 2;
  const std::uint32_t first = ranges[middle].first;
  const Code below = Judge(ranges.first(middle));
  Code code;
  if (below.size() <= kFarthestJump) {
    code = {BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, static_cast<std::uint8_t>(below.size()), 0)};
  } else {
    code = {BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 1),
            BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(below.size()))};
  }
  Append(code, below);
  Append(code, Judge(ranges.subspan(middle)));
  return code;
}

}  // namespace

void CallFilter::Allow(long number) { calls_[static_cast<std::uint32_t>(number)].clear(); }

void CallFilter::Allow(long number, std::initializer_list<Condition> conditions) {
  for (const auto& [index, mask, value] : conditions) {
    // One that holds always, or never, is a mistake.
    if (index >= 6 || mask == 0 || (value & ~mask) != 0) std::abort();
  }
  const auto [call, is_new] = calls_.try_emplace(static_cast<std::uint32_t>(number));
  // A known one without alternatives is allowed already, whatever its arguments.
  if (is_new || !call->second.empty()) call->second.emplace_back(conditions);
}

std::vector<sock_filter> CallFilter::Program() const {
  Code program = {Load(offsetof(seccomp_data, arch)), IfEqual(kArchitecture, 1, 0),
                  Return(SECCOMP_RET_KILL_PROCESS), Load(offsetof(seccomp_data, nr))};
  Append(program, Judge(RangesOf(calls_)));
  return program;
}

}  // namespace instar::vmm
