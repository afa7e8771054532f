#include "jail/call_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdlib>

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

}  // namespace

void CallFilter::Allow(long number, std::initializer_list<Condition> conditions) {
  for (const auto& [index, mask, value] : conditions) {
    // One that holds always, or never, is a mistake.
    if (index >= 6 || mask == 0 || (value & ~mask) != 0) std::abort();
  }
  checked_.push_back({static_cast<std::uint32_t>(number), conditions});
}

std::vector<sock_filter> CallFilter::Program() const {
  std::vector<sock_filter> program;
  const auto add = [&](sock_filter instruction) { program.push_back(instruction); };
  add(Load(offsetof(seccomp_data, arch)));
  add(IfEqual(kArchitecture, 1, 0));
  add(Return(SECCOMP_RET_KILL_PROCESS));
  add(Load(offsetof(seccomp_data, nr)));
  for (const std::uint32_t number : plain_) {
    add(IfEqual(number, 0, 1));
    add(Return(SECCOMP_RET_ALLOW));
  }
  for (const Checked& checked : checked_) {
    // What fails goes on behind the instructions of this call, where the number is loaded again.
    std::vector<sock_filter> conditions;
    for (const auto& [index, mask, value] : checked.conditions) {
      for (const bool upper : {false, true}) {
        const unsigned shift = upper ? 32 : 0;
        const auto mask_half = static_cast<std::uint32_t>(mask >> shift);
        if (mask_half == 0) continue;
        conditions.push_back(Load(Argument(index, upper)));
        conditions.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask_half));
        conditions.push_back(IfEqual(static_cast<std::uint32_t>(value >> shift) & mask_half, 0, 0));
      }
    }
    const std::size_t length = conditions.size() + 1;  // and the verdict
    for (std::size_t at = 2; at < conditions.size(); at += 3) {
      conditions[at].jf = static_cast<std::uint8_t>(length - at - 1);
    }
    add(IfEqual(checked.number, 0, static_cast<std::uint8_t>(length)));
    program.insert(program.end(), conditions.begin(), conditions.end());
    add(Return(SECCOMP_RET_ALLOW));
    add(Load(offsetof(seccomp_data, nr)));
  }
  add(Return(SECCOMP_RET_KILL_PROCESS));
  return program;
}

}  // namespace instar::vmm
